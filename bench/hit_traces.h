/*
 * Requests for a cache with the shapes of traces that were published: how often each key is asked
 * for, and after how long again. Made from a seed, so that everybody measures the same; the traces
 * themselves are too large to be kept here, and none may be needed to build or to measure.
 */
#ifndef BENCH_HIT_TRACES_H
#define BENCH_HIT_TRACES_H

#include <stddef.h>
#include <stdint.h>

/* X(NAME, "as it is shown") */
#define HIT_TRACES(X)                                                                              \
    X(ZIPF_1, "zipf 1.0")      /* key n as often as 1 / n */                                       \
    X(ZIPF_08, "zipf 0.8")     /* as often as 1 / n^0.8: less is asked for again */                \
    X(SCANS, "zipf and scans") /* half of the time a run over keys that are asked for once */      \
    X(LOOP, "loop")            /* all keys in turn, again and again */                             \
    X(LOOPS_IN_ZIPF, "loops")  /* loops of several lengths among others, as programs read files    \
                                */                                                                 \
    X(TWO_POOLS, "two pools")  /* index and data: of few keys and of many, in turn */              \
    X(RECENCY, "recency")      /* what was asked for last is the likeliest, whichever it is */     \
    X(MOVING, "moving zipf")   /* what is asked for most changes with time */

enum hit_trace_kind {
#define X(NAME, shown) HIT_TRACE_##NAME,
    HIT_TRACES(X)
#undef X
        HIT_TRACE_KINDS
};

struct hit_trace {
    const char *name;
    uint32_t *keys; /* of the requests, in order: 0 to `distinct` - 1 */
    uint32_t requests, distinct;
};

/* Ends the program when there is no memory. The caller ends it by hit_trace_done. */
void hit_trace_make(struct hit_trace *ret_trace, enum hit_trace_kind kind, uint32_t requests,
                    uint64_t seed);
void hit_trace_done(struct hit_trace *trace);

/* Zeroed memory, the caller's to free. Ends the program when there is none. */
void *hit_room(size_t count, size_t bytes);

#endif
