#include "io/timers.h"

#include <assert.h>

void timers_init(struct timers *timers)
{
    timers->head.next = timers->head.previous = &timers->head;
}

void timers_add(struct timers *timers, struct timer *timer, uint64_t deadline_ns)
{
    struct timer *after = timers->head.previous;

    assert(timer->next == NULL);
    timer->deadline_ns = deadline_ns;
    while (after != &timers->head && after->deadline_ns > deadline_ns)
        after = after->previous;
    timer->previous = after;
    timer->next = after->next;
    after->next->previous = timer;
    after->next = timer;
}

void timers_remove(struct timer *timer)
{
    if (timer->next == NULL)
        return;
    timer->previous->next = timer->next;
    timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
}

uint64_t timers_next_ns(const struct timers *timers)
{
    const struct timer *first = timers->head.next;

    return first == &timers->head ? UINT64_MAX : first->deadline_ns;
}

uint32_t timers_fire(struct timers *timers, uint64_t now_ns)
{
    uint32_t fired = 0;

    for (; timers_next_ns(timers) <= now_ns; fired++) {
        struct timer *timer = timers->head.next;
        timers_remove(timer);
        timer->fire(timer);
    }
    return fired;
}
