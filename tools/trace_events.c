#include "tools/trace_events.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/mapping.h"

void trace_reading_init(struct trace_reading *ret_reading, const struct segment *segment)
{
    *ret_reading = (struct trace_reading){.segment = segment};
}

/* --- which are wanted --- */

static bool is_member(const struct segment *segment, uint32_t volume, uint32_t member)
{
    struct mapping_members members;

    if (!mapping_is_virtual(segment, volume) || mapping_members(segment, volume, &members) != 0)
        return false;
    for (uint32_t i = 0; i < members.count; i++) {
        if (members.records[i].volume == member)
            return true;
    }
    return false;
}

static bool is_wanted(const struct segment *segment, const struct trace_filter *filter,
                      const struct trace_event *event)
{
    if (event->time_ns < filter->since_ns)
        return false;
    return !filter->one_volume || event->volume == filter->volume ||
           is_member(segment, filter->volume, event->volume);
}

/* --- reading --- */

/* Where to begin in a ring: what is older was overrun. */
static void skip_overrun(struct trace_reading *reading, uint32_t controller, uint64_t written)
{
    uint64_t oldest = trace_oldest(written, reading->segment->geometry.trace_events);

    if (reading->next[controller] == 0) /* the first look: nobody has missed these */
        reading->next[controller] = oldest;
    if (reading->next[controller] < oldest) {
        reading->lost += oldest - reading->next[controller];
        reading->next[controller] = oldest;
    }
    if (reading->next[controller] > written) /* it was damaged: all of it once more */
        reading->next[controller] = oldest;
}

static void take_ring(struct trace_reading *reading, const struct trace_filter *filter,
                      uint32_t controller, uint64_t written, struct traced_list *list)
{
    const struct segment *segment = reading->segment;
    const struct trace_ring *ring = segment_trace(segment, controller);

    while (reading->next[controller] < written) {
        struct traced *traced = &list->all[list->count];
        uint64_t number = reading->next[controller]++;
        if (trace_read(ring, segment->geometry.trace_events, number, &traced->event) != TRACE_READ)
            reading->lost++;
        else if (is_wanted(segment, filter, &traced->event)) {
            traced->number = number;
            traced->controller = controller;
            list->count++;
        }
    }
}

static int by_time(const void *left, const void *right)
{
    const struct traced *a = left, *b = right;

    if (a->event.time_ns != b->event.time_ns)
        return a->event.time_ns < b->event.time_ns ? -1 : 1;
    if (a->controller != b->controller)
        return a->controller < b->controller ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

int trace_reading_take(struct trace_reading *reading, const struct trace_filter *filter,
                       struct traced_list *ret_list)
{
    const struct segment_geometry *geometry = &reading->segment->geometry;
    uint64_t written[CONTROLLERS_MAX] = {0};
    struct traced_list list = {0};
    uint64_t room = 0;

    for (uint32_t i = 0; i < geometry->controllers && geometry->trace_events > 0; i++) {
        if (filter->one_controller && filter->controller != i)
            continue;
        written[i] = trace_written(segment_trace(reading->segment, i));
        skip_overrun(reading, i, written[i]);
        room += written[i] - reading->next[i];
    }
    list.all = calloc(room + 1, sizeof *list.all);
    if (list.all == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < geometry->controllers; i++)
        take_ring(reading, filter, i, written[i], &list);
    qsort(list.all, list.count, sizeof *list.all, by_time);
    *ret_list = list;
    return 0;
}

void traced_list_done(struct traced_list *list)
{
    free(list->all);
    *list = (struct traced_list){0};
}
