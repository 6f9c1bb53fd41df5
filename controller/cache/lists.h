/*
 * Lists of blocks, by number: what a policy orders. The links of all blocks stand in one array, so
 * a block is on one list of that array at a time.
 */
#ifndef CONTROLLER_CACHE_LISTS_H
#define CONTROLLER_CACHE_LISTS_H

#include <stdint.h>

#include "controller/cache/policy.h"

struct block_links {
    uint32_t newer, older;
};

struct block_list {
    uint32_t newest, oldest, count;
};

static inline void list_init(struct block_list *list)
{
    *list = (struct block_list){.newest = BLOCK_NONE, .oldest = BLOCK_NONE};
}

static inline void list_push(struct block_list *list, struct block_links *links, uint32_t block)
{
    links[block] = (struct block_links){.newer = BLOCK_NONE, .older = list->newest};
    *(list->newest != BLOCK_NONE ? &links[list->newest].newer : &list->oldest) = block;
    list->newest = block;
    list->count++;
}

static inline void list_take(struct block_list *list, struct block_links *links, uint32_t block)
{
    struct block_links at = links[block];

    *(at.newer != BLOCK_NONE ? &links[at.newer].older : &list->newest) = at.older;
    *(at.older != BLOCK_NONE ? &links[at.older].newer : &list->oldest) = at.newer;
    list->count--;
}

/* The oldest one, taken off, or BLOCK_NONE. */
static inline uint32_t list_pop(struct block_list *list, struct block_links *links)
{
    uint32_t block = list->oldest;

    if (block != BLOCK_NONE)
        list_take(list, links, block);
    return block;
}

/* The newest one, taken off, or BLOCK_NONE: of blocks that are alike, the one whose memory was in
 * use last. */
static inline uint32_t list_pop_newest(struct block_list *list, struct block_links *links)
{
    uint32_t block = list->newest;

    if (block != BLOCK_NONE)
        list_take(list, links, block);
    return block;
}

/* `block` takes the place that `old` has. */
static inline void list_replace(struct block_list *list, struct block_links *links, uint32_t old,
                                uint32_t block)
{
    struct block_links at = links[old];

    links[block] = at;
    *(at.newer != BLOCK_NONE ? &links[at.newer].older : &list->newest) = block;
    *(at.older != BLOCK_NONE ? &links[at.older].newer : &list->oldest) = block;
}

#endif
