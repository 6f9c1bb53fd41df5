/*
 * The events of an array's traces, merged by time: read from the segment, at no cost to the
 * controllers, those that have died among them.
 */
#ifndef TOOLS_TRACE_EVENTS_H
#define TOOLS_TRACE_EVENTS_H

#include <stdbool.h>

#include "shm/segment.h"

/* An event and where it was found. */
struct traced {
    struct trace_event event; /* as it was written: to be checked by who shows it */
    uint64_t number;          /* among the controller's */
    uint32_t controller;
};

/* Which events are wanted; zeroed: all. */
struct trace_filter {
    bool one_controller, one_volume;
    uint32_t controller;
    uint32_t volume; /* and, of a virtual one, its members */
    uint64_t since_ns;
};

/* How far a reader has come. */
struct trace_reading {
    const struct segment *segment; /* stays mapped as long as this is used */
    uint64_t next[CONTROLLERS_MAX];
    uint64_t lost; /* events that could not be read: the writer was faster, or died over one */
};

struct traced_list {
    struct traced *all; /* ours, by time */
    size_t count;
};

/* Begins with the oldest events that are left. */
void trace_reading_init(struct trace_reading *ret_reading, const struct segment *segment);

/* All events that were written since the last call, and are wanted. Events of one controller are in
 * their order; of several, in that of their times, which are those of the controllers' turns: some
 * microseconds may be wrong. -ENOMEM: nothing was read. The caller calls traced_list_done. */
int trace_reading_take(struct trace_reading *reading, const struct trace_filter *filter,
                       struct traced_list *ret_list);
void traced_list_done(struct traced_list *list); /* a zeroed one is allowed */

#endif
