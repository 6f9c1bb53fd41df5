#include "controller/cache/blocks.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static struct cache_counters *counters_of(const struct cache_blocks *blocks, uint32_t volume)
{
    static struct cache_counters nobodys;

    if (blocks->segment == NULL || volume >= blocks->segment->geometry.volumes)
        return &nobodys;
    return &segment_volume(blocks->segment, volume)->cache;
}

static struct cache_counters *counters(const struct cache_blocks *blocks, uint32_t block)
{
    return counters_of(blocks, blocks->all[block].volume);
}

/* --- clean and dirty --- */

static void enter_policy(struct cache_blocks *blocks, uint32_t block, uint64_t key)
{
    blocks->policy->operations->insert(blocks->policy, block, key);
}

static void leave_policy(struct cache_blocks *blocks, uint32_t block)
{
    blocks->policy->operations->remove(blocks->policy, block);
}

static void become_dirty(struct cache_blocks *blocks, uint32_t block, uint64_t key)
{
    blocks->all[block].dirty_number = blocks->dirty_number++;
    list_push(&blocks->dirty[key_element(key)], blocks->links, block);
    blocks->dirty_count++;
}

/* --- starting --- */

static void take_nothing_from(struct cache_blocks *blocks, uint32_t block)
{
    cache_region_close(&blocks->region, block);
    list_push(&blocks->free, blocks->links, block);
}

/* As it stands: whoever adopts may be killed as well. Of two that hold the same, either may go
 * (shm/cache_region.h). */
static void adopt(struct cache_blocks *blocks, uint32_t block, const struct cache_entry *entry)
{
    uint64_t key = key_of(entry->element, entry->block);

    if (cache_block_find(blocks, key) != BLOCK_NONE) {
        take_nothing_from(blocks, block);
        return;
    }
    blocks->all[block] = (struct cache_block){.volume = UINT32_MAX, .state = CACHE_DIRTY};
    index_add(&blocks->index, block, key);
    become_dirty(blocks, block, key);
}

static bool is_plausible(const struct cache_blocks *blocks, const struct cache_entry *entry)
{
    return entry->state == CACHE_DIRTY && entry->element < blocks->elements &&
           entry->block < 1ull << KEY_BLOCK_BITS;
}

static void adopt_all(struct cache_blocks *blocks)
{
    struct cache_entry entry;

    /* Downwards, so that those that are free are taken upwards: neighbours go in one piece. */
    for (uint32_t block = blocks->region.blocks; block-- > 0;) {
        bool whole = cache_region_adopt(&blocks->region, block, &entry);
        if (whole && is_plausible(blocks, &entry))
            adopt(blocks, block, &entry);
        else
            take_nothing_from(blocks, block);
    }
}

int cache_blocks_init(struct cache_blocks *blocks, const struct cache_blocks_wanted *wanted)
{
    uint32_t count = wanted->region.blocks;

    *blocks = (struct cache_blocks){.region = wanted->region,
                                    .segment = wanted->segment,
                                    .epoch = wanted->epoch,
                                    .elements = wanted->elements};
    int error = cache_policy_new(&blocks->policy, wanted->policy, count);
    if (error == 0)
        error = index_init(&blocks->index, count);
    blocks->all = calloc(count, sizeof *blocks->all);
    blocks->links = calloc(count, sizeof *blocks->links);
    blocks->dirty = calloc(wanted->elements, sizeof *blocks->dirty);
    if (error == 0 && (blocks->all == NULL || blocks->links == NULL || blocks->dirty == NULL))
        error = -ENOMEM;
    if (error != 0) {
        cache_blocks_done(blocks);
        return error;
    }
    list_init(&blocks->free);
    for (uint32_t i = 0; i < wanted->elements; i++)
        list_init(&blocks->dirty[i]);
    adopt_all(blocks);
    return 0;
}

void cache_blocks_done(struct cache_blocks *blocks)
{
    cache_policy_free(blocks->policy);
    index_done(&blocks->index);
    free(blocks->all);
    free(blocks->links);
    free(blocks->dirty);
    *blocks = (struct cache_blocks){0};
}

/* --- taking and putting --- */

