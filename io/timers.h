/*
 * Timers of one loop: a ring sorted by deadline. Pure: it is told the time.
 *
 * Starting one walks from the end: nearly all timers of one kind have the same delay, so the new
 * one is nearly always the last.
 */
#ifndef IO_TIMERS_H
#define IO_TIMERS_H

#include "io/loop.h"

struct timers {
    struct timer head; /* never armed itself */
};

void timers_init(struct timers *timers);

/* `timer`, which is not armed and stays the caller's, is due at deadline_ns; of those that are due
 * at the same time it is the last. */
void timers_add(struct timers *timers, struct timer *timer, uint64_t deadline_ns);

/* Not armed: nothing happens. */
void timers_remove(struct timer *timer);

/* When the first is due; UINT64_MAX: none is armed. */
uint64_t timers_next_ns(const struct timers *timers);

/* Fires all that are due by now_ns, in the order of their deadlines, those too that become due
 * while others fire. What fires is not armed any more and may be started again. Returns how many.
 */
uint32_t timers_fire(struct timers *timers, uint64_t now_ns);

#endif
