#include "bench/hit_traces.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 20000 }; /* of the part that is asked for again */

struct maker {
    uint64_t seed;
    double *below;   /* of key n: the part of requests for keys up to n */
    uint32_t *stack; /* keys from the latest to the one before all others */
    uint32_t once;   /* keys that were asked for once, and will not be again */
    uint32_t left, loop_first, loop_length; /* of the loop, or the scan, that is under way */
};

void *hit_room(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);

    if (memory == NULL) {
        fprintf(stderr, "hit_ratio: not enough memory\n");
        exit(1);
    }
    return memory;
}

static double random_part(struct maker *maker)
{
    maker->seed = maker->seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(maker->seed >> 11) / (double)(1ull << 53);
}

static uint32_t random_below(struct maker *maker, uint32_t limit)
{
    return (uint32_t)(random_part(maker) * limit);
}

static void make_zipf(struct maker *maker, double exponent)
{
    double sum = 0;

    for (uint32_t i = 0; i < KEYS; i++)
        maker->below[i] = sum += pow(i + 1, -exponent);
    for (uint32_t i = 0; i < KEYS; i++)
        maker->below[i] /= sum;
}

static uint32_t zipf(struct maker *maker)
{
    double wanted = random_part(maker);
    uint32_t low = 0, high = KEYS - 1;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (maker->below[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t zipf_and_scans(struct maker *maker)
{
    if (maker->left == 0 && random_part(maker) < 0.0005)
        maker->left = KEYS / 4;
    if (maker->left == 0 || random_part(maker) < 0.5)
        return zipf(maker);
    maker->left--;
    return KEYS + maker->once++;
}

/* A file of some length is read a few times from its beginning to its end. */
static uint32_t loops_in_zipf(struct maker *maker)
{
    if (maker->left == 0) {
        maker->loop_length = KEYS / 64 << random_below(maker, 5);
        maker->loop_first = random_below(maker, KEYS - maker->loop_length);
        maker->left = 4 * maker->loop_length;
    }
    if (random_part(maker) < 0.3)
        return zipf(maker);
    maker->left--;
    return KEYS + maker->loop_first + maker->left % maker->loop_length;
}

/* O'Neil, O'Neil and Weikum's: each record is reached by way of a page of the index. */
static uint32_t two_pools(struct maker *maker, uint32_t number)
{
    return number % 2 == 0 ? random_below(maker, KEYS / 100)
                           : KEYS / 100 + random_below(maker, KEYS - KEYS / 100);
}

/* The key at a depth of the stack, which gets to its top; each depth half as likely as the one at
 * half of it, about. */
static uint32_t recent(struct maker *maker)
{
    uint32_t depth = zipf(maker), key = maker->stack[depth];

    memmove(maker->stack + 1, maker->stack, depth * sizeof *maker->stack);
    maker->stack[0] = key;
    return key;
}

static uint32_t moving_zipf(struct maker *maker, uint32_t number)
{
    return (zipf(maker) + number / 40) % KEYS;
}

static uint32_t next(struct maker *maker, enum hit_trace_kind kind, uint32_t number)
{
    switch (kind) {
    case HIT_TRACE_SCANS:
        return zipf_and_scans(maker);
    case HIT_TRACE_LOOP:
        return number % KEYS;
    case HIT_TRACE_LOOPS_IN_ZIPF:
        return loops_in_zipf(maker);
    case HIT_TRACE_TWO_POOLS:
        return two_pools(maker, number);
    case HIT_TRACE_RECENCY:
        return recent(maker);
    case HIT_TRACE_MOVING:
        return moving_zipf(maker, number);
    case HIT_TRACE_ZIPF_1:
    case HIT_TRACE_ZIPF_08:
    case HIT_TRACE_KINDS:
        break;
    }
    return zipf(maker);
}

/* Keys are spread, so that no policy gains by their order. */
static void spread(struct hit_trace *trace)
{
    for (uint32_t i = 0; i < trace->requests; i++)
        trace->keys[i] = trace->keys[i] * 2654435761u >> 4;
}

static int by_key(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

/* 0 to distinct - 1, in the order of the spread keys. */
static void number_keys(struct hit_trace *trace)
{
    uint32_t *sorted = hit_room(trace->requests, sizeof *sorted), count = 0;

    memcpy(sorted, trace->keys, trace->requests * sizeof *sorted);
    qsort(sorted, trace->requests, sizeof *sorted, by_key);
    for (uint32_t i = 0; i < trace->requests; i++) {
        if (i == 0 || sorted[i] != sorted[count - 1])
            sorted[count++] = sorted[i];
    }
    for (uint32_t i = 0; i < trace->requests; i++) {
        const uint32_t *at = bsearch(&trace->keys[i], sorted, count, sizeof *sorted, by_key);
        trace->keys[i] = (uint32_t)(at - sorted);
    }
    free(sorted);
    trace->distinct = count;
}

void hit_trace_make(struct hit_trace *ret_trace, enum hit_trace_kind kind, uint32_t requests,
                    uint64_t seed)
{
    static const char *const names[] = {
#define X(NAME, shown) shown,
        HIT_TRACES(X)
#undef X
    };
    struct maker maker = {.seed = seed};

    *ret_trace = (struct hit_trace){.name = names[kind], .requests = requests};
    ret_trace->keys = hit_room(requests, sizeof *ret_trace->keys);
    maker.below = hit_room(KEYS, sizeof *maker.below);
    maker.stack = hit_room(KEYS, sizeof *maker.stack);
    for (uint32_t i = 0; i < KEYS; i++)
        maker.stack[i] = i;
    make_zipf(&maker, kind == HIT_TRACE_ZIPF_08 ? 0.8 : 1.0);
    for (uint32_t i = 0; i < requests; i++)
        ret_trace->keys[i] = next(&maker, kind, i);
    spread(ret_trace);
    number_keys(ret_trace);
    free(maker.stack);
    free(maker.below);
}

void hit_trace_done(struct hit_trace *trace)
{
    free(trace->keys);
    *trace = (struct hit_trace){0};
}
