#include "tools/top_rates.h"

static uint64_t grown(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0;
}

static double each_second(const struct looks *looks, uint64_t count)
{
    uint64_t elapsed_ns = grown(looks->before_ns, looks->after_ns);

    return elapsed_ns == 0 ? 0 : (double)count * 1e9 / (double)elapsed_ns;
}

static double mean(uint64_t sum, uint64_t count)
{
    return count == 0 ? 0 : (double)sum / (double)count;
}

/* All time asleep up to a look, also that of a sleep which has not ended yet. */
static uint64_t idle_until(uint64_t look_ns, const struct controller_values *values)
{
    if (values->asleep_since_ns == 0)
        return values->idle_ns;
    return values->idle_ns + grown(values->asleep_since_ns, look_ns);
}

static double busy_share(const struct looks *looks, const struct controller_values *before,
                         const struct controller_values *after)
{
    uint64_t elapsed_ns = grown(looks->before_ns, looks->after_ns);
    uint64_t idle_ns =
        grown(idle_until(looks->before_ns, before), idle_until(looks->after_ns, after));

    /* The counters were not read in the same instant. */
    if (elapsed_ns == 0 || idle_ns >= elapsed_ns)
        return 0;
    return 1 - (double)idle_ns / (double)elapsed_ns;
}

struct controller_rates rates_of_controller(const struct looks *looks,
                                            const struct controller_values *before,
                                            const struct controller_values *after)
{
    uint64_t executed = grown(before->executed, after->executed);
    uint64_t out = grown(before->redirected_out, after->redirected_out);
    uint64_t bytes = grown(before->bytes_received, after->bytes_received) +
                     grown(before->bytes_sent, after->bytes_sent);
    uint64_t latency_ns = grown(before->host_latency_ns, after->host_latency_ns);

    return (struct controller_rates){
        .executed = each_second(looks, executed),
        .redirected_out = each_second(looks, out),
        .redirected_in = each_second(looks, grown(before->redirected_in, after->redirected_in)),
        .bytes = each_second(looks, bytes),
        .latency_us = mean(latency_ns, executed + out) / 1e3,
        .busy = busy_share(looks, before, after),
        .in_flight = after->host_in_flight + after->peer_in_flight,
        .connections = after->connections,
    };
}

struct io_rates rates_of_io(const struct looks *looks, const struct io_values *before,
                            const struct io_values *after)
{
    uint64_t reads = grown(before->reads, after->reads);
    uint64_t writes = grown(before->writes, after->writes);
    uint64_t others = grown(before->flushes, after->flushes) + grown(before->trims, after->trims) +
                      grown(before->zeroes, after->zeroes) + grown(before->others, after->others);
    uint64_t bytes = grown(before->read_bytes, after->read_bytes) +
                     grown(before->write_bytes, after->write_bytes);
    uint64_t latency_ns = grown(before->latency_ns, after->latency_ns);

    return (struct io_rates){
        .reads = each_second(looks, reads),
        .writes = each_second(looks, writes),
        .others = each_second(looks, others),
        .bytes = each_second(looks, bytes),
        .latency_us = mean(latency_ns, reads + writes + others) / 1e3,
        .depth = after->in_flight,
        .errors = after->errors,
    };
}

struct link_rates rates_of_link(const struct looks *looks, const struct link_values *before,
                                const struct link_values *after)
{
    uint64_t requests = grown(before->requests, after->requests);
    uint64_t answers = grown(before->answers, after->answers);

    return (struct link_rates){
        .requests = each_second(looks, requests),
        .answers = each_second(looks, answers),
        .batch = mean(requests + answers, grown(before->batches, after->batches)),
        .full = after->full,
    };
}

/* How many were held and are no longer: the histogram counts a command when that ends, as held_ns
 * does; the counter `held` does when it begins. */
static uint64_t ends_of_holds(const struct coordination_values *values)
{
    uint64_t ends = 0;

    for (uint32_t i = 0; i < HELD_HISTOGRAM_BUCKETS; i++)
        ends += values->held_histogram[i];
    return ends;
}

struct coordination_rates rates_of_coordination(const struct looks *looks,
                                                const struct coordination_values *before,
                                                const struct coordination_values *after)
{
    uint64_t held_ns = grown(before->held_ns, after->held_ns);
    uint64_t ends = grown(ends_of_holds(before), ends_of_holds(after));

    return (struct coordination_rates){
        .granted = each_second(looks, grown(before->granted, after->granted)),
        .held = each_second(looks, grown(before->held, after->held)),
        .handed_off = each_second(looks, grown(before->handed_off, after->handed_off)),
        .full = each_second(looks, grown(before->full, after->full)),
        .held_us = mean(held_ns, ends) / 1e3,
    };
}

struct cache_rates rates_of_cache(const struct looks *looks, const struct cache_values *before,
                                  const struct cache_values *after)
{
    uint64_t hits = grown(before->hits, after->hits);
    uint64_t misses = grown(before->misses, after->misses);

    return (struct cache_rates){
        .hits = each_second(looks, hits),
        .misses = each_second(looks, misses),
        .written_back = each_second(looks, grown(before->written_back, after->written_back)),
        .read_ahead = each_second(looks, grown(before->read_ahead, after->read_ahead)),
        .evictions = each_second(looks, grown(before->evictions, after->evictions)),
        .hit_share = mean(hits, hits + misses),
        .dirty = after->dirty,
    };
}
