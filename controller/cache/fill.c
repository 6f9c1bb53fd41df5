/*
 * Fills: blocks that are read into the cache itself. Those of which a write in write-back mode
 * covers a part, and those that a sequential reader will ask for next.
 */
#include <assert.h>
#include <string.h>

#include "controller/cache/cache.h"
#include "controller/controller.h"

static void start_fill(struct controller *controller, struct command *own, uint32_t count,
                       uint8_t kind)
{
    own->op = COMMAND_READ;
    own->cache.kind = kind;
    own->cache.blocks_count = count;
    cache_own_start(controller, own);
}

/* The element's tail ends within its last block. */
static void clear_tail(struct cache *cache, const struct command *own, const uint32_t *run)
{
    uint32_t bytes = (uint32_t)(own->length_bytes % BLOCK_BYTES);
    uint8_t *last = cache_block_data(&cache->blocks, run[own->cache.blocks_count - 1]);

    if (bytes != 0)
        memset(last + bytes, 0, BLOCK_BYTES - bytes);
}

static void put_run(struct controller *controller, struct command *own)
{
    struct cache *cache = controller->cache;
    const uint32_t *run = cache_own_run(cache, own);
    uint64_t first = own->element_offset_bytes / BLOCK_BYTES;
    bool ahead = own->cache.kind == OWN_READ_AHEAD;

    if (own->status == 0)
        clear_tail(cache, own, run);
    for (uint32_t i = 0; i < own->cache.blocks_count; i++) {
        if (own->status != 0) {
            cache_block_give(&cache->blocks, run[i]);
            continue;
        }
        cache_block_put_clean(&cache->blocks, run[i], key_of(own->element, first + i),
                              own->cache.volume);
        cache->blocks.all[run[i]].shown = ahead;
    }
}

void fill_ended(struct controller *controller, struct command *own)
{
    struct command *parent = own->owner;
    int32_t status = own->status;

    put_run(controller, own);
    controller->cache->busy--;
    if (own->cache.kind == OWN_READ_AHEAD)
        controller->cache->ahead_blocks -= own->cache.blocks_count;
    cache_leave_gate(controller, own);
    cache_own_free(controller, own);
    if (parent != NULL)
        cache_parent_told(controller, parent, status);
}

/* --- edges --- */

static bool fill_one(struct controller *controller, struct command *command, uint64_t at)
{
    struct cache *cache = controller->cache;
    uint64_t key = key_of(command->element, at);
    struct command *own = cache_own_take(controller, command->element, at, 1);

    if (own == NULL)
        return false;
    uint32_t block = cache_block_take(&cache->blocks, key);
    assert(block != BLOCK_NONE); /* a quarter of all is neither dirty nor reserved */
    cache_own_run(cache, own)[0] = block;
    own->owner = command;
    own->volume = own->cache.volume = command->volume;
    command->cache.outstanding++;
    start_fill(controller, own, 1, OWN_FILL);
    return true;
}

static bool is_missing(const struct cache *cache, const struct command *command, uint64_t at)
{
    return cache_block_find(&cache->blocks, key_of(command->element, at)) == BLOCK_NONE;
}

/* The blocks of which a command writes a part, as far as they are not in the cache. */
struct edges {
    bool first, last;
};

static struct edges missing_edges(struct controller *controller, const struct command *command)
{
    const struct cache *cache = controller->cache;
    struct block_range range = cache_range(command);
    uint64_t end = command->element_offset_bytes + command->length_bytes;
    uint64_t size = controller->elements[command->element].file.size_bytes;
    bool first = command->element_offset_bytes % BLOCK_BYTES != 0;
    bool last = end % BLOCK_BYTES != 0 && end != size;

    if (range.end - range.first == 1 && last)
        first = true, last = false;
    return (struct edges){.first = first && is_missing(cache, command, range.first),
                          .last = last && is_missing(cache, command, range.end - 1)};
}

/* False: no command was free. */
static bool start_edges(struct controller *controller, struct command *command, struct edges edges)
{
    struct block_range range = cache_range(command);
    bool started = true;

    command->cache.starting = true;
    if (edges.first)
        started = fill_one(controller, command, range.first);
    if (edges.last && started)
        started = fill_one(controller, command, range.end - 1);
    command->cache.starting = false;
    return started;
}

/* A block that is taken for one edge may be just the other, which was there: they are looked at
 * again after each filling, also where that ended at once. */
bool fill_edges(struct controller *controller, struct command *command)
{
    struct edges edges = missing_edges(controller, command);
    bool started = true;

    while (command->cache.status == 0 && started && (edges.first || edges.last)) {
        started = start_edges(controller, command, edges);
        if (command->cache.outstanding > 0)
            return false;
        edges = missing_edges(controller, command);
    }
    if (started || command->cache.status != 0)
        return true;
    command_queue_push(&controller->cache->own_waiters, command);
    return false;
}

/* --- read-ahead --- */

