/*
 * What controllers have in common of their journals (controller/journal/journal.h): one order for
 * all batches, and from which on they must be replayed.
 *
 * A batch of records has a sequence, taken while all that it names is reserved: so of two records
 * of one place the one that was written later has the higher one, whoever wrote them. A batch is
 * open from then until what it names has been written in place, at least into the caches of the
 * members' owners.
 *
 *      sequence        that of the next batch. Writers: any controller, by addition
 *      replay from     batches with a lower one are void, durably: all that they name is durable in
 *                      place, and a header of some journal says so. Writers: any controller, by
 *                      compare-and-swap; it only grows
 *      failed          1: some journal could not be written. Writers: any controller; it stays. No
 *                      volume with parity is written from then on
 *
 * and of each seat `journal_open`: none of its batches with a lower sequence is open; 0: none is.
 * Writer: the controller.
 *
 * Invariants
 *  1. A seat says that it is open before it takes a sequence, and not a higher one than it takes.
 * So who loads the next sequence first, and then what all seats say, has a number below which
 *     nothing is open (journal_horizon).
 *  2. Of what a dead controller had open those slices are open that may be half written, until they
 *     have been redone (redo_pending_slices). What it had not begun to write in place is redone as
 *     something new, with a record of its own: to wait for that could be to wait for ourselves,
 *     because such a record may have to wait for room.
 *  3. Only a sequence that was a horizon before everything on the members was flushed becomes
 *     `replay from`.
 */
#ifndef SHM_JOURNAL_H
#define SHM_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/atomic.h"
#include "shm/limits.h"

struct segment;
struct seat;

enum { JOURNAL_NONE_OPEN = 0, JOURNAL_SEQUENCE_FIRST = 1 };

/* In the segment's header. */
struct journal_shared {
    uint64_t generation;  /* of this start; 0: the array has no journal. Constant */
    uint64_t bytes;       /* of each controller's. Constant */
    uint8_t array_id[16]; /* as in its headers. Constant */
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t sequence;
    _Atomic uint64_t replay_from;
    _Atomic uint32_t failed;
};

/* Takes a sequence for a batch of this seat; `is_first`: none of its is open. Wait-free. */
uint64_t journal_take_sequence(struct journal_shared *shared, struct seat *seat, bool is_first);

/* The seat's batches below `sequence` are not open any more; JOURNAL_NONE_OPEN: none is. */
void journal_set_open(struct seat *seat, uint64_t sequence);

/* A sequence below which no batch of the array is open. Loads only; where a controller has died, of
 * its redo records too. */
uint64_t journal_horizon(const struct segment *segment);

/* Batches below `sequence` are void, durably. Lock-free. */
void journal_raise_replay_from(struct journal_shared *shared, uint64_t sequence);

/* Of a volume: `sequence` is that of a batch with a record of it. Lock-free. */
void journal_note_latest(_Atomic uint64_t *latest, uint64_t sequence);

#endif
