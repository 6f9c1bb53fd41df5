/*
 * The blocks of a cache: what is in them, which are dirty, and which goes when room is needed. No
 * I/O and no commands: those are in cache.h. The blocks and their headers lie in the cache region
 * (shm/cache_region.h); all else is private memory, taken at start.
 *
 *                 take                 put_clean
 *       FREE ------------> FILLING ------------------> CLEAN
 *        ^  ^               |   ^  |                   |  ^ |
 *        |  +---------------+   |  |      reopen       |  | |
 *        |       give           +--|-------------------+  | |
 *        |                         |                      | |
 *        |                         |  put_dirty           | written
 *        |                         +-----------> DIRTY ---+ |
 *        |                                                  |
 *        +--------------------------------------------------+
 *              drop; or evicted, by take
 *
 * Invariants
 *  1. A key is in the index for at most one block; that one is CLEAN or DIRTY.
 *  2. Exactly the CLEAN blocks are in the policy, so exactly they may be evicted.
 *  3. Exactly the DIRTY ones are on the dirty list of their element, in the order in which they
 *     became dirty. What replaces a dirty block takes its place there, for the place says since
 *     when the element lacks something.
 *  4. A DIRTY block becomes CLEAN when it has been written back, and is never dropped otherwise,
 * but when its element is replaced by an empty one.
 *  5. The memory of a block that is pinned does not change. It may become FREE all the same, when
 *     what it held goes; then it enters the free list with its last unpinning.
 */
#ifndef CONTROLLER_CACHE_BLOCKS_H
#define CONTROLLER_CACHE_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/cache/index.h"
#include "controller/cache/lists.h"
#include "controller/cache/policy.h"
#include "shm/cache_region.h"
#include "shm/segment.h"

/* Private, beside the header. */
struct cache_block {
    uint64_t dirty_number; /* DIRTY: how many became dirty before it */
    uint32_t volume;       /* by which it came, for the counters */
    uint8_t state;         /* enum cache_state */
    bool in_write_back;
    bool asked;    /* while it was dirty: the policy hears of it later */
    bool shown;    /* brought by read-ahead, and not asked for yet */
    uint16_t pins; /* answers that are sent from it */
};

struct cache_blocks {
    struct cache_region region;
    const struct segment *segment; /* for the volumes' counters; NULL: nothing is counted */
    uint16_t epoch;
    struct block_index index;
    struct cache_policy *policy;
    struct cache_block *all;
    struct block_links *links; /* of the free list and the dirty lists */
    struct block_list free;
    struct block_list *dirty; /* by element */
    uint32_t elements;
    uint32_t dirty_count;
    uint64_t dirty_number; /* of the next that becomes dirty */
};

struct cache_blocks_wanted {
    struct cache_region region;
    const struct segment *segment;
    uint16_t epoch; /* the owner's */
    enum cache_policy_kind policy;
    uint32_t elements;
};

/* Adopts what is dirty in the region, of which the caller is the owner now; nothing, in a new one.
 * A clean block is not adopted: its element may have been written to by a command that the former
 * owner did not live to see the end of. 0, -ENOMEM or -EINVAL. */
int cache_blocks_init(struct cache_blocks *blocks, const struct cache_blocks_wanted *wanted);
void cache_blocks_done(struct cache_blocks *blocks);

static inline uint8_t *cache_block_data(const struct cache_blocks *blocks, uint32_t block)
{
    return cache_region_block(&blocks->region, block);
}

static inline uint64_t cache_block_key(const struct cache_blocks *blocks, uint32_t block)
{
    return index_key(&blocks->index, block);
}

/* The block that holds `key`, or BLOCK_NONE. */
static inline uint32_t cache_block_find(const struct cache_blocks *blocks, uint64_t key)
{
    return index_find(&blocks->index, key);
}

/* What is known of these blocks will be asked for: fetches it side by side, for one after the other
 * each would wait for memory several times. */
void cache_blocks_expect(const struct cache_blocks *blocks, uint64_t first_key, uint32_t count);

static inline bool cache_block_is_dirty(const struct cache_blocks *blocks, uint32_t block)
{
    return blocks->all[block].state == CACHE_DIRTY;
}

/* It was asked for. */
void cache_block_hit(struct cache_blocks *blocks, uint32_t block);

/* A block to be filled for `key`: a free one, or one that is evicted. BLOCK_NONE: all are dirty or
 * being filled. The caller puts it or gives it back. */
uint32_t cache_block_take(struct cache_blocks *blocks, uint64_t key);
void cache_block_give(struct cache_blocks *blocks, uint32_t block);

/* Keeps the memory of a CLEAN or DIRTY block as it is, until it is unpinned as often. */
void cache_block_pin(struct cache_blocks *blocks, uint32_t block);
void cache_block_unpin(struct cache_blocks *blocks, uint32_t block);

static inline bool cache_block_is_pinned(const struct cache_blocks *blocks, uint32_t block)
{
    return blocks->all[block].pins > 0;
}

/* Takes a CLEAN block out, which is not pinned, to be changed and put again. */
void cache_block_reopen(struct cache_blocks *blocks, uint32_t block);

/* A FILLING block is filled; no other block holds `key`. */
void cache_block_put_clean(struct cache_blocks *blocks, uint32_t block, uint64_t key,
                           uint32_t volume);

/* The same, with what the element does not have yet. Whatever held `key` before goes. */
void cache_block_put_dirty(struct cache_blocks *blocks, uint32_t block, uint64_t key,
                           uint32_t volume);

/* A DIRTY block is on its element. */
void cache_block_written(struct cache_blocks *blocks, uint32_t block);

/* A CLEAN block goes: its element holds something else. */
void cache_block_drop(struct cache_blocks *blocks, uint32_t block);

/* All blocks of an element go, also the DIRTY ones: the element itself is gone. */
void cache_blocks_forget(struct cache_blocks *blocks, uint32_t element);

/* The one of an element that is dirty longest, or BLOCK_NONE; and the next one. */
uint32_t cache_block_first_dirty(const struct cache_blocks *blocks, uint32_t element);
uint32_t cache_block_next_dirty(const struct cache_blocks *blocks, uint32_t block);

/* Walks all bookkeeping and aborts where an invariant is broken; for tests. */
void cache_blocks_validate(const struct cache_blocks *blocks);

#endif
