#include "controller/cache/cache.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "controller/controller.h"

/* --- the cache's own commands --- */

uint32_t *cache_own_run(struct cache *cache, const struct command *own)
{
    return cache->runs[own - cache->own];
}

/* The last block of an element may be shorter. */
static uint64_t run_bytes(const struct owned_element *element, uint64_t first, uint32_t count)
{
    uint64_t start = first * BLOCK_BYTES, bytes = (uint64_t)count * BLOCK_BYTES;
    uint64_t left = element->file.size_bytes - start;

    return bytes < left ? bytes : left;
}

static void own_ended(struct controller *controller, struct command *own)
{
    if (own->cache.kind == OWN_WRITE_BACK)
        write_back_ended(controller, own);
    else
        fill_ended(controller, own);
}

const struct command_origin cache_origin = {.name = "cache", .uncounted = true, .reply = own_ended};

struct command *cache_own_take(struct controller *controller, uint32_t element, uint64_t first,
                               uint32_t count)
{
    struct cache *cache = controller->cache;
    struct command *own = cache->free_own;

    assert(count >= 1 && count <= CACHE_RUN_BLOCKS);
    if (own == NULL)
        return NULL;
    cache->free_own = own->next;
    cache->elements[element].own++;
    own->next = NULL;
    own->origin = &cache_origin;
    own->owner = NULL;
    own->received_ns = loop_now_ns(controller->loop);
    own->flags = 0;
    own->target = (uint8_t)controller->id;
    own->volume = 0;
    own->element = element;
    own->offset_bytes = own->element_offset_bytes = first * BLOCK_BYTES;
    own->length_bytes = run_bytes(&controller->elements[element], first, count);
    own->payload = cache->blocks.region.memory;
    own->payload_offset_bytes = (uint64_t)(own->payload - controller->segment.base);
    own->shape = (struct payload_shape){0};
    own->status = 0;
    own->io.gated = own->io.gate_waits = own->io.gate_shared = false;
    /* Order has been seen to, by itself or by its parent: EXECUTE need not. */
    own->cache = (struct command_cache){.ordered = true, .blocks = cache_own_run(cache, own)};
    return own;
}

void cache_own_start(struct controller *controller, struct command *own)
{
    controller->cache->busy++;
    command_start(controller, own, STAGE_EXECUTE);
}

void cache_own_free(struct controller *controller, struct command *own)
{
    struct cache *cache = controller->cache;

    own->next = cache->free_own;
    cache->free_own = own;
    cache->elements[own->element].own--;
    struct command *waiter = command_queue_pop(&cache->own_waiters);
    if (waiter != NULL)
        command_complete(controller, waiter, 0);
}

void cache_parent_told(struct controller *controller, struct command *parent, int32_t status)
{
    assert(parent->cache.outstanding > 0);
    if (status != 0)
        parent->cache.status = status;
    /* While it still starts more of them, it will look itself. */
    if (--parent->cache.outstanding == 0 && !parent->cache.starting)
        command_complete(controller, parent, 0);
}

/* --- elements --- */

struct cached_element *cache_element(struct controller *controller, uint32_t element)
{
    return &controller->cache->elements[element];
}

struct cache_counters *cache_counters_of(struct controller *controller, uint32_t volume)
{
    return &segment_volume(&controller->segment, volume)->cache;
}

void cache_leave_gate(struct controller *controller, struct command *command)
{
    if (command->io.gated && !command->origin->answers_in_gate)
        execute_let_go_on(controller, command);
}

/* --- starting and stopping --- */

/* Images that live in memory are not made faster by a second copy there. */
static bool is_to_be_cached(const struct controller *controller, const struct element *file)
{
    const struct segment_header *header = segment_header(&controller->segment);

    return file->fd >= 0 && (file->mode != ELEMENT_MODE_INLINE || header->cache_in_memory);
}

static uint32_t choose_elements(struct controller *controller)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < controller->elements_count; i++) {
        struct owned_element *element = &controller->elements[i];
        element->cached = is_to_be_cached(controller, &element->file);
        count += element->cached;
    }
    return count;
}

/* Whether an element of another controller that is to be cached may become ours. */
static bool may_come(const struct controller *controller)
{
    const struct segment_header *header = segment_header(&controller->segment);

    for (uint32_t i = 0; i < controller->elements_count && header->takeover != 0; i++) {
        /* relaxed: written before we were started */
        uint32_t flags = load_relaxed(&controller->elements[i].record->flags);
        if ((flags & ELEMENT_INLINE) == 0 || header->cache_in_memory)
            return true;
    }
    return false;
}

static void io_completed(struct completion *completion, int result)
{
    struct command *command = (struct command *)(void *)completion;

    command_complete(command->controller, command, result);
}

static int make_own_commands(struct controller *controller, struct cache *cache)
{
    cache->own = calloc(CACHE_COMMANDS_MAX, sizeof *cache->own);
    cache->runs = calloc(CACHE_COMMANDS_MAX, sizeof *cache->runs);
    cache->payloads = calloc(COMMANDS_MAX, sizeof *cache->payloads);
    if (cache->own == NULL || cache->runs == NULL || cache->payloads == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < CACHE_COMMANDS_MAX; i++) {
        cache->own[i].controller = controller;
        cache->own[i].io.completion.fire = io_completed;
        cache->own[i].next = cache->free_own;
        cache->free_own = &cache->own[i];
    }
    return 0;
}

