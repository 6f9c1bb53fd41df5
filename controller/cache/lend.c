#include "controller/cache/lend.h"

#include <assert.h>
#include <string.h>

#include "controller/cache/cache.h"
#include "controller/controller.h"
#include "controller/path/virtual.h"

enum {
    LENT_SHARE = 4,   /* of what may be dirty, one in so many waits for its payload at most */
    PINNED_SHARE = 16 /* of all blocks, one in so many is pinned at most */
};

/* Each host command has room to name the blocks of one run. */
static uint32_t *list_of(struct controller *controller, const struct command *command)
{
    return controller->cache->payloads[command - controller->commands];
}

static void name_payload(struct controller *controller, struct command *command, uint32_t count)
{
    const struct cache_region *region = &controller->cache->blocks.region;

    command->cache.blocks = list_of(controller, command);
    command->cache.blocks_count = count;
    command->payload = region->memory;
    command->payload_offset_bytes = (uint64_t)(region->memory - controller->segment.base);
}

/* --- writes --- */

static bool is_whole(uint64_t offset_bytes, uint64_t length_bytes)
{
    return (offset_bytes | length_bytes) % BLOCK_BYTES == 0 && length_bytes > 0 &&
           length_bytes <= (uint64_t)CACHE_RUN_BLOCKS * BLOCK_BYTES;
}

/* A host that stops in the middle of its payload keeps what it was lent: others go on without. */
static bool has_blocks(const struct cache *cache, uint32_t count)
{
    return cache->lent_blocks + count <= cache->dirty_limit / LENT_SHARE;
}

static bool has_room(const struct cache *cache, uint32_t count)
{
    return cache->room_waiters.head == NULL &&
           cache->blocks.dirty_count + cache->reserved + count <= cache->dirty_limit;
}

/* Written through, its blocks become clean when the element has them, and need no room. In the
 * other mode a write that may not become dirty is rare. */
static bool is_wanted(const struct cache *cache, uint32_t count, uint8_t flags)
{
    if (cache->mode == CACHE_WRITE_THROUGH)
        return has_blocks(cache, count);
    return cache->mode == CACHE_WRITE_BACK && !cache->write_back.stopping &&
           (flags & COMMAND_FUA) == 0 && has_blocks(cache, count) && has_room(cache, count);
}

static bool takes_writes(struct controller *controller, uint32_t index, uint64_t offset_bytes)
{
    const struct owned_element *element = &controller->elements[index];

    return element->cached && !element->file.read_only && offset_bytes % BLOCK_BYTES == 0 &&
           /* relaxed: this controller is the state's only writer. */
           load_relaxed(&element->record->state) == ELEMENT_ONLINE;
}

bool cache_lends(struct controller *controller, uint32_t volume, uint64_t offset_bytes,
                 uint64_t length_bytes, uint8_t flags, struct mapping_place *ret_place)
{
    const struct cache *cache = controller->cache;

    if (cache == NULL || !is_whole(offset_bytes, length_bytes) ||
        !is_wanted(cache, (uint32_t)(length_bytes / BLOCK_BYTES), flags) ||
        virtual_find(controller, volume) != NULL)
        return false;
    return mapping_resolve(&controller->segment, volume, offset_bytes, length_bytes, ret_place) ==
               0 &&
           ret_place->owner == controller->id &&
           takes_writes(controller, ret_place->element, ret_place->element_offset_bytes);
}

void cache_lend(struct controller *controller, struct command *command,
                const struct mapping_place *place)
{
    struct cache *cache = controller->cache;
    uint64_t key = key_of(place->element, place->element_offset_bytes / BLOCK_BYTES);
    uint32_t count = (uint32_t)(command->length_bytes / BLOCK_BYTES);
    uint32_t *list = list_of(controller, command);

    assert(!command->has_buffer && count <= CACHE_RUN_BLOCKS);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = cache_block_take(&cache->blocks, key + i);
        assert(list[i] != BLOCK_NONE); /* a quarter of all is neither dirty nor reserved */
    }
    command->cache = (struct command_cache){.lends = CACHE_LENDS_BLOCKS};
    if (cache->mode == CACHE_WRITE_BACK)
        command->cache.reserved = count;
    command->element_offset_bytes = place->element_offset_bytes;
    name_payload(controller, command, count);
    cache->reserved += command->cache.reserved;
    cache->lent_blocks += count;
}

