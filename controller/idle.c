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
    NAP_NS = 10000,           /* in which a host with many commands asks for several */
    NAP_BYTES_MAX = 16 << 10, /* of a command; copying more takes longer than a nap saves */
    NAP_PAYS_X256 = 384,      /* 1.5 commands from each host that asked */
    NAPS_LEFT_OUT = 128,      /* then some are tried */
    NAPS_PER_PROBE = 6,       /* a batch of answers is what brings a batch of commands */
};

void idle_init(struct idle *idle)
{
    *idle = (struct idle){.gap_average_ns = SPIN_NS_MAX, .burst_average_x256 = BURST_MAX * 256};
}

static uint64_t own_count(const _Atomic uint64_t *counter)
{
    /* relaxed: this controller is the counter's only writer */
    return load_relaxed(counter);
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
    return own_count(&controller->counters->host_in_flight) <= 1 &&
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

/* Whether something was executed since the last time, all of it here, and nothing is under way to
 * an element or a peer: then the hosts have the word. */
static bool hosts_have_the_word(struct controller *controller)
{
    struct idle *idle = &controller->idle;
    uint64_t executed = own_count(&controller->counters->executed);
    uint64_t others = own_count(&controller->counters->redirected_out) +
                      own_count(&controller->counters->redirected_in);
    uint64_t bytes = own_count(&controller->counters->bytes_received) +
                     own_count(&controller->counters->bytes_sent);
    uint64_t commands = executed - idle->executed_before;
    bool own = commands > 0 && others == idle->others_before &&
               bytes - idle->bytes_before <= commands * NAP_BYTES_MAX;

    idle->executed_before = executed;
    idle->others_before = others;
    idle->bytes_before = bytes;
    return own && controller->element_io_in_flight == 0;
}

/* A command that came before its host can have seen the answer says that the host has several under
 * way; with one host only, because among many it may be another's. */
static void learn_from_nap(struct controller *controller, uint64_t arrivals, uint64_t receives,
                           bool early)
{
    struct idle *idle = &controller->idle;
    uint64_t each_x256;

    if (receives == 0)
        return;
    each_x256 = arrivals * 256 / receives;
    if (early && own_count(&controller->counters->connections) == 1)
        each_x256 += 256;
    if (each_x256 > BURST_MAX * 256)
        each_x256 = BURST_MAX * 256;
    idle->nap_average_x256 = (3 * idle->nap_average_x256 + (uint32_t)each_x256) / 4;
}

bool idle_nap(struct controller *controller)
{
    struct idle *idle = &controller->idle;

    if (!hosts_have_the_word(controller) ||
        (idle->nap_average_x256 < NAP_PAYS_X256 && ++idle->naps_left_out < NAPS_LEFT_OUT))
        return false;
    if (idle->naps_left_out >= NAPS_LEFT_OUT + NAPS_PER_PROBE)
        idle->naps_left_out = 0;
    uint64_t arrivals = controller->arrivals, receives = controller->receives;
    loop_turn(controller->loop, 0); /* the answers go out first */
    bool early = controller->arrivals != arrivals;
    if (!early || idle->nap_average_x256 >= NAP_PAYS_X256)
        loop_nap(controller->loop, NAP_NS);
    loop_turn(controller->loop, 0);
    learn_from_nap(controller, controller->arrivals - arrivals, controller->receives - receives,
                   early);
    return true;
}

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
