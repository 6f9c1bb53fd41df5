/*
 * S3-FIFO: three FIFO queues. A new block enters `small`, a tenth of all. At its old end, what was
 * asked for more than once on the way goes on into `main`, and the rest goes, its key remembered.
 * What is remembered when it comes again enters `main` at once. At the old end of `main`, what was
 * asked for goes round again, as often as it was asked for, three times at most.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/cache/ghosts.h"

enum { SMALL_SHARE = 10, ASKED_MAX = 3, ASKED_FOR_MAIN = 2 };

struct s3_fifo {
    struct cache_policy policy;
    struct block_list small, main;
    uint32_t small_target;
    struct ghosts ghosts;
    struct s3_block {
        uint64_t key;
        uint8_t asked;
        uint8_t in_main;
    } * blocks;
    struct block_links links[];
};

static struct s3_fifo *self(struct cache_policy *policy)
{
    return (struct s3_fifo *)policy;
}

static void s3_free(struct cache_policy *policy)
{
    ghosts_done(&self(policy)->ghosts);
    free(self(policy)->blocks);
    free(self(policy));
}

static int s3_make(struct cache_policy **ret_policy, uint32_t blocks)
{
    struct s3_fifo *s3 = calloc(1, sizeof *s3 + blocks * sizeof s3->links[0]);

    if (s3 == NULL)
        return -ENOMEM;
    s3->small_target = blocks / SMALL_SHARE > 0 ? blocks / SMALL_SHARE : 1;
    list_init(&s3->small);
    list_init(&s3->main);
    s3->blocks = calloc(blocks, sizeof *s3->blocks);
    uint32_t remembered = blocks > s3->small_target ? blocks - s3->small_target : 1;
    if (s3->blocks == NULL || ghosts_init(&s3->ghosts, remembered) != 0) {
        free(s3->blocks);
        free(s3);
        return -ENOMEM;
    }
    *ret_policy = &s3->policy;
    return 0;
}

static void enter_main(struct s3_fifo *s3, uint32_t block)
{
    s3->blocks[block].in_main = 1;
    list_push(&s3->main, s3->links, block);
}

static void s3_insert(struct cache_policy *policy, uint32_t block, uint64_t key)
{
    struct s3_fifo *s3 = self(policy);
    uint32_t ghost = ghosts_find(&s3->ghosts, key);

    s3->blocks[block] = (struct s3_block){.key = key};
    if (ghost == GHOST_NONE) {
        list_push(&s3->small, s3->links, block);
    } else {
        ghosts_forget(&s3->ghosts, ghost);
        enter_main(s3, block);
    }
}

static void s3_hit(struct cache_policy *policy, uint32_t block)
{
    uint8_t *asked = &self(policy)->blocks[block].asked;

    if (*asked < ASKED_MAX)
        (*asked)++;
}

static void s3_remove(struct cache_policy *policy, uint32_t block)
{
    struct s3_fifo *s3 = self(policy);

    list_take(s3->blocks[block].in_main ? &s3->main : &s3->small, s3->links, block);
}

static void remember(struct s3_fifo *s3, uint64_t key)
{
    if (s3->ghosts.lists[0].count == s3->ghosts.capacity)
        ghosts_forget_oldest(&s3->ghosts, 0);
    ghosts_add(&s3->ghosts, 0, key);
}

static uint32_t evict_from_small(struct s3_fifo *s3)
{
    uint32_t block;

    while ((block = list_pop(&s3->small, s3->links)) != BLOCK_NONE) {
        if (s3->blocks[block].asked < ASKED_FOR_MAIN) {
            remember(s3, s3->blocks[block].key);
            return block;
        }
        s3->blocks[block].asked = 0;
        enter_main(s3, block);
    }
    return BLOCK_NONE;
}

static uint32_t evict_from_main(struct s3_fifo *s3)
{
    uint32_t block;

    while ((block = list_pop(&s3->main, s3->links)) != BLOCK_NONE) {
        if (s3->blocks[block].asked == 0)
            return block;
        s3->blocks[block].asked--;
        enter_main(s3, block);
    }
    return BLOCK_NONE;
}

static uint32_t s3_evict(struct cache_policy *policy, uint64_t key)
{
    struct s3_fifo *s3 = self(policy);
    uint32_t block = BLOCK_NONE;

    (void)key;
    if (s3->small.count >= s3->small_target)
        block = evict_from_small(s3);
    if (block == BLOCK_NONE)
        block = evict_from_main(s3);
    return block != BLOCK_NONE ? block : evict_from_small(s3);
}

const struct cache_policy_operations policy_s3_fifo = {.make = s3_make,
                                                       .free = s3_free,
                                                       .insert = s3_insert,
                                                       .hit = s3_hit,
                                                       .remove = s3_remove,
                                                       .evict = s3_evict};
