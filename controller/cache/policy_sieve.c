/*
 * SIEVE: what comes stands at the new end. The hand goes from the old end to the new one; what was
 * visited since it last came by is spared, and what was not goes. Nothing is ever moved.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/cache/lists.h"

struct sieve {
    struct cache_policy policy;
    struct block_list list;
    uint32_t hand; /* BLOCK_NONE: at the old end */
    uint8_t *visited;
    struct block_links links[];
};

static struct sieve *self(struct cache_policy *policy)
{
    return (struct sieve *)policy;
}

static int sieve_make(struct cache_policy **ret_policy, uint32_t blocks)
{
    struct sieve *sieve = calloc(1, sizeof *sieve + blocks * sizeof sieve->links[0]);
    uint8_t *visited = calloc(blocks, 1);

    if (sieve == NULL || visited == NULL) {
        free(sieve);
        free(visited);
        return -ENOMEM;
    }
    sieve->visited = visited;
    sieve->hand = BLOCK_NONE;
    list_init(&sieve->list);
    *ret_policy = &sieve->policy;
    return 0;
}

static void sieve_free(struct cache_policy *policy)
{
    free(self(policy)->visited);
    free(self(policy));
}

static void sieve_insert(struct cache_policy *policy, uint32_t block, uint64_t key)
{
    struct sieve *sieve = self(policy);

    (void)key;
    sieve->visited[block] = 0;
    list_push(&sieve->list, sieve->links, block);
}

static void sieve_hit(struct cache_policy *policy, uint32_t block)
{
    self(policy)->visited[block] = 1;
}

static void sieve_remove(struct cache_policy *policy, uint32_t block)
{
    struct sieve *sieve = self(policy);

    if (sieve->hand == block)
        sieve->hand = sieve->links[block].newer;
    list_take(&sieve->list, sieve->links, block);
}

static uint32_t sieve_evict(struct cache_policy *policy, uint64_t key)
{
    struct sieve *sieve = self(policy);
    uint32_t at = sieve->hand;

    (void)key;
    if (sieve->list.count == 0)
        return BLOCK_NONE;
    for (;;) {
        if (at == BLOCK_NONE)
            at = sieve->list.oldest;
        if (!sieve->visited[at])
            break;
        sieve->visited[at] = 0;
        at = sieve->links[at].newer;
    }
    sieve->hand = at;
    sieve_remove(policy, at);
    return at;
}

const struct cache_policy_operations policy_sieve = {.make = sieve_make,
                                                     .free = sieve_free,
                                                     .insert = sieve_insert,
                                                     .hit = sieve_hit,
                                                     .remove = sieve_remove,
                                                     .evict = sieve_evict};