void cache_blocks_expect(const struct cache_blocks *blocks, uint64_t first_key, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        index_expect(&blocks->index, first_key + i);
    /* Nothing else is done meanwhile, so that the processor looks for several at once. */
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = index_find(&blocks->index, first_key + i);
        if (block == BLOCK_NONE)
            continue;
        __builtin_prefetch(&blocks->all[block], 1);
        __builtin_prefetch(&blocks->links[block], 1);
        __builtin_prefetch(&blocks->region.headers[block], 1);
    }
}

void cache_block_hit(struct cache_blocks *blocks, uint32_t block)
{
    struct cache_block *one = &blocks->all[block];

    if (one->shown) { /* the first time that it is asked for is what it was brought for */
        one->shown = false;
        return;
    }
    if (one->state == CACHE_DIRTY)
        one->asked = true;
    else
        blocks->policy->operations->hit(blocks->policy, block);
}

/* It holds nothing any more. */
static void become_free(struct cache_blocks *blocks, uint32_t block)
{
    cache_region_close(&blocks->region, block);
    blocks->all[block].state = CACHE_FREE;
    if (!cache_block_is_pinned(blocks, block))
        list_push(&blocks->free, blocks->links, block);
}

/* One that is pinned goes as well, but to nobody yet. */
static uint32_t evict(struct cache_blocks *blocks, uint64_t key)
{
    uint32_t block;

    while ((block = blocks->policy->operations->evict(blocks->policy, key)) != BLOCK_NONE) {
        assert(blocks->all[block].state == CACHE_CLEAN);
        count_up(&counters(blocks, block)->evictions, 1);
        index_remove(&blocks->index, block);
        if (!cache_block_is_pinned(blocks, block))
            return block;
        become_free(blocks, block);
    }
    return BLOCK_NONE;
}

uint32_t cache_block_take(struct cache_blocks *blocks, uint64_t key)
{
    uint32_t block = list_pop_newest(&blocks->free, blocks->links);

    if (block == BLOCK_NONE)
        block = evict(blocks, key);
    if (block == BLOCK_NONE)
        return BLOCK_NONE;
    cache_region_open(&blocks->region, block);
    blocks->all[block].state = CACHE_FILLING;
    return block;
}

void cache_block_give(struct cache_blocks *blocks, uint32_t block)
{
    assert(blocks->all[block].state == CACHE_FILLING);
    become_free(blocks, block);
}

void cache_block_pin(struct cache_blocks *blocks, uint32_t block)
{
    struct cache_block *one = &blocks->all[block];

    assert((one->state == CACHE_CLEAN || one->state == CACHE_DIRTY) && one->pins < UINT16_MAX);
    one->pins++;
}

void cache_block_unpin(struct cache_blocks *blocks, uint32_t block)
{
    struct cache_block *one = &blocks->all[block];

    assert(one->pins > 0);
    if (--one->pins == 0 && one->state == CACHE_FREE)
        list_push(&blocks->free, blocks->links, block);
}

static void reopen(struct cache_blocks *blocks, uint32_t block)
{
    assert(blocks->all[block].state == CACHE_CLEAN);
    leave_policy(blocks, block);
    index_remove(&blocks->index, block);
    cache_region_open(&blocks->region, block);
    blocks->all[block].state = CACHE_FILLING;
}

void cache_block_reopen(struct cache_blocks *blocks, uint32_t block)
{
    assert(!cache_block_is_pinned(blocks, block));
    reopen(blocks, block);
}

static void publish(struct cache_blocks *blocks, uint32_t block, uint64_t key, uint32_t volume,
                    enum cache_state state)
{
    struct cache_block *one = &blocks->all[block];

    assert(one->state == CACHE_FILLING);
    cache_region_publish(&blocks->region, block, key_element(key), key_block(key), blocks->epoch,
                         state);
    *one = (struct cache_block){.volume = volume, .state = (uint8_t)state};
}

void cache_block_put_clean(struct cache_blocks *blocks, uint32_t block, uint64_t key,
                           uint32_t volume)
{
    publish(blocks, block, key, volume, CACHE_CLEAN);
    index_add(&blocks->index, block, key);
    enter_policy(blocks, block, key);
}

/* Takes `block` in, in the place of `old`, which is dirty and goes. */
static void replace_dirty(struct cache_blocks *blocks, uint32_t block, uint32_t old)
{
    uint64_t key = cache_block_key(blocks, old);

    blocks->all[block].dirty_number = blocks->all[old].dirty_number;
    blocks->all[block].asked = blocks->all[old].asked;
    list_replace(&blocks->dirty[key_element(key)], blocks->links, old, block);
    count_down(&counters(blocks, old)->dirty, 1);
    index_remove(&blocks->index, old);
    blocks->all[old].state = CACHE_FILLING; /* out of all lists */
    cache_block_give(blocks, old);
}

