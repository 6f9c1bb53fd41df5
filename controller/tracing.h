/*
 * What a controller writes into its trace (shm/trace.h), and how much of it.
 *
 * path/trail.h has what is written along the way of a command; here are the rest: what happens
 * rarely. Times are those of the turn, which cost nothing, but at the level `stages`.
 */
#ifndef CONTROLLER_TRACING_H
#define CONTROLLER_TRACING_H

#include "shm/trace.h"

struct command;
struct controller;

struct tracing {
    struct trace_writer writer; /* of nothing when the level is TRACE_OFF */
    uint32_t level;             /* as of the beginning of the turn */
};

/* Begins to trace, as the segment wants it. The controller has its segment, and no loop yet. 0; or
 * -errno when there is no memory for the trace. */
int tracing_init(struct controller *controller);

/* Looks at the level that is wanted now: once a turn. One load. */
void tracing_turn(struct controller *controller);

/* Writes an event that is about no command. `peer`: another controller, or TRACE_NO_CONTROLLER;
 * `detail`: as the kind says. The loop is there. */
void tracing_event(struct controller *controller, enum trace_kind kind, uint32_t peer,
                   uint64_t detail);

/* The same, about a volume. */
void tracing_volume(struct controller *controller, enum trace_kind kind, uint32_t volume,
                    uint64_t detail);

/* Writes an event of a command, which may be nobody's by the time this is called: `event` was
 * copied of it before. The time is filled in. The level wants it. */
void tracing_write(struct controller *controller, struct trace_event *event);

#endif
