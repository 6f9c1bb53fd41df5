/*
 * The policies: each does, request by request, what the plain model of it does; keeps that up while
 * blocks leave it and come back; and has the hit ratios, beside the others, that its authors say.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/bare_cache.h"
#include "tests/unit/cache_models.h"
#include "tests/unit/traces.h"
#include "tests/unit/unit.h"

enum { REQUESTS = 40000 };

static const struct {
    enum cache_policy_kind kind;
    model_fn *model;
} kinds[] = {{CACHE_S3_FIFO, model_s3_fifo},
             {CACHE_SIEVE, model_sieve},
             {CACHE_ARC, model_arc},
             {CACHE_LRU, model_lru}};

static void as_the_model(enum cache_policy_kind kind, model_fn *model_request, uint32_t blocks,
                         enum trace_kind trace_kind)
{
    struct model *model = calloc(1, sizeof *model);
    struct bare_cache cache;
    struct trace trace;
    uint32_t different = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    model->blocks = blocks;
    model->hand = MODEL_NO_KEY;
    trace_begin(&trace, trace_kind, 4 * blocks, 7 + blocks);
    bare_cache_start(&cache, kind, blocks);
    for (uint32_t i = 0; i < REQUESTS && different == 0; i++) {
        uint64_t key = trace_next(&trace), gone, model_gone;
        bool hit = bare_cache_request(&cache, key, &gone);
        different += hit != model_request(model, key, &model_gone) || gone != model_gone;
    }
    CU_ASSERT_EQUAL(different, 0);
    bare_cache_stop(&cache);
    trace_end(&trace);
    free(model);
}

static void every_policy_does_what_its_model_does(void)
{
    static const uint32_t sizes[] = {1, 2, 10, 64, 300};

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int trace = 0; trace < TRACE_KINDS; trace++)
                as_the_model(kinds[k].kind, kinds[k].model, sizes[s], (enum trace_kind)trace);
}

/* As blocks that become dirty, and clean again: none is lost, none is evicted while it is out. */
static void blocks_leave_and_come_back(enum cache_policy_kind kind)
{
    enum { BLOCKS = 64, ROUNDS = 200000 };
    bool inside[BLOCKS] = {0};
    uint32_t inside_count = 0, seed = 5;
    uint64_t keys[BLOCKS] = {0};
    struct cache_policy *policy;

    CU_ASSERT_EQUAL_FATAL(cache_policy_new(&policy, kind, BLOCKS), 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t block = (seed >> 16) % BLOCKS, act = (seed >> 8) % 4;
        if (act == 0 && inside_count > 0) {
            block = policy->operations->evict(policy, 1000 + seed % 500);
            CU_ASSERT_TRUE_FATAL(block < BLOCKS && inside[block]);
            inside[block] = false;
            inside_count--;
        } else if (!inside[block]) {
            if (act != 1 || keys[block] == 0)
                keys[block] = 1000 * (block + 1) + seed % 500; /* another: all keys differ */
            policy->operations->insert(policy, block, keys[block]);
            inside[block] = true;
            inside_count++;
        } else if (act == 3) {
            policy->operations->remove(policy, block);
            inside[block] = false;
            inside_count--;
        } else {
            policy->operations->hit(policy, block);
        }
    }
    while (inside_count-- > 0)
        CU_ASSERT_NOT_EQUAL(policy->operations->evict(policy, 1), BLOCK_NONE);
    CU_ASSERT_EQUAL(policy->operations->evict(policy, 1), BLOCK_NONE);
    cache_policy_free(policy);
}

static void none_is_lost_that_leaves_and_comes_back(void)
{
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        blocks_leave_and_come_back(kinds[k].kind);
}

static double hit_ratio(enum cache_policy_kind kind, enum trace_kind trace_kind)
{
    enum { BLOCKS = 500, COUNT = 400000 };
    struct bare_cache cache;
    struct trace trace;
    uint32_t hits = 0;
    uint64_t gone;

    trace_begin(&trace, trace_kind, 10 * BLOCKS, 1);
    bare_cache_start(&cache, kind, BLOCKS);
    for (uint32_t i = 0; i < COUNT; i++)
        hits += bare_cache_request(&cache, trace_next(&trace), &gone);
    bare_cache_stop(&cache);
    trace_end(&trace);
    return (double)hits / COUNT;
}

/* LRU has no hit in a loop larger than itself; scans push what is asked for often out of it. */
static void hit_ratios_are_ordered_as_published(void)
{
    double lru = hit_ratio(CACHE_LRU, TRACE_ZIPF);

    CU_ASSERT(hit_ratio(CACHE_S3_FIFO, TRACE_ZIPF) > lru + 0.03);
    CU_ASSERT(hit_ratio(CACHE_SIEVE, TRACE_ZIPF) > lru + 0.03);
    CU_ASSERT(hit_ratio(CACHE_ARC, TRACE_ZIPF) > lru + 0.02);
    lru = hit_ratio(CACHE_LRU, TRACE_ZIPF_AND_SCANS);
    CU_ASSERT(hit_ratio(CACHE_S3_FIFO, TRACE_ZIPF_AND_SCANS) > lru + 0.05);
    CU_ASSERT(hit_ratio(CACHE_ARC, TRACE_ZIPF_AND_SCANS) > lru + 0.03);
    CU_ASSERT_EQUAL(hit_ratio(CACHE_LRU, TRACE_LOOP), 0);
}

static void what_is_no_policy_is_refused(void)
{
    struct cache_policy *policy = NULL;

    CU_ASSERT_EQUAL(cache_policy_new(&policy, (enum cache_policy_kind)99, 8), -22);
    CU_ASSERT_EQUAL(cache_policy_new(&policy, CACHE_LRU, 0), -22);
    CU_ASSERT_PTR_NULL(policy);
    cache_policy_free(NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every policy does what its model does", every_policy_does_what_its_model_does},
        {"none is lost that leaves and comes back", none_is_lost_that_leaves_and_comes_back},
        {"hit ratios are ordered as published", hit_ratios_are_ordered_as_published},
        {"what is no policy is refused", what_is_no_policy_is_refused},
    };

    return UNIT_RUN("cache_policy", tests);
}
