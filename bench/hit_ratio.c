/*
 * hit_ratio [REQUESTS [SEED]]: the hit ratio of each cache policy on requests of published shapes,
 * beside what LRU must have and what no cache can have more of, and beside the order of the
 * policies that their authors found.
 *
 * What is measured is checked: each policy against its plain model, request by request, on each
 * trace; LRU against the distances of the trace; and none against the best. Exits 1 when one is
 * wrong. That an order is another one than was published is said, and is no error: other traces of
 * the same shape have other ones.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/hit_reference.h"
#include "tests/unit/bare_cache.h"
#include "tests/unit/cache_models.h"

enum { REQUESTS_DEFAULT = 1000000, MODEL_REQUESTS = 30000, MODEL_BLOCKS = 200 };

static const struct {
    enum cache_policy_kind kind;
    const char *name;
    model_fn *model;
} policies[] = {{CACHE_LRU, "lru", model_lru},
                {CACHE_ARC, "arc", model_arc},
                {CACHE_S3_FIFO, "s3-fifo", model_s3_fifo},
                {CACHE_SIEVE, "sieve", model_sieve}};

enum { LRU, ARC, S3_FIFO, SIEVE, POLICIES };
_Static_assert(sizeof policies / sizeof policies[0] == POLICIES, "a number each");

/* Parts of the distinct keys, in per mille: those that papers have, and one in between. */
static const uint32_t sizes_per_mille[] = {10, 50, 100, 300};
enum { SIZES = sizeof sizes_per_mille / sizeof sizes_per_mille[0] };

/* What was published of traces of this shape: pairs of which the first had more hits, or as many.
 * Of some nothing is known that would hold for others of their shape. */
struct order {
    uint8_t more, fewer;
};

static const struct published {
    const char *where; /* NULL: nothing */
    struct order pairs[4];
    uint32_t count;
} published[HIT_TRACE_KINDS] = {
    [HIT_TRACE_ZIPF_1] = {"S3-FIFO (SOSP 23), SIEVE (NSDI 24), ARC (FAST 03): above lru",
                          {{S3_FIFO, LRU}, {SIEVE, LRU}, {ARC, LRU}},
                          3},
    [HIT_TRACE_ZIPF_08] = {"the same", {{S3_FIFO, LRU}, {SIEVE, LRU}, {ARC, LRU}}, 3},
    [HIT_TRACE_SCANS] = {"S3-FIFO and ARC resist scans, SIEVE does not (NSDI 24)",
                         {{S3_FIFO, LRU}, {ARC, LRU}, {S3_FIFO, SIEVE}},
                         3},
    [HIT_TRACE_LOOP] = {"LRU misses all of a loop larger than itself (LIRS, SIGMETRICS 02)",
                        {{S3_FIFO, LRU}, {SIEVE, LRU}, {ARC, LRU}},
                        3},
    [HIT_TRACE_TWO_POOLS] = {"frequency beats recency (LRU-K, SIGMOD 93; 2Q, ARC)",
                             {{ARC, LRU}, {S3_FIFO, LRU}, {SIEVE, LRU}},
                             3},
    [HIT_TRACE_RECENCY] = {"no policy without foresight beats LRU (Coffman, Denning 1973)",
                           {{LRU, ARC}, {LRU, S3_FIFO}, {LRU, SIEVE}},
                           3},
};

static uint64_t count_hits(const struct hit_trace *trace, enum cache_policy_kind kind,
                           uint32_t blocks)
{
    struct bare_cache cache;
    uint64_t hits = 0, gone;

    bare_cache_start(&cache, kind, blocks);
    for (uint32_t i = 0; i < trace->requests; i++)
        hits += bare_cache_request(&cache, trace->keys[i], &gone);
    bare_cache_stop(&cache);
    return hits;
}

/* --- checking --- */

/* Models shift arrays, so they are asked a part of the trace, with a small cache. */
static bool is_as_its_model(const struct hit_trace *trace, uint32_t policy)
{
    struct model *model = calloc(1, sizeof *model);
    struct bare_cache cache;
    uint32_t i = 0, count = trace->requests < MODEL_REQUESTS ? trace->requests : MODEL_REQUESTS;
    bool same = model != NULL;

    bare_cache_start(&cache, policies[policy].kind, MODEL_BLOCKS);
    if (model != NULL) {
        model->blocks = MODEL_BLOCKS;
        model->hand = MODEL_NO_KEY;
    }
    for (; i < count && same; i++) {
        uint64_t gone, model_gone, key = trace->keys[i];
        same = bare_cache_request(&cache, key, &gone) ==
                   policies[policy].model(model, key, &model_gone) &&
               gone == model_gone;
    }
    bare_cache_stop(&cache);
    free(model);
    if (!same)
        fprintf(stderr, "hit_ratio: %s: %s is not as its model at request %u\n", trace->name,
                policies[policy].name, i);
    return same;
}

