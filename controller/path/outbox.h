/*
 * An outbox: what is to leave by one link, in order.
 *
 * Entries are put in during a turn and published together at its end. Those that do not fit into
 * the ring stay, and so do those that are to leave later: because the link has a delay injected
 * (shm/link.h), or because a model says when they arrive (shm/interconnect.h). What a link loses
 * is lost here.
 *
 * A link that has failed publishes nothing. What it had published and its consumer had not taken
 * is what an adapter would know as not acknowledged: outbox_take_back gives it to whoever sends it
 * another way. Its consumer may have taken some of it nevertheless; that is harmless, as every
 * doorbell that comes twice is.
 */
#ifndef CONTROLLER_PATH_OUTBOX_H
#define CONTROLLER_PATH_OUTBOX_H

#include "shm/link.h"

struct outbox {
    struct link *link;
    struct ring_producer producer;
    uint64_t *entries; /* a circle: `count` of `capacity`, from `first` on */
    uint64_t *due_ns;  /* of each, CLOCK_MONOTONIC; 0: at once. Not smaller than that before it. */
    uint32_t capacity, first, count;
    uint32_t timed;          /* entries with a time */
    uint64_t last_due_ns;    /* of what was put in last */
    struct link_fault fault; /* as it was when ways_update looked last */
    bool just_failed;        /* as it was then: what it did not deliver is to be sent again */
    uint32_t random;
    bool waits_for_room; /* the ring was full; link->blocked is 0 when there may be room */
};

/* For `capacity` entries. Starts with the faults that the link has. 0, -ENOMEM or -EPROTO (the
 * ring's indices are impossible); call outbox_done in any case. */
int outbox_init(struct outbox *outbox, struct link *link, uint32_t ring_entries, uint32_t capacity,
                uint32_t seed);
/* Empty again, at a ring that was made anew; the link's faults are those that it has now. 0 or
 * -EPROTO. */
int outbox_begin(struct outbox *outbox, uint32_t ring_entries);
void outbox_done(struct outbox *outbox);

/* Puts an entry in, to leave not before due_ns (0: at once). False when it is full: that happens
 * only when the consumer has stopped, and sweeps find what is missing. */
bool outbox_put(struct outbox *outbox, uint64_t entry, uint64_t due_ns);

/* Publishes what is due and fits, with one publication where nothing is lost on this link. Returns
 * how many were published, or -EPROTO. */
int outbox_flush(struct outbox *outbox, uint64_t now_ns);

/* When the first entry is due that has a time; UINT64_MAX: there is none. */
uint64_t outbox_next_due_ns(const struct outbox *outbox);

/* Whether entries that did not fit may fit now: the consumer has made room, and may have said so
 * while we were still awake. */
static inline bool outbox_has_room_again(const struct outbox *outbox)
{
    /* relaxed: ordered after `sleeping` was set by the fence in seat_fall_asleep; pairs with the
     * consumer's store in unblock, which looks at `sleeping` afterwards. */
    return outbox->waits_for_room && load_relaxed(&outbox->link->blocked) == 0;
}

/* Whether all that was put in has been taken by the consumer, or was lost. */
bool outbox_is_drained(const struct outbox *outbox);

/* Empties it. Returns up to `count_max` entries: first those that were published and not taken,
 * then those that were not published. */
uint32_t outbox_take_back(struct outbox *outbox, uint64_t *ret_entries, uint32_t count_max);

/* Empties it: the peer is lost. */
void outbox_clear(struct outbox *outbox);

#endif
