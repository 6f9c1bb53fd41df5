/*
 * Hit ratios that are known without any cache: what LRU must have, from the distances at which keys
 * are asked for again, and what no cache can have more of, from what is going to be asked for. Both
 * by other ways than the policies go.
 */
#ifndef BENCH_HIT_REFERENCE_H
#define BENCH_HIT_REFERENCE_H

#include "bench/hit_traces.h"

/* Hits of an LRU cache of each of `count` sizes (blocks), exactly (Mattson and others, 1970). */
void hit_reference_lru(const struct hit_trace *trace, const uint32_t *blocks, uint32_t count,
                       uint64_t *ret_hits);

/* Hits of a cache that always gives up what is asked for last of all (Belady, 1966). */
uint64_t hit_reference_best(const struct hit_trace *trace, uint32_t blocks);

#endif
