#include <errno.h>
#include <stdlib.h>

#include "controller/cache/lists.h"

struct lru {
    struct cache_policy policy;
    struct block_list list;
    struct block_links links[];
};

static struct lru *self(struct cache_policy *policy)
{
    return (struct lru *)policy;
}

static int lru_make(struct cache_policy **ret_policy, uint32_t blocks)
{
    struct lru *lru = calloc(1, sizeof *lru + blocks * sizeof lru->links[0]);

    if (lru == NULL)
        return -ENOMEM;
    list_init(&lru->list);
    *ret_policy = &lru->policy;
    return 0;
}

static void lru_free(struct cache_policy *policy)
{
    free(self(policy));
}

static void lru_insert(struct cache_policy *policy, uint32_t block, uint64_t key)
{
    (void)key;
    list_push(&self(policy)->list, self(policy)->links, block);
}

static void lru_remove(struct cache_policy *policy, uint32_t block)
{
    list_take(&self(policy)->list, self(policy)->links, block);
}

static void lru_hit(struct cache_policy *policy, uint32_t block)
{
    lru_remove(policy, block);
    lru_insert(policy, block, 0);
}

static uint32_t lru_evict(struct cache_policy *policy, uint64_t key)
{
    (void)key;
    return list_pop(&self(policy)->list, self(policy)->links);
}

const struct cache_policy_operations policy_lru = {.make = lru_make,
                                                   .free = lru_free,
                                                   .insert = lru_insert,
                                                   .hit = lru_hit,
                                                   .remove = lru_remove,
                                                   .evict = lru_evict};
