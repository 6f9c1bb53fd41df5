/*
 * Ghosts: keys of blocks that were evicted, remembered in up to two lists, each from newest to
 * oldest, and found by hash. Fixed memory: when all places are taken, the caller has to forget one
 * first.
 */
#ifndef CONTROLLER_CACHE_GHOSTS_H
#define CONTROLLER_CACHE_GHOSTS_H

#include <stdint.h>

#include "controller/cache/lists.h"

enum { GHOST_LISTS = 2, GHOST_NONE = UINT32_MAX };

struct ghost {
    uint64_t key;
    uint32_t chain_next;
    uint8_t list;
};

struct ghosts {
    struct ghost *all;
    struct block_links *links;
    uint32_t *buckets;
    uint32_t buckets_mask;
    uint32_t capacity;
    uint32_t free_first; /* by chain_next */
    struct block_list lists[GHOST_LISTS];
};

/* 0 or -ENOMEM; `capacity` is 1 or more. */
int ghosts_init(struct ghosts *ghosts, uint32_t capacity);
void ghosts_done(struct ghosts *ghosts);

/* The ghost of this key, or GHOST_NONE. */
uint32_t ghosts_find(const struct ghosts *ghosts, uint64_t key);

/* Remembers a key that is not remembered, as the newest of a list. There must be a place. */
void ghosts_add(struct ghosts *ghosts, uint32_t list, uint64_t key);

void ghosts_forget(struct ghosts *ghosts, uint32_t ghost);
/* Nothing happens where the list is empty. */
void ghosts_forget_oldest(struct ghosts *ghosts, uint32_t list);

#endif