static int make_blocks(struct controller *controller, struct cache *cache)
{
    const struct segment *segment = &controller->segment;
    const struct segment_header *header = segment_header(segment);
    const struct cache_blocks_wanted wanted = {
        .region = segment_cache_region(segment, controller->id),
        .segment = segment,
        .epoch = controller->epoch,
        .policy = (enum cache_policy_kind)header->cache_policy,
        .elements = controller->elements_count,
    };
    /* Now, and all of it: there is no answer to a host for memory that is missing later. */
    int error = segment_commit(segment, segment_cache_offset(segment, controller->id),
                               cache_region_bytes(segment->geometry.cache_bytes));

    return error != 0 ? error : cache_blocks_init(&cache->blocks, &wanted);
}

/* The beginning, which is used first. All of a large cache would take longer than a start may. */
static void map_blocks(const struct controller *controller)
{
    const struct segment *segment = &controller->segment;
    uint64_t bytes = cache_region_bytes(segment->geometry.cache_bytes);

    segment_populate(segment, segment_cache_offset(segment, controller->id),
                     bytes < CACHE_MAPPED_BYTES ? bytes : CACHE_MAPPED_BYTES);
}

int cache_new(struct controller *controller, const char **ret_what)
{
    const struct segment_header *header = segment_header(&controller->segment);

    if (controller->segment.geometry.cache_bytes == 0 || header->cache_mode == CACHE_OFF)
        return 0;
    bool used_now = choose_elements(controller) > 0;
    if (!used_now && !may_come(controller))
        return 0;
    *ret_what = "the memory of its cache";
    struct cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL)
        return -ENOMEM;
    controller->cache = cache;
    cache->controller = controller;
    cache->mode = (enum cache_mode)header->cache_mode;
    cache->timer.fire = write_back_tick;
    cache->elements = calloc(controller->elements_count, sizeof *cache->elements);
    int error = cache->elements == NULL ? -ENOMEM : make_own_commands(controller, cache);
    if (error == 0)
        error = make_blocks(controller, cache);
    if (error == 0 && used_now)
        map_blocks(controller);
    cache->write_back.slice_timer.fire = write_back_next_slice;
    cache->dirty_limit = cache->blocks.region.blocks / 4 * 3;
    cache->dirty_background = cache->blocks.region.blocks / 2;
    return error;
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    if (cache->blocks.all != NULL)
        cache_blocks_done(&cache->blocks);
    free(cache->elements);
    free(cache->own);
    free(cache->runs);
    free(cache->payloads);
    free(cache);
}

void cache_element_forget(struct controller *controller, uint32_t index)
{
    if (controller->cache != NULL)
        cache_blocks_forget(&controller->cache->blocks, index);
}

void cache_element_leaves(struct controller *controller, uint32_t index)
{
    if (controller->cache == NULL)
        return;
    cache_element(controller, index)->leaves = true;
    write_back_pump(controller);
}

void cache_element_stays(struct controller *controller, uint32_t index)
{
    if (controller->cache != NULL)
        cache_element(controller, index)->leaves = false;
}

static bool waits_for_room(const struct cache *cache, uint32_t index)
{
    for (const struct command *waiter = cache->room_waiters.head; waiter != NULL;
         waiter = waiter->next) {
        if (waiter->element == index)
            return true;
    }
    return false;
}

bool cache_element_is_busy(struct controller *controller, uint32_t index)
{
    struct cache *cache = controller->cache;

    if (cache == NULL)
        return false;
    const struct cached_element *element = cache_element(controller, index);
    return cache->blocks.dirty[index].count > 0 || element->own > 0 ||
           element->flushers.head != NULL || controller->elements[index].gate.first != NULL ||
           waits_for_room(cache, index);
}

void cache_element_taken(struct controller *controller, uint32_t index)
{
    struct owned_element *element = &controller->elements[index];

    if (controller->cache == NULL)
        return;
    /* The memory for it was taken at start, when there was anything to cache. */
    element->cached = is_to_be_cached(controller, &element->file);
}

bool cache_is_busy(const struct controller *controller)
{
    const struct cache *cache = controller->cache;

    return cache != NULL && (cache->busy > 0 || cache->write_back.slice_timer.next != NULL);
}

void cache_quiesce(struct controller *controller)
{
    if (controller->cache == NULL)
        return;
    controller->cache->write_back.stopping = true;
    write_back_pump(controller);
}

bool cache_is_settled(const struct controller *controller)
{
    const struct cache *cache = controller->cache;

    if (cache == NULL || cache->blocks.dirty_count + cache->reserved == 0)
        return true;
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        /* relaxed: this controller is the state's only writer. */
        if (cache->blocks.dirty[i].count > 0 &&
            load_relaxed(&controller->elements[i].record->state) == ELEMENT_ONLINE)
            return false;
    }
    return cache->reserved == 0;
}

void cache_stop(struct controller *controller)
{
    struct cache *cache = controller->cache;

    if (cache == NULL)
        return;
    cache_quiesce(controller);
    while (cache_is_busy(controller))
        loop_turn(controller->loop, LOOP_FOREVER);
    loop_timer_stop(controller->loop, &cache->timer);
    loop_timer_stop(controller->loop, &cache->write_back.slice_timer);
}
