/*
 * Between the payload of a command and the blocks of the cache: looking up, copying out, taking in.
 * Only the copying touches payload; where its pieces lie is the payload's shape (path/payload.h).
 */
#include <assert.h>
#include <string.h>

#include "controller/cache/cache.h"
#include "controller/controller.h"

/* A part of a command that lies in one block of its element. */
struct part {
    uint64_t key;
    uint32_t from, bytes;  /* within the block */
    int64_t payload_bytes; /* within the command's range */
};

static struct part part_at(const struct command *command, uint64_t block)
{
    uint64_t start = command->element_offset_bytes, end = start + command->length_bytes;
    uint64_t block_start = block * BLOCK_BYTES, block_end = block_start + BLOCK_BYTES;
    uint64_t from = start > block_start ? start : block_start;
    uint64_t to = end < block_end ? end : block_end;

    return (struct part){.key = key_of(command->element, block),
                         .from = (uint32_t)(from - block_start),
                         .bytes = (uint32_t)(to - from),
                         .payload_bytes = (int64_t)(from - start)};
}

/* A part lies in one piece of the payload: pieces meet at whole blocks. */
static uint8_t *payload_of(const struct command *command, int64_t at_bytes)
{
    uint64_t run_bytes;

    return command->payload + command_place(command, at_bytes, &run_bytes);
}

void cache_expect(struct cache *cache, const struct command *command)
{
    struct block_range range = cache_range(command);

    if (range.end - range.first > 1 && range.end - range.first <= CACHE_RUN_BLOCKS)
        cache_blocks_expect(&cache->blocks, key_of(command->element, range.first),
                            (uint32_t)(range.end - range.first));
}

bool cache_holds_all(struct cache *cache, const struct command *command)
{
    struct block_range range = cache_range(command);

    cache_expect(cache, command);
    for (uint64_t block = range.first; block < range.end; block++)
        if (cache_block_find(&cache->blocks, key_of(command->element, block)) == BLOCK_NONE)
            return false;
    return true;
}

void cache_serve(struct cache *cache, struct command *command)
{
    struct block_range range = cache_range(command);

    for (uint64_t at = range.first; at < range.end; at++) {
        struct part part = part_at(command, at);
        uint32_t block = cache_block_find(&cache->blocks, part.key);
        assert(block != BLOCK_NONE);
        memcpy(payload_of(command, part.payload_bytes),
               cache_block_data(&cache->blocks, block) + part.from, part.bytes);
        cache_block_hit(&cache->blocks, block);
    }
}

/* Bytes of a block that its element has: all but for the last one's tail. */
static uint32_t block_bytes(const struct controller *controller, uint32_t element, uint64_t block)
{
    uint64_t left = controller->elements[element].file.size_bytes - block * BLOCK_BYTES;

    return left < BLOCK_BYTES ? (uint32_t)left : BLOCK_BYTES;
}

/* EXECUTE has read whole blocks around the range: the payload has them, before its first byte and
 * behind its last one too. */
static bool take_in_one(struct controller *controller, struct command *command, uint64_t at)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    uint64_t key = key_of(command->element, at);
    int64_t place_bytes = (int64_t)(at * BLOCK_BYTES) - (int64_t)command->element_offset_bytes;
    uint32_t bytes = block_bytes(controller, command->element, at);

    if (cache_block_find(blocks, key) != BLOCK_NONE)
        return true;
    uint32_t block = cache_block_take(blocks, key);
    if (block == BLOCK_NONE)
        return false;
    uint8_t *data = cache_block_data(blocks, block);
    memcpy(data, payload_of(command, place_bytes), bytes);
    memset(data + bytes, 0, BLOCK_BYTES - bytes);
    cache_block_put_clean(blocks, block, key, command->volume);
    return true;
}

void cache_take_in_read(struct controller *controller, struct command *command)
{
    struct block_range range = cache_range(command);

    for (uint64_t at = range.first; at < range.end; at++)
        if (!take_in_one(controller, command, at))
            return;
}

/* A CLEAN block to be changed, FILLING: itself; or while an answer is sent from it, a copy, for
 * which there may be no block: then the cache has none of it. */
static uint32_t open_clean(struct cache_blocks *blocks, uint32_t old, uint64_t key)
{
    if (!cache_block_is_pinned(blocks, old)) {
        cache_block_reopen(blocks, old);
        return old;
    }
    cache_block_drop(blocks, old); /* what was in it stays there until it is unpinned */
    uint32_t block = cache_block_take(blocks, key);
    if (block != BLOCK_NONE)
        memcpy(cache_block_data(blocks, block), cache_block_data(blocks, old), BLOCK_BYTES);
    return block;
}

