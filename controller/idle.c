#include "controller/idle.h"

#include "controller/controller.h"

enum {
    SPIN_NS_MAX = 50000,        /* nobody is worth waiting for longer than this */
    SPIN_NS_SLACK = 5000,       /* beyond twice the average */
    SPIN_DISTURBED_NS = 500000, /* a step that took so long was a busy stranger's time */
    SPIN_PENALTY_NS = 20000000, /* then there is no spinning for so long */
    SPIN_LOOKS_PER_CLOCK = 16,
    SPIN_BURST_MAX_X256 = 320, /* 1.25 arrivals a wake-up */
    SPINS_PER_PROBE = 32,
    BURST_MAX = 16,
};

void idle_init(struct idle *idle)
{
    *idle = (struct idle){.gap_average_ns = SPIN_NS_MAX, .burst_average_x256 = BURST_MAX * 256};
}

/*
 * Whether spinning is worth it. It is when work comes one command at a time: then waking an idle
 * processor is nearly all of the latency. Where several commands wait at each wake-up, sleeping is
 * what collects them into batches, and a spin would pick them up singly and take the processor from
 * those who make them. More than one command in flight says the same. Spinning hides bursts, so
 * every so often one spin is left out to see.
 */
static bool spinning_pays(struct controller *controller)
{
    uint64_t came = controller->arrivals - controller->idle.arrivals_at_sleep;

    if (controller->idle.slept && came > 0) {
        uint32_t burst = came < BURST_MAX ? (uint32_t)came * 256 : BURST_MAX * 256;
        controller->idle.burst_average_x256 = (3 * controller->idle.burst_average_x256 + burst) / 4;
    }
    controller->idle.slept = false;
    /* relaxed: our own counter. */
    return load_relaxed(&controller->counters->host_in_flight) <= 1 &&
           controller->idle.burst_average_x256 <= SPIN_BURST_MAX_X256 &&
           controller->idle.gap_average_ns < SPIN_NS_MAX &&
           loop_now_ns(controller->loop) >= controller->idle.spin_not_before_ns &&
           ++controller->idle.spins_since_sleep % SPINS_PER_PROBE != 0;
}

/* Spins while work is likely to come within the time that falling asleep and being woken would
 * take. True when there is some. */
static bool spin(struct controller *controller)
{
    uint64_t start_ns = loop_clock_ns(controller->loop), now_ns = start_ns, before_ns;
    uint64_t limit_ns = 2 * controller->idle.gap_average_ns + SPIN_NS_SLACK;

    if (limit_ns > SPIN_NS_MAX)
        limit_ns = SPIN_NS_MAX;
    while (now_ns - start_ns < limit_ns) {
        for (int i = 0; i < SPIN_LOOKS_PER_CLOCK; i++) {
            if (controller_has_work(controller)) {
                count_up(&controller->counters->spins_won, 1);
                return true;
            }
            cpu_relax();
        }
        loop_yield(controller->loop);
        before_ns = now_ns;
        now_ns = loop_clock_ns(controller->loop);
        if (now_ns - before_ns > SPIN_DISTURBED_NS)
            controller->idle.spin_not_before_ns = now_ns + SPIN_PENALTY_NS;
    }
    count_up(&controller->counters->spins_lost, 1);
    return false;
}

/* Nothing to do: submit, spin a little, then sleep. */
void idle_wait(struct controller *controller)
{
    struct loop *loop = controller->loop;
    uint64_t idle_from_ns = loop_now_ns(loop);

    bool spins = spinning_pays(controller);

    if (spins && loop_has_unsubmitted(loop)) {
        if (loop_turn(loop, 0) > 0)
            return;
    }
    if (!spins || !spin(controller)) {
        controller->idle.slept = true;
        controller->idle.arrivals_at_sleep = controller->arrivals;
        seat_fall_asleep(controller->seat);
        if (controller_has_work(controller)) {
            loop_turn(loop, 0);
        } else {
            uint64_t asleep_from_ns = loop_clock_ns(loop);
            /* relaxed: a level for status: idle_ns grows only when the sleep is over. */
            store_relaxed(&controller->counters->asleep_since_ns, asleep_from_ns);
            loop_turn(loop, LOOP_FOREVER);
            store_relaxed(&controller->counters->asleep_since_ns, 0); /* relaxed: as above */
            count_up(&controller->counters->sleeps, 1);
            count_up(&controller->counters->idle_ns, loop_now_ns(loop) - asleep_from_ns);
        }
        seat_wake_up(controller->seat);
    } else {
        loop_turn(loop, 0);
    }
    uint64_t gap_ns = loop_now_ns(loop) - idle_from_ns;
    if (gap_ns > 4 * SPIN_NS_MAX) /* one long pause does not undo a busy phase at once */
        gap_ns = 4 * SPIN_NS_MAX;
    controller->idle.gap_average_ns = (7 * controller->idle.gap_average_ns + gap_ns) / 8;
}
