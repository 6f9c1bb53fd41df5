/*
 * What a controller does when it has nothing to do: it spins a little where that pays, and sleeps.
 */
#ifndef CONTROLLER_IDLE_H
#define CONTROLLER_IDLE_H

#include <stdbool.h>
#include <stdint.h>

struct controller;

struct idle {
    uint64_t gap_average_ns;     /* between running out of work and the next work */
    uint64_t arrivals_at_sleep;  /* controller->arrivals when it fell asleep */
    uint64_t spin_not_before_ns; /* a spin was disturbed by somebody who needed the processor */
    uint32_t burst_average_x256; /* of arrivals per wake-up, times 256 */
    uint32_t spins_since_sleep;
    bool slept; /* the last time there was nothing to do */
};

/* Begins without spinning: first it is seen how work comes. */
void idle_init(struct idle *idle);

/* Submits what was started, then returns when there may be work: after a spin, or a sleep in the
 * kernel that completions, timers and peers' doorbells end. */
void idle_wait(struct controller *controller);

#endif
