/*
 * A histogram of latencies: 16 buckets for each power of two of nanoseconds, so a median is right
 * to about 6 %; the maximum is exact.
 */
#ifndef TESTS_HISTORY_LATENCY_H
#define TESTS_HISTORY_LATENCY_H

#include <stdint.h>

enum { LATENCY_PARTS_LOG2 = 4, LATENCY_BUCKETS = 64 << LATENCY_PARTS_LOG2 };

struct latency {
    uint64_t count, max_ns;
    uint64_t buckets[LATENCY_BUCKETS];
};

static inline uint32_t latency_bucket(uint64_t ns)
{
    uint32_t power = 63 - (uint32_t)__builtin_clzll(ns | 1 << LATENCY_PARTS_LOG2);
    uint32_t part =
        (uint32_t)(ns >> (power - LATENCY_PARTS_LOG2)) & ((1 << LATENCY_PARTS_LOG2) - 1);

    return power << LATENCY_PARTS_LOG2 | part;
}

static inline void latency_add(struct latency *latency, uint64_t ns)
{
    latency->count++;
    latency->buckets[latency_bucket(ns)]++;
    if (ns > latency->max_ns)
        latency->max_ns = ns;
}

/* The lower edge of the bucket that holds the median; 0 of none. */
static inline uint64_t latency_median_ns(const struct latency *latency)
{
    uint64_t passed = 0;
    uint32_t bucket = 0;

    if (latency->count == 0)
        return 0;
    while ((passed += latency->buckets[bucket]) * 2 < latency->count)
        bucket++;
    uint32_t power = bucket >> LATENCY_PARTS_LOG2;
    uint64_t part = bucket & ((1 << LATENCY_PARTS_LOG2) - 1);
    return (1ull << power) + (part << (power - LATENCY_PARTS_LOG2));
}

#endif
