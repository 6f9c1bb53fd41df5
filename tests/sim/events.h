/*
 * What is going to happen, in virtual time. Two events of one instant happen in the order in which
 * they were set.
 */
#ifndef TESTS_SIM_EVENTS_H
#define TESTS_SIM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Inside a structure of whoever waits for it. Zeroes: not set. */
struct event {
    void (*fire)(struct event *event);
    uint32_t set_count; /* so often it was set or cancelled: tells an old entry from the present */
    bool is_set;
};

struct events {
    struct event_entry *heap;
    uint32_t count, room;
    uint64_t order;
};

/* Sets an event that is not set. It stays the caller's, at its address, until it has fired or was
 * cancelled. */
void events_set(struct events *events, struct event *event, uint64_t at_ns);

/* Not set: nothing happens. The event must not be freed before events_done or its old time. */
void events_cancel(struct event *event);

/* When the next one is due; UINT64_MAX: there is none. */
uint64_t events_next_ns(struct events *events);

/* Takes the next one that is due at now_ns, or NULL. The caller fires it. */
struct event *events_take(struct events *events, uint64_t now_ns);

void events_done(struct events *events);

#endif
