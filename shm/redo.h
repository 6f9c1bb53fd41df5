/*
 * Redo records: what a controller is about to write to several members, said before it writes to
 * the first, so that a survivor can do all of it again when it dies in between.
 *
 * Each host command has a record of its own, at its number, in its controller's part of the
 * segment.
 *
 *      offset 0    state               writers: the source; who claims it after the source's death
 *                  the command         writer: the source, while the record is FREE
 *      offset 64   the slice           writer: whom the state names, while it says BEGUN
 *
 * The state is one word: phase, and the seat and epoch of whom the record is with.
 *
 *      FREE --> BEGUN <--> SLICE       each arrow one store, by whom the record is with
 *        ^        |          |
 *        +--------+----------+         also by way of LINGERS
 *
 *      FREE      nothing is under way
 *      BEGUN     the command may have reached some members and not others. With parity: of each
 *                slice all or nothing has been done.
 *      SLICE     parity only: this slice's data and parity may have reached some members and not
 *                others; those before it are done, those behind it not begun
 *      LINGERS   all is done, and I/O of another dead controller may still read the payload
 *
 * Invariants
 *  1. What the record names is reserved, exclusively, by its source, until it is FREE or LINGERS:
 *     the source frees it before it gives the reservation up, and survivors give up what a dead one
 *     had reserved only when none of its records is BEGUN or SLICE (controller/recovery/redo.h).
 *  2. Payload and parity that it names do not change and are not given back until it says so: a
 *     write's payload is complete when the command starts, and parity is computed before SLICE.
 *  3. So all that is named can be written once more at any time, by anybody, any number of times:
 *     places and bytes are absolute. In BEGUN the whole command is planned anew; a slice that was
 *     done comes out as it is, because its parity fits its data.
 *
 * Who dies while it redoes leaves the record as it stands, with its own seat in the state; the
 * parity of a slice that it planned is in its own buffers, that of one that it found is not.
 *
 * The record is another process's memory to whoever redoes: it is copied once and checked.
 */
#ifndef SHM_REDO_H
#define SHM_REDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/atomic.h"
#include "shm/limits.h"

struct segment;

enum redo_phase { REDO_FREE = 0, REDO_BEGUN, REDO_SLICE, REDO_LINGERS };

struct redo_state {
    uint8_t phase;
    uint8_t seat;
    uint16_t epoch;
};

/* Of a virtual volume: one part of a command that is reserved as a whole. */
struct redo_command {
    uint64_t offset_bytes, length_bytes;
    uint64_t payload_offset_bytes; /* in the segment; 0: it has none */
    uint32_t volume;
    uint8_t op, flags; /* of struct command */
    uint16_t zero;
};

/* What is written of a slice (controller/layout/parity_row.h): its columns from the payload, but
 * those of `absent` members, and parity. */
struct redo_slice {
    uint64_t row;
    uint64_t member_offset_bytes;
    uint32_t length_bytes;
    uint32_t columns;
    uint32_t absent;
    uint32_t zero;
    uint64_t p_offset_bytes, q_offset_bytes; /* in the segment; of parity that is written */
};

struct redo_record {
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t state;
    struct redo_command command;
    _Alignas(CACHELINE_BYTES) struct redo_slice slice;
};

_Static_assert(sizeof(struct redo_record) == (size_t)2 * CACHELINE_BYTES &&
                   offsetof(struct redo_record, slice) == 64,
               "as drawn above");

static inline uint32_t redo_state_pack(struct redo_state state)
{
    return (uint32_t)state.phase | (uint32_t)state.seat << 8 | (uint32_t)state.epoch << 16;
}

static inline struct redo_state redo_state_unpack(uint32_t word)
{
    return (struct redo_state){
        .phase = (uint8_t)word, .seat = (uint8_t)(word >> 8), .epoch = (uint16_t)(word >> 16)};
}

/* A step of whom the record is with: all that it says before is seen with it. Wait-free. */
static inline void redo_set(struct redo_record *record, struct redo_state state)
{
    /* pairs with redo_look: the command and the slice were written before. */
    store_release(&record->state, redo_state_pack(state));
}

static inline struct redo_state redo_look(const struct redo_record *record)
{
    /* pairs with redo_set, and with redo_claim of another survivor. */
    return redo_state_unpack(load_acquire(&record->state));
}

/* Takes a record over from the dead controller that it is with: true for one of those who try. The
 * phase stays. Wait-free. */
bool redo_claim(struct redo_record *record, struct redo_state found, uint32_t seat, uint16_t epoch);

/* Whether anything of the buffers of a seat whose controller is gone is still needed to finish what
 * dead controllers left half done, or may still be read by I/O of it: until not, its memory must
 * not be used for anything else, and nobody may be started in it. Also true of a controller that is
 * there and writes. Loads only. */
bool redo_pending(const struct segment *segment, uint32_t seat);

/* Of these, whether slices are among them that may have been written in part: by a controller whose
 * journal (journal.h) has them. */
bool redo_pending_slices(const struct segment *segment, uint32_t seat);

/* Whether a gone controller's record of this volume is still to be redone: the volume must stay as
 * it is. */
bool redo_pending_of_volume(const struct segment *segment, uint32_t volume);

#endif
