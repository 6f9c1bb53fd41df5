#include "controller/cache/ghosts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/cache/index.h"

static uint32_t *bucket_of(const struct ghosts *ghosts, uint64_t key)
{
    return &ghosts->buckets[key_hash(key) & ghosts->buckets_mask];
}

int ghosts_init(struct ghosts *ghosts, uint32_t capacity)
{
    uint32_t buckets = key_buckets(capacity);

    *ghosts = (struct ghosts){.capacity = capacity, .buckets_mask = buckets - 1};
    ghosts->all = calloc(capacity, sizeof *ghosts->all);
    ghosts->links = calloc(capacity, sizeof *ghosts->links);
    ghosts->buckets = malloc(buckets * sizeof *ghosts->buckets);
    if (ghosts->all == NULL || ghosts->links == NULL || ghosts->buckets == NULL) {
        ghosts_done(ghosts);
        return -ENOMEM;
    }
    memset(ghosts->buckets, 0xff, buckets * sizeof *ghosts->buckets); /* GHOST_NONE */
    for (uint32_t i = 0; i < capacity; i++)
        ghosts->all[i].chain_next = i + 1 < capacity ? i + 1 : (uint32_t)GHOST_NONE;
    for (uint32_t i = 0; i < GHOST_LISTS; i++)
        list_init(&ghosts->lists[i]);
    return 0;
}

void ghosts_done(struct ghosts *ghosts)
{
    free(ghosts->all);
    free(ghosts->links);
    free(ghosts->buckets);
}

uint32_t ghosts_find(const struct ghosts *ghosts, uint64_t key)
{
    uint32_t at = *bucket_of(ghosts, key);

    while (at != GHOST_NONE && ghosts->all[at].key != key)
        at = ghosts->all[at].chain_next;
    return at;
}

void ghosts_add(struct ghosts *ghosts, uint32_t list, uint64_t key)
{
    uint32_t at = ghosts->free_first;
    uint32_t *bucket = bucket_of(ghosts, key);

    assert(at != GHOST_NONE && list < GHOST_LISTS);
    ghosts->free_first = ghosts->all[at].chain_next;
    ghosts->all[at] = (struct ghost){.key = key, .chain_next = *bucket, .list = (uint8_t)list};
    *bucket = at;
    list_push(&ghosts->lists[list], ghosts->links, at);
}

void ghosts_forget(struct ghosts *ghosts, uint32_t at)
{
    struct ghost *ghost = &ghosts->all[at];
    uint32_t *link = bucket_of(ghosts, ghost->key);

    while (*link != at)
        link = &ghosts->all[*link].chain_next;
    *link = ghost->chain_next;
    list_take(&ghosts->lists[ghost->list], ghosts->links, at);
    ghost->chain_next = ghosts->free_first;
    ghosts->free_first = at;
}

void ghosts_forget_oldest(struct ghosts *ghosts, uint32_t list)
{
    if (ghosts->lists[list].oldest != BLOCK_NONE)
        ghosts_forget(ghosts, ghosts->lists[list].oldest);
}
