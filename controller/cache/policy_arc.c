/*
 * ARC: two LRU lists, T1 of what came once and T2 of what was asked for again, and the ghosts of
 * each, B1 and B2. A miss that B1 remembers says that T1 should be larger, one that B2 remembers
 * that T2 should: `target` is what T1 is to have.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "controller/cache/ghosts.h"

enum { ONCE, AGAIN };

struct arc {
    struct cache_policy policy;
    uint32_t blocks;
    uint32_t target;
    struct block_list lists[2]; /* T1, T2 */
    struct ghosts ghosts;       /* B1, B2 */
    struct arc_block {
        uint64_t key;
        uint8_t list;
    } * all;
    struct block_links links[];
};

static struct arc *self(struct cache_policy *policy)
{
    return (struct arc *)policy;
}

static void arc_free(struct cache_policy *policy)
{
    ghosts_done(&self(policy)->ghosts);
    free(self(policy)->all);
    free(self(policy));
}

static int arc_make(struct cache_policy **ret_policy, uint32_t blocks)
{
    struct arc *arc = calloc(1, sizeof *arc + blocks * sizeof arc->links[0]);

    if (arc == NULL)
        return -ENOMEM;
    arc->blocks = blocks;
    list_init(&arc->lists[ONCE]);
    list_init(&arc->lists[AGAIN]);
    arc->all = calloc(blocks, sizeof *arc->all);
    /* T1 and B1 together, and T2 and B2 with them, are twice the blocks at most; one more while a
     * victim has become a ghost and what replaces it has not come yet. */
    if (arc->all == NULL || ghosts_init(&arc->ghosts, 2 * blocks + 1) != 0) {
        free(arc->all);
        free(arc);
        return -ENOMEM;
    }
    *ret_policy = &arc->policy;
    return 0;
}

static void enter(struct arc *arc, uint32_t list, uint32_t block)
{
    arc->all[block].list = (uint8_t)list;
    list_push(&arc->lists[list], arc->links, block);
}

static void arc_remove(struct cache_policy *policy, uint32_t block)
{
    struct arc *arc = self(policy);

    list_take(&arc->lists[arc->all[block].list], arc->links, block);
}

static void arc_hit(struct cache_policy *policy, uint32_t block)
{
    arc_remove(policy, block);
    enter(self(policy), AGAIN, block);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The steps of both directions: the rarer kind of ghost counts for more. */
static void adapt(struct arc *arc, uint32_t remembered_in)
{
    uint32_t once = arc->ghosts.lists[ONCE].count, again = arc->ghosts.lists[AGAIN].count;

    if (remembered_in == ONCE) {
        uint32_t step = larger(again / larger(once, 1), 1);
        arc->target = arc->target + step < arc->blocks ? arc->target + step : arc->blocks;
    } else {
        uint32_t step = larger(once / larger(again, 1), 1);
        arc->target = arc->target > step ? arc->target - step : 0;
    }
}

static uint32_t evict_from(struct arc *arc, uint32_t list, bool remember)
{
    uint32_t block = list_pop(&arc->lists[list], arc->links);

    if (block != BLOCK_NONE && remember)
        ghosts_add(&arc->ghosts, list, arc->all[block].key);
    return block;
}

/* REPLACE of the paper: from T1 while it has more than its target. */
static uint32_t replace(struct arc *arc, bool remembered_again)
{
    uint32_t once = arc->lists[ONCE].count;
    bool from_once = once > 0 && (once > arc->target || (remembered_again && once == arc->target) ||
                                  arc->lists[AGAIN].count == 0);

    return evict_from(arc, from_once ? ONCE : AGAIN, true);
}

/* For something that neither list remembers: makes room in the ghosts as well. */
static uint32_t evict_for_new(struct arc *arc)
{
    uint32_t once = arc->lists[ONCE].count, once_ghosts = arc->ghosts.lists[ONCE].count;
    uint32_t all = once + once_ghosts + arc->lists[AGAIN].count + arc->ghosts.lists[AGAIN].count;

    if (once + once_ghosts >= arc->blocks) {
        if (once >= arc->blocks)
            return evict_from(arc, ONCE, false);
        ghosts_forget_oldest(&arc->ghosts, ONCE);
    } else if (all >= 2 * arc->blocks) {
        ghosts_forget_oldest(&arc->ghosts, AGAIN);
    }
    return replace(arc, false);
}

static uint32_t arc_evict(struct cache_policy *policy, uint64_t key)
{
    struct arc *arc = self(policy);
    uint32_t ghost = ghosts_find(&arc->ghosts, key);

    if (ghost == GHOST_NONE)
        return evict_for_new(arc);
    uint32_t list = arc->ghosts.all[ghost].list;
    adapt(arc, list);
    return replace(arc, list == AGAIN);
}

/* Blocks that left without being evicted may have left the ghosts alone in their places. */
static void keep_ghosts_bounded(struct arc *arc)
{
    while (arc->ghosts.lists[ONCE].count + arc->ghosts.lists[AGAIN].count > arc->blocks)
        ghosts_forget_oldest(
            &arc->ghosts,
            arc->ghosts.lists[ONCE].count > arc->ghosts.lists[AGAIN].count ? ONCE : AGAIN);
}

static void arc_insert(struct cache_policy *policy, uint32_t block, uint64_t key)
{
    struct arc *arc = self(policy);
    uint32_t ghost = ghosts_find(&arc->ghosts, key);

    arc->all[block].key = key;
    if (ghost != GHOST_NONE)
        ghosts_forget(&arc->ghosts, ghost);
    keep_ghosts_bounded(arc);
    enter(arc, ghost == GHOST_NONE ? ONCE : AGAIN, block);
}

const struct cache_policy_operations policy_arc = {.make = arc_make,
                                                   .free = arc_free,
                                                   .insert = arc_insert,
                                                   .hit = arc_hit,
                                                   .remove = arc_remove,
                                                   .evict = arc_evict};
