/*
 * Who owns an element: one word of its record, changed by one compare-and-swap at a time.
 *
 *      63..32 generation | 31..16 epoch | 15..8 seat | 7..0 state
 *
 *                   move asked for                    everything ended, image given up
 *      OWNED seat ------------------> MOVING seat --------------------------> TAKING target
 *        ^    |                          |                                      |   |  ^
 *        |    |      the seat's life is over: a survivor takes it               |   |  | TAKING's
 *        |    +------------------------->+------------------------> TAKING it   |   |  | own end:
 *        |                                                             |        |   +--+ another
 *        +--- image open, what was dirty is on it ---------------------+--------+        survivor
 *
 * Invariants
 *  1. The word names a life, by seat and epoch: one of which the epoch is not the seat's any more
 *     owns nothing, whatever it still does.
 *  2. Only the life that is named leaves OWNED, MOVING and TAKING; when it has ended, any survivor
 *     does, and only to TAKING itself.
 *  3. Commands are executed by the named life in OWNED only; those that had begun when it became
 *     MOVING end there, before it becomes TAKING.
 *  4. The generation grows with each change. It has come back to the same number only after 2^32
 *     changes, and nobody holds a word for so long.
 */
#ifndef SHM_OWNER_H
#define SHM_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/atomic.h"

enum owner_state {
    OWNER_NONE = 0, /* the record is of no element */
    OWNER_OWNED,
    OWNER_MOVING, /* its owner lets it go */
    OWNER_TAKING, /* it opens the image */
};

struct owner {
    enum owner_state state; /* any number, where the word is damaged */
    uint8_t seat;
    uint16_t epoch;
    uint32_t generation;
};

static inline const char *owner_state_name(enum owner_state state)
{
    static const char *const names[] = {[OWNER_NONE] = "none",
                                        [OWNER_OWNED] = "owned",
                                        [OWNER_MOVING] = "moving",
                                        [OWNER_TAKING] = "taking"};

    return (unsigned)state < sizeof names / sizeof names[0] ? names[state] : "damaged";
}

static inline uint64_t owner_pack(struct owner owner)
{
    return (uint64_t)owner.generation << 32 | (uint64_t)owner.epoch << 16 |
           (uint64_t)owner.seat << 8 | (uint64_t)(owner.state & 0xff);
}

static inline struct owner owner_unpack(uint64_t word)
{
    return (struct owner){.state = (enum owner_state)(word & 0xff),
                          .seat = (uint8_t)(word >> 8),
                          .epoch = (uint16_t)(word >> 16),
                          .generation = (uint32_t)(word >> 32)};
}

/* As it is now. Wait-free. */
static inline struct owner owner_load(const _Atomic uint64_t *word)
{
    /* pairs with owner_change: what the owner before did is over, and seen */
    return owner_unpack(load_acquire(word));
}

static inline bool owner_is(struct owner owner, uint32_t seat, uint16_t epoch)
{
    return owner.state == OWNER_OWNED && owner.seat == seat && owner.epoch == epoch;
}

/* The next word, of another state or another life. */
static inline struct owner owner_next(struct owner owner, enum owner_state state, uint32_t seat,
                                      uint16_t epoch)
{
    return (struct owner){
        .state = state, .seat = (uint8_t)seat, .epoch = epoch, .generation = owner.generation + 1};
}

/* False: the word is not `from` any more, and nothing has changed. One swap. */
static inline bool owner_change(_Atomic uint64_t *word, struct owner from, struct owner to)
{
    uint64_t expected = owner_pack(from);

    /* pairs with owner_load: who sees the new owner sees what was done before */
    return cas_acq_rel(word, &expected, owner_pack(to));
}

/* A life as one word of 32 bits: who holds the description of an image. */
static inline uint32_t owner_holder(uint32_t seat, uint16_t epoch)
{
    return (seat & 0xff) | (uint32_t)epoch << 8;
}

/* Before anybody else looks: `seat` owns the element in this life. */
static inline void owner_enter(_Atomic uint64_t *word, uint32_t seat, uint16_t epoch)
{
    const struct owner owner = {
        .state = OWNER_OWNED, .seat = (uint8_t)seat, .epoch = epoch, .generation = 1};

    store_relaxed(word, owner_pack(owner)); /* relaxed: nobody else is there */
}

#endif