/* What the element has now of one block that was written through. A part of a block that the cache
 * does not hold is not taken in. */
static bool take_in_written(struct controller *controller, struct command *command, uint64_t at)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    struct part part = part_at(command, at);
    uint32_t block = cache_block_find(blocks, part.key);
    uint32_t whole = block_bytes(controller, command->element, at);

    if (block != BLOCK_NONE) {
        block = open_clean(blocks, block, part.key);
        if (block == BLOCK_NONE)
            return false;
    } else {
        if (part.bytes != whole)
            return true;
        block = cache_block_take(blocks, part.key);
        if (block == BLOCK_NONE)
            return false;
        memset(cache_block_data(blocks, block) + whole, 0, BLOCK_BYTES - whole);
    }
    memcpy(cache_block_data(blocks, block) + part.from, payload_of(command, part.payload_bytes),
           part.bytes);
    cache_block_put_clean(blocks, block, part.key, command->volume);
    return true;
}

void cache_take_in_write(struct controller *controller, struct command *command)
{
    struct block_range range = cache_range(command);

    for (uint64_t at = range.first; at < range.end; at++)
        if (!take_in_written(controller, command, at))
            return;
}

static void drop_key(struct cache_blocks *blocks, uint64_t key)
{
    uint32_t block = cache_block_find(blocks, key);

    if (block != BLOCK_NONE)
        cache_block_drop(blocks, block);
}

/* A range may be longer than the cache: then its blocks are looked at instead. */
static void drop_where_inside(struct cache_blocks *blocks, uint32_t element,
                              struct block_range range)
{
    for (uint32_t block = 0; block < blocks->region.blocks; block++) {
        uint64_t key = cache_block_key(blocks, block);
        if (blocks->all[block].state == CACHE_CLEAN && key_element(key) == element &&
            key_block(key) >= range.first && key_block(key) < range.end)
            cache_block_drop(blocks, block);
    }
}

void cache_drop_range(struct controller *controller, struct command *command)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    struct block_range range = cache_range(command);

    if (range.end - range.first > blocks->region.blocks) {
        drop_where_inside(blocks, command->element, range);
        return;
    }
    for (uint64_t at = range.first; at < range.end; at++)
        drop_key(blocks, key_of(command->element, at));
}

/* A block to write a part into, with what is around the part; it is FILLING. What is dirty is not
 * changed in place: until the new one is published, the old one must be whole. */
static uint32_t block_for(struct controller *controller, const struct part *part, uint32_t whole)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    uint32_t old = cache_block_find(blocks, part->key);

    if (old != BLOCK_NONE && !cache_block_is_dirty(blocks, old)) {
        uint32_t opened = open_clean(blocks, old, part->key);
        assert(opened != BLOCK_NONE); /* as below */
        return opened;
    }
    uint32_t block = cache_block_take(blocks, part->key);
    assert(block != BLOCK_NONE); /* a quarter of all is neither dirty nor reserved */
    uint8_t *data = cache_block_data(blocks, block);
    if (old != BLOCK_NONE && part->bytes != whole)
        memcpy(data, cache_block_data(blocks, old), BLOCK_BYTES);
    else
        memset(data + whole, 0, BLOCK_BYTES - whole);
    return block;
}

static void put_dirty_one(struct controller *controller, struct command *command, uint64_t at)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    struct part part = part_at(command, at);
    uint32_t whole = block_bytes(controller, command->element, at);
    uint32_t block = block_for(controller, &part, whole);

    memcpy(cache_block_data(blocks, block) + part.from, payload_of(command, part.payload_bytes),
           part.bytes);
    cache_block_put_dirty(blocks, block, part.key, command->volume);
}

/* The last block first if it is clean: a block that is taken for one in front of it might else be
 * just that, and what stands behind the written part would be lost. The first one is safe, for
 * nothing is taken before its turn. */
void cache_put_dirty_range(struct controller *controller, struct command *command)
{
    struct cache_blocks *blocks = &controller->cache->blocks;
    struct block_range range = cache_range(command);

    cache_expect(controller->cache, command);
    uint32_t last = cache_block_find(blocks, key_of(command->element, range.end - 1));

    if (last != BLOCK_NONE && !cache_block_is_dirty(blocks, last))
        put_dirty_one(controller, command, --range.end);
    for (uint64_t at = range.first; at < range.end; at++)
        put_dirty_one(controller, command, at);
}
