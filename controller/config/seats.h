/*
 * What is done to a seat while the array runs, because somebody asked for it: its controller is
 * killed. One thing at a time is done to a seat.
 */
#ifndef CONTROLLER_CONFIG_SEATS_H
#define CONTROLLER_CONFIG_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

/* What was asked for is done (`why` NULL), or not: why, in words, which are valid during the call.
 */
typedef void seat_changed(void *context, const char *why);

enum seat_task {
    SEAT_TASK_NONE,
    SEAT_TASK_KILL, /* SIGKILL was sent */
};

/* What is being done to one seat, in struct watched_controller. */
struct seat_care {
    enum seat_task task;
    seat_changed *changed;
    void *context;
};

/* SIGKILL to the controller; done when its process is gone. The last one that is alive is killed
 * only with `force`, for the array ends then. `changed` is called exactly once, before this returns
 * or from a later turn. */
void seat_kill(struct configurator *configurator, uint32_t id, bool force, seat_changed *changed,
               void *context);

/* The process of a controller is gone. */
void seats_ended(struct configurator *configurator, uint32_t id);

/* Why nothing can be done to any seat at present, or NULL. */
const char *seats_refusal(const struct configurator *configurator);

#endif
