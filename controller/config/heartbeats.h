/*
 * Heartbeats: a controller that is alive but stuck is found, and killed, so that it is dead like
 * any other.
 *
 * What beats is the count of its loop's turns, which is in its seat anyway. Who sleeps because
 * there is nothing to do turns when its doorbell rings; so the configuration controller looks four
 * times in a heartbeat, and rings whoever has not turned since the last look. That wakes an idle
 * controller about once in a second, for some microseconds.
 *
 * One that has not turned for a heartbeat, though it was rung, is looked at as a process:
 *
 *      stopped by a signal     stuck
 *      runs                    stuck when it has used a quarter of a heartbeat of processor time
 *                              since it last turned: no turn takes that. Less than that: others
 *                              have the processors, and it waits for one.
 *      waits in the kernel     for a device, a file system, or a reader of its messages, which may
 *                              be slow; and a process that waits for a device does not die before
 *                              that answers: ten times as long
 *      traced                  a debugger has it: not stuck
 *
 * Time in which we did not look ourselves (we were stopped as well, or the machine was) does not
 * count: then everybody begins anew.
 */
#ifndef CONTROLLER_CONFIG_HEARTBEATS_H
#define CONTROLLER_CONFIG_HEARTBEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/watch.h"
#include "shm/limits.h"

struct configurator;

struct heartbeat {
    uint64_t turns;        /* of its loop, as of the last look */
    uint64_t silent_ns;    /* so long it has not turned, while we looked */
    uint64_t processor_ns; /* what it had used when it was first found silent */
    bool processor_looked; /* that is known */
    bool killed;
};

struct heartbeats {
    struct watched watched; /* a timerfd that ticks while the array runs; fd -1: nobody looks */
    uint64_t looked_ns;
    struct heartbeat all[CONTROLLERS_MAX];
};

/* Whether a controller is stuck, and in which way. */
enum heartbeat_verdict {
    HEARTBEAT_WAIT, /* it may be well */
    HEARTBEAT_STOPPED,
    HEARTBEAT_LOOPS,
    HEARTBEAT_WAITS,
};

/* What is known of a silent one; `state` is the letter of proc(5). Pure. */
enum heartbeat_verdict heartbeat_judge(char state, uint64_t silent_ns, uint64_t used_ns,
                                       uint64_t heartbeat_ns);

/* The line of /proc/PID/stat: its state, and the processor time that it has used, in ticks. False
 * when it is none. Pure. */
bool heartbeat_parse_stat(const char *line, char *ret_state, uint64_t *ret_ticks);

/* The array runs: begins to look. 0 or -errno. Nothing where the configuration says 0. */
int heartbeats_begin(struct configurator *configurator);

/* Of one that does not answer: whether it would be killed if it did not turn either. Not where
 * nobody looks, nor while a debugger holds it. */
bool heartbeats_would_kill(const struct configurator *configurator, uint32_t id);

/* The array ends, or was never begun. */
void heartbeats_end(struct configurator *configurator);

#endif
