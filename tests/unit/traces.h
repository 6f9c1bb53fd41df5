/*
 * Requests for a cache, made from a seed: how often each key is asked for, and in what order. For
 * the policies' tests and benchmarks.
 */
#ifndef TESTS_UNIT_TRACES_H
#define TESTS_UNIT_TRACES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

enum trace_kind {
    TRACE_ZIPF,           /* key n as often as 1 / n */
    TRACE_ZIPF_AND_SCANS, /* now and then a run over keys that are asked for once */
    TRACE_LOOP,           /* all keys in turn, again and again */
    TRACE_KINDS,
};

struct trace {
    enum trace_kind kind;
    uint32_t keys;
    uint64_t seed, scanned, looped;
    uint32_t scan_left;
    double *below; /* of key n: the part of requests for keys up to n */
};

static inline void trace_begin(struct trace *trace, enum trace_kind kind, uint32_t keys,
                               uint64_t seed)
{
    double sum = 0;

    *trace = (struct trace){.kind = kind, .keys = keys, .seed = seed};
    trace->below = malloc(keys * sizeof *trace->below);
    if (trace->below == NULL)
        abort();
    for (uint32_t i = 0; i < keys; i++)
        trace->below[i] = sum += 1.0 / (i + 1);
    for (uint32_t i = 0; i < keys; i++)
        trace->below[i] /= sum;
}

static inline void trace_end(struct trace *trace)
{
    free(trace->below);
}

static inline double trace_random(struct trace *trace)
{
    trace->seed = trace->seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(trace->seed >> 11) / (double)(1ull << 53);
}

static inline uint64_t trace_zipf(struct trace *trace)
{
    double wanted = trace_random(trace);
    uint32_t low = 0, high = trace->keys - 1;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (trace->below[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next key asked for. */
static inline uint64_t trace_next(struct trace *trace)
{
    if (trace->kind == TRACE_LOOP)
        return trace->looped++ % trace->keys;
    if (trace->kind == TRACE_ZIPF)
        return trace_zipf(trace);
    if (trace->scan_left == 0 && trace_random(trace) < 0.0005)
        trace->scan_left = trace->keys / 4;
    if (trace->scan_left > 0 && trace_random(trace) < 0.5) {
        trace->scan_left--;
        return trace->keys + trace->scanned++;
    }
    return trace_zipf(trace);
}

#endif