static void put_clean(struct cache_blocks *blocks, uint32_t block, uint64_t key, uint32_t volume)
{
    uint32_t old = cache_block_find(blocks, key);

    if (old != BLOCK_NONE) /* clean: nothing is written through over what is dirty */
        cache_block_drop(blocks, old);
    cache_block_put_clean(blocks, block, key, volume);
}

void cache_put_lent(struct controller *controller, struct command *command, bool dirty)
{
    struct cache *cache = controller->cache;
    struct block_range range = cache_range(command);

    assert(command->cache.blocks_count == range.end - range.first);
    cache_expect(cache, command);
    /* Downwards: what they take the place of is free then, and taken upwards by the next write. */
    for (uint32_t i = command->cache.blocks_count; i-- > 0;) {
        uint64_t key = key_of(command->element, range.first + i);
        if (dirty)
            cache_block_put_dirty(&cache->blocks, command->cache.blocks[i], key, command->volume);
        else
            put_clean(&cache->blocks, command->cache.blocks[i], key, command->volume);
    }
    cache->lent_blocks -= command->cache.blocks_count;
    command->cache.lends = CACHE_LENDS_NOTHING;
    command->cache.blocks = NULL;
}

static void take_back_blocks(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    for (uint32_t i = 0; i < command->cache.blocks_count; i++)
        cache_block_give(&cache->blocks, command->cache.blocks[i]);
    cache->lent_blocks -= command->cache.blocks_count;
    if (command->cache.reserved == 0)
        return;
    cache->reserved -= command->cache.reserved;
    command->cache.reserved = 0;
    write_back_wake_room_waiters(controller);
}

bool cache_unlend(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    if (pool_take(controller->pool, command->length_bytes, &command->buffer_offset_bytes) != 0)
        return false;
    command->has_buffer = true;
    command->payload_offset_bytes = controller->pool_offset_bytes + command->buffer_offset_bytes;
    command->payload = controller->segment.base + command->payload_offset_bytes;
    for (uint32_t i = 0; i < command->cache.blocks_count; i++)
        memcpy(command->payload + (uint64_t)i * BLOCK_BYTES,
               cache_block_data(&cache->blocks, command->cache.blocks[i]), BLOCK_BYTES);
    cache_take_back(controller, command);
    return true;
}

/* --- reads --- */

bool cache_pin(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;
    struct block_range range = cache_range(command);
    uint32_t count = (uint32_t)(range.end - range.first);

    if (!command->origin->finds || command->virtual != NULL || count > CACHE_RUN_BLOCKS ||
        cache->pinned_blocks + count > cache->blocks.region.blocks / PINNED_SHARE)
        return false;
    uint32_t *list = list_of(controller, command);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = cache_block_find(&cache->blocks, key_of(command->element, range.first + i));
        assert(list[i] != BLOCK_NONE);
        cache_block_hit(&cache->blocks, list[i]);
        cache_block_pin(&cache->blocks, list[i]);
        /* Its first word decides how it is sent (hostif/answer.c): at the end of the turn. */
        __builtin_prefetch(cache_block_data(&cache->blocks, list[i]));
    }
    cache->pinned_blocks += count;
    command->cache.lends = CACHE_LENDS_PINNED;
    name_payload(controller, command, count);
    return true;
}

static void unpin(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    for (uint32_t i = 0; i < command->cache.blocks_count; i++)
        cache_block_unpin(&cache->blocks, command->cache.blocks[i]);
    cache->pinned_blocks -= command->cache.blocks_count;
}

void cache_take_back(struct controller *controller, struct command *command)
{
    enum cache_lends lends = (enum cache_lends)command->cache.lends;

    command->cache.lends = CACHE_LENDS_NOTHING;
    if (lends == CACHE_LENDS_BLOCKS)
        take_back_blocks(controller, command);
    else if (lends == CACHE_LENDS_PINNED)
        unpin(controller, command);
    command->cache.blocks = NULL;
}
