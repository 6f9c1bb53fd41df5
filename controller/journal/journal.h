/*
 * The journal of a controller: what it is about to write to a row of a volume with parity is
 * durable in a file of its own first (record.h), so that after a loss of power the next start can
 * write it once more, and no row is left half written. shm/journal.h has what controllers share of
 * it.
 *
 *      slice computed --journal_add--> wanted --a batch--> writing --durable--> written in place
 *                                                                                    | journal_end
 *                   the ring's room is free <--checkpoint-- no slice of it is open <--+
 *
 * Batches go one after another, each with all that is wanted when it begins: group commit. So one
 * slow write makes the next batch larger.
 *
 * The ring keeps a batch until it is void: a checkpoint (checkpoint.c) takes the horizon, flushes
 * all members of the volumes that may have something below it, and writes the horizon to our
 * header. One controller's checkpoint makes batches of all controllers void.
 *
 * Acknowledgement is as without a journal: a write is answered when it has been written in place,
 * and FLUSH and FUA mean the members.
 *
 * A journal that cannot be written stops writes of all volumes with parity, with EIO, for all
 * controllers: what it holds can no longer be made void, so a start would write it over anything
 * that was written after it. Reads go on, and other volumes.
 *
 * Invariants
 *  1. A slice is written in place only while the batch with its record is durable and not void.
 *  2. The command's redo record says that it has begun before its record is durable: so a dead
 *     controller's record is of something that survivors do again, and journal for themselves,
 *     before anybody else writes there.
 *  3. Who is left out by a record is known to be absent, durably. Else the next start would take
 * him for up to date, and parity would be of data that he does not have.
 *  4. Batches are void in the order of their sequences, over all controllers: a record is never
 *     replayed over one that was written after it.
 */
#ifndef CONTROLLER_JOURNAL_JOURNAL_H
#define CONTROLLER_JOURNAL_JOURNAL_H

#include "controller/journal/record.h"
#include "controller/path/command.h"
#include "io/element.h"
#include "shm/journal.h"

struct controller;

/* What is known of a batch that is in the ring. */
struct journal_kept {
    uint64_t sequence;
    uint32_t taken_bytes; /* of the ring, with what was left over behind it */
    uint32_t open;        /* slices that are not written in place yet */
};

enum checkpoint_step { CHECKPOINT_NONE, CHECKPOINT_FLUSHES, CHECKPOINT_WRITES };

/* Making batches void. */
struct journal_checkpoint {
    enum checkpoint_step step;
    bool wanted;       /* by somebody who needs more than room */
    bool answered;     /* the errand, or the write, has ended */
    uint32_t failures; /* in a row */
    uint64_t horizon;
    uint32_t volume; /* that is being flushed */
    int64_t status;
    uint32_t written_bytes; /* of the header */
    struct completion written;
    struct timer pause;           /* armed: until the next one may begin */
    struct journal_header header; /* as it was written last */
    uint8_t *block;
};

/* Making it durable that members of a volume are absent, before there are records without them. */
struct journal_marking {
    bool running, answered;
    uint32_t volume;
    int32_t status;
};

struct journal {
    struct element file;
    uint64_t ring_bytes;
    uint64_t batch_bytes_max; /* a third of the ring, or JOURNAL_BATCH_BYTES_MAX if that is less */
    uint64_t head_bytes, used_bytes; /* where the next batch begins, and what is in use before it */
    uint64_t last_sequence;          /* of the batch that this life wrote last; 0: none */

    /* Batches in the ring, oldest first, at their number modulo JOURNAL_BATCHES_MAX. */
    struct journal_kept *kept;
    uint32_t kept_begin, kept_end; /* numbers */
    uint32_t open_begin;           /* the oldest one that is open, or kept_end */

    struct command_queue wanted;  /* slices that wait for a batch */
    struct command_queue writing; /* those of the batch that is being written */
    uint8_t *memory;              /* JOURNAL_BATCH_BYTES_MAX, aligned to a block */
    bool in_flight;
    bool answered; /* the batch's write has ended */
    int64_t result;
    uint32_t batch_bytes, written_bytes;
    uint64_t batch_place_bytes;
    struct completion batch;
    bool lacks_room; /* the first in line has been counted as waiting for it */

    struct journal_checkpoint checkpoint;
    struct journal_marking marking;
};

/* Takes the file over, which is open and has this array's header; -EBADMSG when it has another one.
 * 0 or -errno; NULL is no journal. */
int journal_new(struct controller *controller, const struct element *file);
void journal_free(struct controller *controller);

/* A computed slice of this command is to be journaled before it is written. It waits, and goes on
 * by command_complete with slices.journal_status: 0, or -EIO where the journal has failed. From
 * then, if that is 0, until journal_end it is open. */
void journal_add(struct controller *controller, struct command *command);

/* The slice that was journaled has been written in place, or never will be. */
void journal_end(struct controller *controller, struct command *command);

/* Once a turn: begins batches and checkpoints, and ends those that are over. */
void journal_turn(struct controller *controller);
bool journal_has_work(const struct controller *controller);

/* Whether I/O of its file is under way. */
bool journal_writes(const struct controller *controller);

/* Whether nothing of it is under way, and it has done what can be done that the next start has
 * nothing to replay. While the controller quiesces. */
bool journal_is_quiet(const struct controller *controller);

/* Whether a record of the volume would still be replayed: then what its members hold must not
 * become anything else's. Asks for a checkpoint, so that it does not stay so. */
bool journal_holds_volume(struct controller *controller, uint32_t volume);

/* The sequence that the next record of a volume will have at least; 0: it is not journaled. And
 * whether no record before that one would be replayed any more; else asks for a checkpoint. */
uint64_t journal_next_sequence(const struct controller *controller, uint32_t volume);
bool journal_is_past(struct controller *controller, uint64_t sequence);

/* --- between its parts --- */

struct journal_shared *journal_shared_of(const struct controller *controller);

static inline struct journal_kept *journal_kept_at(struct journal *journal, uint32_t number)
{
    return &journal->kept[number % JOURNAL_BATCHES_MAX];
}

/* Whether a batch of so many bytes fits the ring now; and a place there for it: it is open from
 * then on. */
bool journal_has_room(const struct journal *journal, uint64_t bytes);
struct journal_kept *journal_take_room(struct controller *controller, uint32_t bytes,
                                       uint64_t *ret_place_bytes);

/* Tells others, when it may have changed which batches are open. */
void journal_say_what_is_open(struct controller *controller);

void checkpoint_init(struct journal *journal);
void checkpoint_turn(struct controller *controller);
bool checkpoint_has_work(const struct journal *journal);

/* Sends one of the journal's own commands on its way: `number` of JOURNAL_COMMANDS, which is not on
 * its way. */
void journal_send(struct controller *controller, uint32_t number, uint8_t op, uint32_t volume,
                  const struct command_origin *origin);

/* Whether records of the volume must wait, because members are absent and are not marked. */
bool marking_is_needed(const struct command *command);
void marking_begin(struct controller *controller, uint32_t volume);

/* Batches that are void leave the ring. */
void journal_drop_void(struct controller *controller);

/* It cannot be written. Says so once. */
void journal_fail(struct controller *controller, int64_t error);
bool journal_has_failed(const struct controller *controller);

#endif
