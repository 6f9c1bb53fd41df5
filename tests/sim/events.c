#include "tests/sim/events.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

struct event_entry {
    uint64_t at_ns, order;
    struct event *event;
    uint32_t set_count;
};

static bool comes_before(const struct event_entry *one, const struct event_entry *other)
{
    return one->at_ns != other->at_ns ? one->at_ns < other->at_ns : one->order < other->order;
}

static void swap(struct event_entry *one, struct event_entry *other)
{
    struct event_entry kept = *one;

    *one = *other;
    *other = kept;
}

static void rise(struct events *events, uint32_t at)
{
    while (at > 0 && comes_before(&events->heap[at], &events->heap[(at - 1) / 2])) {
        swap(&events->heap[at], &events->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sink(struct events *events, uint32_t at)
{
    for (;;) {
        uint32_t first = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < events->count; child++) {
            if (comes_before(&events->heap[child], &events->heap[first]))
                first = child;
        }
        if (first == at)
            return;
        swap(&events->heap[at], &events->heap[first]);
        at = first;
    }
}

void events_set(struct events *events, struct event *event, uint64_t at_ns)
{
    assert(!event->is_set);
    if (events->count == events->room) {
        events->room = events->room != 0 ? 2 * events->room : 64;
        events->heap = realloc(events->heap, events->room * sizeof *events->heap);
        assert(events->heap != NULL);
    }
    event->is_set = true;
    event->set_count++;
    events->heap[events->count] = (struct event_entry){
        .at_ns = at_ns, .order = events->order++, .event = event, .set_count = event->set_count};
    rise(events, events->count++);
}

void events_cancel(struct event *event)
{
    event->is_set = false;
}

static struct event *take_first(struct events *events)
{
    struct event_entry first = events->heap[0];

    events->heap[0] = events->heap[--events->count];
    sink(events, 0);
    if (!first.event->is_set || first.event->set_count != first.set_count)
        return NULL;
    return first.event;
}

/* Cancelled entries go as they come up. */
static void drop_cancelled(struct events *events)
{
    while (events->count > 0 && (!events->heap[0].event->is_set ||
                                 events->heap[0].event->set_count != events->heap[0].set_count))
        (void)take_first(events);
}

uint64_t events_next_ns(struct events *events)
{
    drop_cancelled(events);
    return events->count > 0 ? events->heap[0].at_ns : UINT64_MAX;
}

struct event *events_take(struct events *events, uint64_t now_ns)
{
    if (events_next_ns(events) > now_ns)
        return NULL;
    struct event *event = take_first(events);
    event->is_set = false;
    return event;
}

void events_done(struct events *events)
{
    free(events->heap);
    *events = (struct events){0};
}
