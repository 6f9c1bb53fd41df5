/*
 * What a controller does when it has nothing to do: it naps or spins where that pays, and sleeps.
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
    uint64_t executed_before, others_before, bytes_before; /* counters when it was last idle */
    uint32_t nap_average_x256; /* commands a receive after a nap, times 256 */
    uint32_t naps_left_out;    /* since the last one */
    bool slept;                /* the last time there was nothing to do */
};

/* Begins without spinning: first it is seen how work comes. */
void idle_init(struct idle *idle);

/*
 * A nap: a host with a deep queue asks for the next command as soon as it has one answer, and would
 * be served command by command, with all the system calls on either side that batches save. Sending
 * the answers and then not looking for a few microseconds makes batches. A host that asks for one
 * command at a time would only wait longer; so a nap is tried now and then, and naps go on while
 * each host that asked in one asked for several. Only between hosts and elements of our own that
 * answer at once: where a peer or a disk is waited for, batches come by themselves.
 *
 * True when this turn's answers were submitted: the turn is over.
 */
bool idle_nap(struct controller *controller);

/* Submits what was started, then returns when there may be work: after a spin, or a sleep in
 * the kernel that completions, timers and peers' doorbells end. */
void idle_wait(struct controller *controller);

#endif