void cache_block_put_dirty(struct cache_blocks *blocks, uint32_t block, uint64_t key,
                           uint32_t volume)
{
    uint32_t old = cache_block_find(blocks, key);

    if (old != BLOCK_NONE && !cache_block_is_dirty(blocks, old)) {
        cache_block_drop(blocks, old); /* the element has what it holds */
        old = BLOCK_NONE;
    }
    publish(blocks, block, key, volume, CACHE_DIRTY);
    if (old != BLOCK_NONE)
        replace_dirty(blocks, block, old);
    else
        become_dirty(blocks, block, key);
    index_add(&blocks->index, block, key);
    count_up(&counters(blocks, block)->dirty, 1);
}

void cache_block_written(struct cache_blocks *blocks, uint32_t block)
{
    struct cache_block *one = &blocks->all[block];
    uint64_t key = cache_block_key(blocks, block);

    assert(one->state == CACHE_DIRTY);
    cache_region_clean(&blocks->region, block);
    list_take(&blocks->dirty[key_element(key)], blocks->links, block);
    blocks->dirty_count--;
    count_down(&counters(blocks, block)->dirty, 1);
    count_up(&counters(blocks, block)->written_back, 1);
    one->state = CACHE_CLEAN;
    enter_policy(blocks, block, key);
    if (one->asked)
        blocks->policy->operations->hit(blocks->policy, block);
    one->asked = false;
}

void cache_block_drop(struct cache_blocks *blocks, uint32_t block)
{
    reopen(blocks, block);
    cache_block_give(blocks, block);
}

static void forget_dirty(struct cache_blocks *blocks, uint32_t block)
{
    uint64_t key = cache_block_key(blocks, block);

    list_take(&blocks->dirty[key_element(key)], blocks->links, block);
    blocks->dirty_count--;
    count_down(&counters(blocks, block)->dirty, 1);
    index_remove(&blocks->index, block);
    blocks->all[block].state = CACHE_FILLING; /* out of all lists */
    cache_block_give(blocks, block);
}

void cache_blocks_forget(struct cache_blocks *blocks, uint32_t element)
{
    for (uint32_t block = 0; block < blocks->region.blocks; block++) {
        uint8_t state = blocks->all[block].state;
        if ((state != CACHE_CLEAN && state != CACHE_DIRTY) ||
            key_element(cache_block_key(blocks, block)) != element)
            continue;
        if (state == CACHE_DIRTY)
            forget_dirty(blocks, block);
        else
            cache_block_drop(blocks, block);
    }
}

uint32_t cache_block_first_dirty(const struct cache_blocks *blocks, uint32_t element)
{
    return blocks->dirty[element].oldest;
}

uint32_t cache_block_next_dirty(const struct cache_blocks *blocks, uint32_t block)
{
    return blocks->links[block].newer;
}

/* --- validation --- */

void cache_blocks_validate(const struct cache_blocks *blocks)
{
    uint32_t counts[CACHE_DIRTY + 1] = {0}, listed = 0, leaving = 0;

    for (uint32_t block = 0; block < blocks->region.blocks; block++) {
        uint8_t state = blocks->all[block].state;
        assert(state <= CACHE_DIRTY);
        counts[state]++;
        leaving += state == CACHE_FREE && cache_block_is_pinned(blocks, block);
        if (state == CACHE_CLEAN || state == CACHE_DIRTY)
            assert(cache_block_find(blocks, cache_block_key(blocks, block)) == block);
    }
    assert(counts[CACHE_FREE] == blocks->free.count + leaving);
    assert(counts[CACHE_DIRTY] == blocks->dirty_count);
    for (uint32_t element = 0; element < blocks->elements; element++) {
        uint64_t last = 0;
        for (uint32_t block = cache_block_first_dirty(blocks, element); block != BLOCK_NONE;
             block = cache_block_next_dirty(blocks, block)) {
            assert(cache_block_is_dirty(blocks, block));
            assert(key_element(cache_block_key(blocks, block)) == element);
            assert(blocks->all[block].dirty_number >= last);
            last = blocks->all[block].dirty_number;
            listed++;
        }
    }
    assert(listed == blocks->dirty_count);
}
