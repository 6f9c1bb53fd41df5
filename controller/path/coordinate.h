/*
 * COORDINATE and RELEASE: order between commands that overlap (claims 17 and 18), by the
 * coordination table (shm/reserve.h).
 *
 * A command on a plain volume is ordered by the single owner of its element and needs no
 * reservation. One on a virtual volume reserves its range, shared to read and exclusive to change,
 * before SPLIT sends anything, and releases it when the last component has ended. A command that is
 * held, or for which the table has no place, waits in this stage and consumes nothing; a doorbell
 * from whoever released says when to look again.
 *
 * What is reserved is a range of the virtual volume; with parity, a range of the members, because
 * parity ties together what lies at the same place of all of them.
 */
#ifndef CONTROLLER_PATH_COORDINATE_H
#define CONTROLLER_PATH_COORDINATE_H

#include "controller/path/command.h"
#include "shm/layout.h"
#include "shm/reserve.h"

/* The state of the stage in a controller. */
struct coordinate {
    struct coordination table;
    enum coordination_policy policy;
    struct command_queue without_place; /* told FULL, in order */
    uint32_t held_count;                /* commands that wait for a reservation */
    bool look_at_places;                /* a place may have become free */
    bool look_at_held;                  /* too many notifications for ourselves: look at all */
    uint32_t noticed_count;
    struct {
        uint32_t cookie, generation;
    } noticed[COORDINATE_NOTICED_MAX]; /* notifications for ourselves, for the turn's end */
};

void coordinate_init(struct controller *controller);

/* A peer's doorbell: a reservation was handed to our command `cookie`, or there may be places. A
 * hint; one that is old or wrong does no harm. */
void coordinate_handed(struct controller *controller, uint32_t by, uint32_t cookie,
                       uint32_t generation);
void coordinate_places(struct controller *controller);

/* Whether coordinate_turn has something to do. */
bool coordinate_has_work(const struct controller *controller);

/* Once a turn: goes on with those that were told something in this process. */
void coordinate_turn(struct controller *controller);

/* Looks at all that wait again, in case a doorbell was lost. Whether any still wait. */
bool coordinate_sweep(struct controller *controller);

/* Ends what a dead peer had reserved, once its I/O has landed. */
void coordinate_recover(struct controller *controller, uint32_t seat, uint32_t epoch);

#endif
