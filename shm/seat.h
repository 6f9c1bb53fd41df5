/*
 * Seats: sleeping and waking.
 *
 * A controller that finds nothing to do says so (seat_fall_asleep) and looks once more before it
 * blocks; who posts to it looks at `sleeping` after posting (seat_needs_doorbell). Between the
 * store and the load on each side stands a full barrier, so at least one of the two sees the other:
 * no wake-up is lost. The eventfd is rung only when the other really sleeps.
 *
 *      sleeper                               waker
 *      sleeping = 1                          ring.tail = n + 1
 *      fence_store_load  <- pairs with ->    fence_store_load
 *      look at the rings                     look at sleeping
 */
#ifndef SHM_SEAT_H
#define SHM_SEAT_H

#include "shm/segment.h"

static inline void seat_fall_asleep(struct seat *seat)
{
    /* relaxed: ordered before the next look at the rings by the fence. */
    store_relaxed(&seat->sleeping, 1);
    fence_store_load(&seat->sleeping);
}

static inline void seat_wake_up(struct seat *seat)
{
    /* relaxed: a waker that still sees 1 rings once too often, which is harmless. */
    if (load_relaxed(&seat->sleeping) != 0)
        store_relaxed(&seat->sleeping, 0); /* relaxed: as above */
}

/* After something was posted to this seat: whether its eventfd is to be rung. At most one of
 * several wakers gets true. */
static inline bool seat_needs_doorbell(struct seat *seat)
{
    fence_store_load(&seat->sleeping);
    /* relaxed: ordered after the posting by the fence. */
    if (load_relaxed(&seat->sleeping) == 0)
        return false;
    /* pairs with the same exchange by another waker: one of them rings. */
    return exchange_acq_rel(&seat->sleeping, 0) == 1;
}

static inline uint16_t seat_epoch(const struct seat *seat)
{
    /* pairs with the compare-and-swap in seat_declare_dead. */
    return (uint16_t)load_acquire(&seat->epoch);
}

/* The same, all of it: which life this is. */
static inline uint32_t seat_life(const struct seat *seat)
{
    /* pairs with seat_begin_life: a state that is loaded after it is of this life, or later. */
    return load_acquire(&seat->epoch);
}

static inline enum seat_state seat_state(const struct seat *seat)
{
    /* pairs with seat_set_state: what was done before the state changed is seen with it. */
    return (enum seat_state)load_acquire(&seat->state);
}

static inline void seat_set_state(struct seat *seat, enum seat_state state)
{
    /* pairs with seat_state. */
    store_release(&seat->state, (uint32_t)state);
}

static inline bool seat_is_gone(enum seat_state state)
{
    return state == SEAT_STOPPED || state == SEAT_DEAD || state == SEAT_DRAINED;
}

/* The controller that sits here will not speak to `peer` any more. */
static inline void seat_refuse(struct seat *seat, uint32_t peer)
{
    /* relaxed: we are its only writer, and it says nothing of other memory. */
    store_relaxed(&seat->refuses, load_relaxed(&seat->refuses) | (uint64_t)1 << peer);
}

static inline bool seat_refuses(const struct seat *seat, uint32_t peer)
{
    /* relaxed: as above; seen later, it is acted on later. */
    return (load_relaxed(&seat->refuses) >> peer & 1) != 0;
}

/* The controller that sits here executes nothing for `dead` any more. */
static inline void seat_set_done_with(struct seat *seat, uint32_t dead)
{
    /* relaxed: we are its only writer.  pairs with seat_is_done_with: the I/O has ended. */
    store_release(&seat->done_with, load_relaxed(&seat->done_with) | (uint64_t)1 << dead);
}

/* The controller that sits here meets a new life of `peer`: nothing is said of it yet. */
static inline void seat_forget(struct seat *seat, uint32_t peer)
{
    uint64_t others = ~((uint64_t)1 << peer);

    /* relaxed: we are their only writer, and what they said is over: all that live have acted on it
     * (seat_begin_life). */
    store_relaxed(&seat->done_with, load_relaxed(&seat->done_with) & others);
    store_relaxed(&seat->refuses, load_relaxed(&seat->refuses) & others); /* relaxed: as above */
}

static inline bool seat_is_done_with(struct seat *seat, uint32_t dead)
{
    return (load_acquire(&seat->done_with) >> dead & 1) != 0;
}

/* Whether the life that the word names has ended: by a death, for who stops in order keeps its
 * epoch. */
static inline bool owner_is_gone(const struct segment *segment, struct owner owner)
{
    return owner.seat >= segment->geometry.controllers ||
           seat_epoch(segment_seat(segment, owner.seat)) != owner.epoch;
}

/* Or it has stopped in order: what it still owns, because an element came to it as it ended, or had
 * failed, is nobody's. */
static inline bool owner_has_left(const struct segment *segment, struct owner owner)
{
    return owner_is_gone(segment, owner) ||
           seat_state(segment_seat(segment, owner.seat)) == SEAT_STOPPED;
}

/* Whoever finds that the process of this life (its epoch) is gone: raises the epoch, so that
 * nothing the dead one published counts, then makes the seat DEAD. Several may do it at once, and
 * one of them may be killed in the middle: the others finish it. A seat that was STOPPED in order
 * stays so. Lock-free. */
void seat_declare_dead(struct seat *seat, uint32_t epoch);

/* Of a life that has ended, by its epoch: whoever declared that may have been killed, or be held
 * up, before it said DEAD, which is said now. For those who go by the state. Lock-free. */
void seat_finish_death(struct seat *seat);

/* The configuration controller, when nobody sits here and nobody looks at the seat as at a
 * controller's (all that live have said so; or, at first, nobody lives): a life of this epoch
 * begins, STARTING. Whoever sees the epoch sees no state of a life before it. */
void seat_begin_life(struct seat *seat, uint32_t epoch, uint64_t since_ns);

const char *seat_state_name(enum seat_state state);

#endif
