/*
 * A cache without content: an index and a policy, asked for one key after the other. For the
 * policies' tests and benchmarks.
 */
#ifndef TESTS_UNIT_BARE_CACHE_H
#define TESTS_UNIT_BARE_CACHE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/cache/index.h"
#include "controller/cache/policy.h"

#define BARE_NO_KEY UINT64_MAX

struct bare_cache {
    struct block_index index;
    struct cache_policy *policy;
    uint32_t blocks, used;
};

/* Ends the program when there is no memory. */
static inline void bare_cache_start(struct bare_cache *cache, enum cache_policy_kind kind,
                                    uint32_t blocks)
{
    *cache = (struct bare_cache){.blocks = blocks};
    if (index_init(&cache->index, blocks) == 0 &&
        cache_policy_new(&cache->policy, kind, blocks) == 0)
        return;
    fprintf(stderr, "not enough memory for a cache\n");
    abort();
}

static inline void bare_cache_stop(struct bare_cache *cache)
{
    cache_policy_free(cache->policy);
    index_done(&cache->index);
}

/* True: a hit. Else *ret_gone is the key that went, or BARE_NO_KEY. */
static inline bool bare_cache_request(struct bare_cache *cache, uint64_t key, uint64_t *ret_gone)
{
    const struct cache_policy_operations *operations = cache->policy->operations;
    uint32_t block = index_find(&cache->index, key);

    *ret_gone = BARE_NO_KEY;
    if (block != BLOCK_NONE) {
        operations->hit(cache->policy, block);
        return true;
    }
    if (cache->used < cache->blocks) {
        block = cache->used++;
    } else {
        block = operations->evict(cache->policy, key);
        if (block == BLOCK_NONE)
            abort(); /* it has `blocks` of them */
        *ret_gone = index_key(&cache->index, block);
        index_remove(&cache->index, block);
    }
    index_add(&cache->index, block, key);
    operations->insert(cache->policy, block, key);
    return false;
}

#endif
