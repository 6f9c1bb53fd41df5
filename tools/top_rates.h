/*
 * Rates: what two looks at the counters and the time between them say. Pure.
 *
 * Counters only grow while the array runs. One that is found smaller than before (its writer was
 * restarted) counts as not having moved.
 */
#ifndef TOOLS_TOP_RATES_H
#define TOOLS_TOP_RATES_H

#include "tools/counter_values.h"

/* Two looks at the same counters: CLOCK_MONOTONIC of each. */
struct looks {
    uint64_t before_ns, after_ns;
};

struct controller_rates {
    double executed, redirected_out, redirected_in; /* a second */
    double bytes;                                   /* a second, of its hosts, both directions */
    double latency_us; /* mean of the host commands that ended; 0 when none did */
    double busy;       /* 0 to 1: the share of the time in which it did not sleep */
    uint64_t in_flight;
    uint64_t connections;
};

struct io_rates {
    double reads, writes, others; /* a second */
    double bytes;                 /* a second, read and written */
    double latency_us;            /* mean of all that ended; 0 when none did */
    uint64_t depth;
    uint64_t errors; /* since the array was started */
};

struct link_rates {
    double requests, answers; /* a second */
    double batch;             /* entries published at once, on the average; 0 when none were */
    uint64_t full;            /* times it was full since the array was started */
};

struct coordination_rates {
    double granted, held, handed_off, full; /* a second */
    double held_us; /* mean of the commands that are no longer held; 0 when there were none */
};

struct cache_rates {
    double hits, misses, written_back, read_ahead, evictions; /* a second; the last three: blocks */
    double hit_share;                                         /* 0 to 1; 0 when nothing was read */
    uint64_t dirty;
};

struct controller_rates rates_of_controller(const struct looks *looks,
                                            const struct controller_values *before,
                                            const struct controller_values *after);
struct io_rates rates_of_io(const struct looks *looks, const struct io_values *before,
                            const struct io_values *after);
struct link_rates rates_of_link(const struct looks *looks, const struct link_values *before,
                                const struct link_values *after);
struct coordination_rates rates_of_coordination(const struct looks *looks,
                                                const struct coordination_values *before,
                                                const struct coordination_values *after);

struct cache_rates rates_of_cache(const struct looks *looks, const struct cache_values *before,
                                  const struct cache_values *after);

#endif