/* Up to where the volume reaches on its element. */
static uint64_t volume_end_bytes(const struct controller *controller, const struct command *command)
{
    const struct volume_record *volume = segment_volume(&controller->segment, command->volume);
    uint64_t size_bytes = controller->elements[command->element].file.size_bytes;
    uint64_t end_bytes = volume->offset_bytes + volume->size_bytes;

    return end_bytes < size_bytes ? end_bytes : size_bytes;
}

static uint32_t missing_run(const struct cache *cache, const struct command *command,
                            uint64_t first, uint64_t end)
{
    uint32_t count = 0;

    while (count < CACHE_RUN_BLOCKS && first + count < end &&
           is_missing(cache, command, first + count))
        count++;
    return count;
}

/* Takes up to `count` blocks; those that are free or may go. */
static uint32_t take_blocks(struct cache *cache, uint32_t *run, uint64_t key, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        run[i] = cache_block_take(&cache->blocks, key + i);
        if (run[i] == BLOCK_NONE)
            return i;
    }
    return count;
}

/* Begins to bring blocks from `first` on; how many. */
static uint32_t bring(struct controller *controller, const struct command *command, uint64_t first,
                      uint32_t count)
{
    struct cache *cache = controller->cache;
    uint32_t share = cache->blocks.region.blocks / CACHE_AHEAD_SHARE;

    if (cache->ahead_blocks >= share)
        return 0;
    if (count > share - cache->ahead_blocks)
        count = share - cache->ahead_blocks;
    struct command *own = cache_own_take(controller, command->element, first, count);
    if (own == NULL)
        return 0;
    own->volume = own->cache.volume = command->volume;
    if (!gate_try_enter(&controller->elements[command->element].gate, own)) {
        cache_own_free(controller, own);
        return 0;
    }
    uint32_t *run = cache_own_run(cache, own);
    uint32_t taken = take_blocks(cache, run, key_of(command->element, first), count);
    if (taken < count) { /* everything is dirty or on its way: no time to read ahead */
        while (taken > 0)
            cache_block_give(&cache->blocks, run[--taken]);
        cache_leave_gate(controller, own);
        cache_own_free(controller, own);
        return 0;
    }
    cache->ahead_blocks += count;
    count_up(&cache_counters_of(controller, command->volume)->read_ahead, count);
    start_fill(controller, own, count, OWN_READ_AHEAD);
    return count;
}

/* What is missing in [from, to), as far as it can be done now. Returns up to where it was. */
static uint64_t bring_range(struct controller *controller, const struct command *command,
                            uint64_t from, uint64_t to)
{
    while (from < to) {
        uint32_t missing = missing_run(controller->cache, command, from, to);
        uint32_t brought = missing > 0 ? bring(controller, command, from, missing) : 1;
        if (brought == 0)
            return from;
        from += brought;
    }
    return from;
}

static struct read_stream *find_stream(struct controller *controller, const struct command *command)
{
    struct cached_element *element = cache_element(controller, command->element);

    for (uint32_t i = 0; i < CACHE_STREAMS; i++)
        if (element->streams[i].next_bytes == command->element_offset_bytes)
            return &element->streams[i];
    struct read_stream *stream = &element->streams[element->next_stream++ % CACHE_STREAMS];
    *stream = (struct read_stream){0};
    return stream;
}

void read_ahead(struct controller *controller, const struct command *command)
{
    struct read_stream *stream = find_stream(controller, command);
    uint64_t end = volume_end_bytes(controller, command);

    stream->next_bytes = command->element_offset_bytes + command->length_bytes;
    stream->run_bytes += command->length_bytes;
    /* The first two of a run are chance; long ones keep the element busy by themselves. */
    if (stream->run_bytes < 3 * command->length_bytes ||
        command->length_bytes > CACHE_AHEAD_COMMAND_BYTES)
        return;
    uint64_t from = stream->ahead_bytes, to = stream->next_bytes + CACHE_AHEAD_BYTES;
    if (from < stream->next_bytes)
        from = stream->next_bytes;
    if (to > end)
        to = end;
    if (from >= to || (to != end && to - from < CACHE_AHEAD_BYTES / 2)) /* not in small pieces */
        return;
    stream->ahead_bytes = BLOCK_BYTES * bring_range(controller, command, from / BLOCK_BYTES,
                                                    (to + BLOCK_BYTES - 1) / BLOCK_BYTES);
}

bool read_ahead_is_scan(struct controller *controller, const struct command *command)
{
    const struct cached_element *element = cache_element(controller, command->element);
    uint64_t cache_bytes = controller->segment.geometry.cache_bytes;

    for (uint32_t i = 0; i < CACHE_STREAMS; i++) {
        const struct read_stream *stream = &element->streams[i];
        if (stream->next_bytes == command->element_offset_bytes + command->length_bytes)
            return stream->run_bytes > cache_bytes;
    }
    return false;
}

void read_ahead_range(struct controller *controller, const struct command *command)
{
    struct block_range range = cache_range(command);

    (void)bring_range(controller, command, range.first, range.end);
}
