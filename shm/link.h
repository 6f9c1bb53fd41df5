/*
 * Faults of a link, injected live: what `anyport link fail` asks for.
 *
 *      63 failed | 62..52 loss per mille | 51..0 delay in ns          one word; 0: it works
 *
 * One word, so that nobody sees half a change. The configuration controller writes it and raises
 * the segment's membership; controllers read it then and keep what it says in private memory, so
 * that a link that works costs the way of a command no load of anything shared.
 *
 *      failed      nothing passes: the producer gets an error, the consumer does not look
 *      loss        of each thousand entries so many are not published, and as many twice
 *      delay       an entry leaves so much later; order is kept
 */
#ifndef SHM_LINK_H
#define SHM_LINK_H

#include "shm/layout.h"

struct link_fault {
    bool failed;
    uint16_t loss_per_mille; /* at most LINK_LOSS_PER_MILLE_MAX */
    uint64_t delay_ns;       /* at most INTERCONNECT_TIME_NS_MAX */
};

enum { LINK_LOSS_SHIFT = 52, LINK_LOSS_FIELD = 0x7ff, LINK_FAILED_SHIFT = 63 };

_Static_assert(INTERCONNECT_TIME_NS_MAX < (uint64_t)1 << LINK_LOSS_SHIFT, "fits its field");
_Static_assert((int)LINK_LOSS_PER_MILLE_MAX <= (int)LINK_LOSS_FIELD, "fits its field");

static inline uint64_t link_fault_pack(struct link_fault fault)
{
    return (uint64_t)fault.failed << LINK_FAILED_SHIFT |
           (uint64_t)fault.loss_per_mille << LINK_LOSS_SHIFT | fault.delay_ns;
}

/* Values beyond the limits, which nobody who may write here writes, become the limits. */
static inline struct link_fault link_fault_unpack(uint64_t word)
{
    uint64_t loss = word >> LINK_LOSS_SHIFT & LINK_LOSS_FIELD;
    uint64_t delay_ns = word & (((uint64_t)1 << LINK_LOSS_SHIFT) - 1);

    return (struct link_fault){
        .failed = (word >> LINK_FAILED_SHIFT) != 0,
        .loss_per_mille =
            (uint16_t)(loss < LINK_LOSS_PER_MILLE_MAX ? loss : LINK_LOSS_PER_MILLE_MAX),
        .delay_ns = delay_ns < INTERCONNECT_TIME_NS_MAX ? delay_ns : INTERCONNECT_TIME_NS_MAX};
}

static inline struct link_fault link_fault_of(const struct link *link)
{
    /* relaxed: says nothing of other memory; who is to act on it was told by the membership */
    return link_fault_unpack(load_relaxed(&link->injected));
}

/* The configuration controller's; `now_ns` is CLOCK_REALTIME. It raises the membership afterwards,
 * once for all links that it has changed. */
static inline void link_inject(struct link *link, struct link_fault fault, uint64_t now_ns)
{
    bool failed_before = link_fault_of(link).failed;

    /* relaxed: we are the only writer, and tools may read one word without the other */
    store_relaxed(&link->injected, link_fault_pack(fault));
    if (fault.failed != failed_before)
        store_relaxed(&link->failed_since_ns, fault.failed ? now_ns : 0); /* relaxed: as above */
}

#endif