static bool are_possible(const struct hit_trace *trace, const uint64_t *hits, uint64_t lru,
                         uint64_t best)
{
    bool possible = hits[LRU] == lru;

    if (!possible)
        fprintf(stderr, "hit_ratio: %s: lru has %llu hits; its distances say %llu\n", trace->name,
                (unsigned long long)hits[LRU], (unsigned long long)lru);
    for (uint32_t policy = 0; policy < POLICIES; policy++) {
        if (hits[policy] <= best)
            continue;
        fprintf(stderr, "hit_ratio: %s: %s has more hits than there can be\n", trace->name,
                policies[policy].name);
        possible = false;
    }
    return possible;
}

/* --- the table --- */

/* Within what chance does to so many requests: three deviations at most, of a half. */
static bool is_not_less(uint64_t one, uint64_t other, uint32_t requests)
{
    double difference = (double)other - (double)one;

    return difference <= 0 || difference * difference <= 9.0 * 0.25 * requests;
}

static void print_order(const struct published *order, const uint64_t *hits, uint32_t requests)
{
    bool any = false;

    if (order->where == NULL) {
        printf("  -\n");
        return;
    }
    for (uint32_t i = 0; i < order->count; i++) {
        const struct order *pair = &order->pairs[i];
        if (is_not_less(hits[pair->more], hits[pair->fewer], requests))
            continue;
        printf("%s%s < %s", any ? ", " : "  but ", policies[pair->more].name,
               policies[pair->fewer].name);
        any = true;
    }
    puts(any ? "" : "  yes");
}

static bool measure(enum hit_trace_kind kind, uint32_t requests, uint64_t seed)
{
    uint32_t blocks[SIZES];
    uint64_t lru[SIZES], hits[POLICIES];
    struct hit_trace trace;
    bool right = true;

    hit_trace_make(&trace, kind, requests, seed);
    for (uint32_t i = 0; i < SIZES; i++)
        blocks[i] = (uint32_t)((uint64_t)trace.distinct * sizes_per_mille[i] / 1000) + 1;
    hit_reference_lru(&trace, blocks, SIZES, lru);
    for (uint32_t policy = 0; policy < POLICIES; policy++)
        right = is_as_its_model(&trace, policy) && right;
    printf("\n%s, %u keys%s%s\n", trace.name, trace.distinct,
           published[kind].where != NULL ? "; published: " : "",
           published[kind].where != NULL ? published[kind].where : "");
    for (uint32_t i = 0; i < SIZES; i++) {
        uint64_t best = hit_reference_best(&trace, blocks[i]);
        printf("  %5.1f %%", sizes_per_mille[i] / 10.0);
        for (uint32_t policy = 0; policy < POLICIES; policy++) {
            hits[policy] = count_hits(&trace, policies[policy].kind, blocks[i]);
            printf(" %8.2f", 100.0 * (double)hits[policy] / requests);
        }
        printf(" %8.2f", 100.0 * (double)best / requests);
        right = are_possible(&trace, hits, lru[i], best) && right;
        print_order(&published[kind], hits, requests);
    }
    hit_trace_done(&trace);
    return right;
}

static unsigned long long number_of(const char *word, unsigned long long most)
{
    char *end;
    unsigned long long number = strtoull(word, &end, 10);

    if (*word < '0' || *word > '9' || *end != '\0' || number == 0 || number > most) {
        fprintf(stderr, "hit_ratio: %s: allowed: 1 to %llu\n", word, most);
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    uint32_t requests =
        argc > 1 ? (uint32_t)number_of(argv[1], 100000000) : (uint32_t)REQUESTS_DEFAULT;
    uint64_t seed = argc > 2 ? number_of(argv[2], UINT64_MAX) : 1;
    bool right = true;

    printf("hits in %% of %u requests, seed %llu\n", requests, (unsigned long long)seed);
    printf("    cache      lru      arc  s3-fifo    sieve     best  as published\n");
    for (int kind = 0; kind < HIT_TRACE_KINDS; kind++)
        right = measure((enum hit_trace_kind)kind, requests, seed) && right;
    return right ? 0 : 1;
}
