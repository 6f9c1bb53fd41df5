#include "shm/cache_region.h"

#include <assert.h>

#include "shm/crash_point.h"

static uint64_t header_bytes(uint64_t cache_bytes)
{
    uint64_t bytes = cache_bytes / BLOCK_BYTES * sizeof(struct cache_header);

    return (bytes + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1);
}

uint64_t cache_region_bytes(uint64_t cache_bytes)
{
    return header_bytes(cache_bytes) + cache_bytes;
}

struct cache_region cache_region_at(uint8_t *start, uint64_t cache_bytes)
{
    return (struct cache_region){.headers = (struct cache_header *)(void *)start,
                                 .memory = start + header_bytes(cache_bytes),
                                 .blocks = (uint32_t)(cache_bytes / BLOCK_BYTES)};
}

static uint64_t word_pack(const struct cache_entry *entry)
{
    return (uint64_t)entry->epoch << 32 | (uint64_t)entry->element << 16 | (uint64_t)entry->state;
}

static enum cache_state state_of(uint64_t word)
{
    return (enum cache_state)(word & 0xffff);
}

static uint32_t element_of(uint64_t word)
{
    return (uint32_t)(word >> 16) & 0xffff;
}

void cache_region_open(const struct cache_region *region, uint32_t index)
{
    struct cache_header *header = &region->headers[index];

    /* relaxed: we are its only writer */
    assert(state_of(load_relaxed(&header->word)) != CACHE_DIRTY);
    CRASH_POINT("cache.open");
    store_relaxed(&header->word, (uint64_t)CACHE_FILLING); /* relaxed: read after our end only */
    order_of_program(); /* what is stored behind it does not come before it */
    CRASH_POINT("cache.opened");
}

void cache_region_publish(const struct cache_region *region, uint32_t index, uint32_t element,
                          uint64_t block, uint16_t epoch, enum cache_state state)
{
    struct cache_header *header = &region->headers[index];
    const struct cache_entry entry = {.state = state, .epoch = epoch, .element = element};

    /* relaxed: we are its only writer */
    assert(state_of(load_relaxed(&header->word)) == CACHE_FILLING);
    CRASH_POINT("cache.filled");
    store_relaxed(&header->block, block); /* relaxed: published with the word */
    CRASH_POINT("cache.keyed");
    /* pairs with cache_region_adopt: the block and its number are there. */
    store_release(&header->word, word_pack(&entry));
    CRASH_POINT("cache.published");
}

void cache_region_clean(const struct cache_region *region, uint32_t index)
{
    struct cache_header *header = &region->headers[index];
    uint64_t word = load_relaxed(&header->word); /* relaxed: we are its only writer */

    assert(state_of(word) == CACHE_DIRTY);
    CRASH_POINT("cache.written_back");
    /* pairs with cache_region_adopt; nothing but the state changes. */
    store_release(&header->word, (word & ~0xffffull) | CACHE_CLEAN);
    CRASH_POINT("cache.clean");
}

void cache_region_close(const struct cache_region *region, uint32_t index)
{
    CRASH_POINT("cache.close");
    /* pairs with cache_region_adopt: what was published instead of it is there. */
    store_release(&region->headers[index].word, (uint64_t)CACHE_FREE);
    CRASH_POINT("cache.closed");
}

bool cache_region_adopt(const struct cache_region *region, uint32_t index,
                        struct cache_entry *ret_entry)
{
    if (cache_region_look(region, index, ret_entry))
        return true;
    /* relaxed: its owner has ended, and we are its only writer */
    if (state_of(load_relaxed(&region->headers[index].word)) != CACHE_FREE)
        cache_region_close(region, index);
    return false;
}

bool cache_region_look(const struct cache_region *region, uint32_t index,
                       struct cache_entry *ret_entry)
{
    struct cache_header *header = &region->headers[index];
    /* pairs with cache_region_publish: the block and its number are there */
    uint64_t word = load_acquire(&header->word);
    enum cache_state state = state_of(word);

    if (state != CACHE_CLEAN && state != CACHE_DIRTY)
        return false;
    *ret_entry = (struct cache_entry){.state = state,
                                      .epoch = (uint16_t)(word >> 32),
                                      .element = element_of(word),
                                      /* relaxed: written before the word, loaded with acquire */
                                      .block = load_relaxed(&header->block)};
    return true;
}

bool cache_region_has_dirty(const struct cache_region *region, uint32_t element)
{
    for (uint32_t index = 0; index < region->blocks; index++) {
        /* pairs with cache_region_publish; only the word is looked at */
        uint64_t word = load_acquire(&region->headers[index].word);
        if (state_of(word) == CACHE_DIRTY && element_of(word) == element)
            return true;
    }
    return false;
}
