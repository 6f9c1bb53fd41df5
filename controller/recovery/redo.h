/*
 * Redoing: what a dead controller had begun to write on several members, and may have left half
 * done, is written once more by a survivor (shm/redo.h), before what it had reserved is given up.
 * So each write of a virtual volume that was not answered has happened wholly, or not at all, when
 * anybody can look at its range again; and parity fits its data.
 *
 * It begins when nobody executes anything for the dead one any more, nor for another dead one that
 * had begun to redo it: an old component that ran late would come after those who write next. Any
 * survivor may take a record; of several, one gets it (redo_claim). Each record becomes a command
 * like the dead one's, with its payload where it lies, in the dead one's buffers; members that
 * cannot be written fail, and are marked, as by any write.
 *
 * Its commands are a fixed set of its own: all those of hosts may be held by what the dead one had
 * reserved.
 */
#ifndef CONTROLLER_RECOVERY_REDO_H
#define CONTROLLER_RECOVERY_REDO_H

#include "controller/path/command.h"
#include "shm/redo.h"

struct split;

/* All that a controller has to do with it. */
struct redo {
    struct redo_record *records; /* our own: one for each of our host commands */
    struct command *commands;    /* `commands_count` of them */
    uint32_t commands_count;
    struct command *free;             /* of them */
    uint32_t busy;                    /* of them: on their way */
    bool look;                        /* one has ended: is the dead one recovered now? */
    uint32_t redone[CONTROLLERS_MAX]; /* commands of each seat, since it was last recovered */
};

enum redo_left {
    REDO_LEFT_NOTHING,
    REDO_LEFT_PAYLOAD, /* all is done; its buffers may still be read by I/O of another dead one */
    REDO_LEFT_WRITES,  /* something is still to be done, here or by another survivor */
};

/* The commands have been made. */
void redo_init(struct controller *controller);

/* Goes on with what the controller of a seat, which is gone, left behind: takes what is to be
 * taken, as far as there are commands. To be called until it says NOTHING. Never blocks. */
enum redo_left redo_go_on(struct controller *controller, uint32_t seat);

/* Once a turn; and whether that would do something. */
void redo_turn(struct controller *controller);
bool redo_has_work(const struct controller *controller);

/* Whether none of its commands is on its way: a controller that ends in order waits for that. */
bool redo_is_quiet(const struct controller *controller);

/* Whether one of its commands works on the volume. */
bool redo_works_on(const struct controller *controller, uint32_t volume);

#endif
