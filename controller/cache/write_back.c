/*
 * Write-back: what is dirty goes to its element.
 *
 * Who wants it: a FLUSH, what was dirty before it; time, what has been dirty for a tick or two; the
 * limit, until no more than dirty_background is dirty and not on its way; a command that must find
 * its range clean; the end of the controller. All but the range are served by the pump, in batches:
 * those of an element that are dirty longest, sorted by address, neighbours in one I/O.
 *
 * A block in front of which a command is in the gate is passed over; whoever leaves a gate calls
 * the pump again.
 */
#include <assert.h>
#include <stdio.h>

#include "controller/cache/cache.h"
#include "controller/controller.h"

static bool is_online(const struct controller *controller, uint32_t element)
{
    /* relaxed: this controller is the state's only writer. */
    return load_relaxed(&controller->elements[element].record->state) == ELEMENT_ONLINE;
}

static bool may_be_written(const struct cache_blocks *blocks, uint32_t block)
{
    return block != BLOCK_NONE && cache_block_is_dirty(blocks, block) &&
           !blocks->all[block].in_write_back;
}

/* --- one run --- */

/* How many blocks that lie together from `first` on can be written at once, up to `end`. */
static uint32_t run_length(const struct cache_blocks *blocks, uint32_t element, uint64_t first,
                           uint64_t end)
{
    uint32_t count = 0;

    while (count < CACHE_RUN_BLOCKS && first + count < end &&
           may_be_written(blocks, cache_block_find(blocks, key_of(element, first + count))))
        count++;
    return count;
}

static void fill_run(struct cache *cache, struct command *own, uint64_t first, uint32_t count)
{
    uint32_t *run = cache_own_run(cache, own);

    for (uint32_t i = 0; i < count; i++) {
        run[i] = cache_block_find(&cache->blocks, key_of(own->element, first + i));
        cache->blocks.all[run[i]].in_write_back = true;
    }
    own->op = COMMAND_WRITE;
    own->cache.kind = OWN_WRITE_BACK;
    own->cache.blocks_count = count;
    cache->write_back.in_flight++;
    cache->write_back.blocks_in_flight += count;
    uint32_t volume = cache->blocks.all[run[0]].volume;
    if (volume == UINT32_MAX) /* adopted: nobody's */
        return;
    own->volume = volume;
    count_up(&cache_counters_of(cache->controller, volume)->write_backs, 1);
}

/* --- ranges --- */

/* Starts what can be started of the dirty blocks in [*at, end); false: no command was free. */
static bool start_runs(struct controller *controller, struct command *parent,
                       struct block_range range)
{
    struct cache *cache = controller->cache;

    for (uint64_t at = range.first; at < range.end;) {
        uint32_t count = run_length(&cache->blocks, parent->element, at, range.end);
        if (count == 0) {
            at++;
            continue;
        }
        struct command *own = cache_own_take(controller, parent->element, at, count);
        if (own == NULL)
            return false;
        own->owner = parent;
        parent->cache.outstanding++;
        fill_run(cache, own, at, count);
        cache_own_start(controller, own);
        at += count;
    }
    return true;
}

/* Whether some of it is being written by others: the pump is not in a gate with the command, but
 * reads that share the gate may have the same blocks written. */
static bool any_in_write_back(const struct cache *cache, uint32_t element, struct block_range range)
{
    for (uint64_t at = range.first; at < range.end; at++) {
        uint32_t block = cache_block_find(&cache->blocks, key_of(element, at));
        if (block != BLOCK_NONE && cache->blocks.all[block].in_write_back)
            return true;
    }
    return false;
}

/* Of a range longer than the element's dirty blocks are many, only what spans these. */
static struct block_range dirty_span(const struct cache *cache, const struct command *command)
{
    const struct cache_blocks *blocks = &cache->blocks;
    struct block_range range = cache_range(command), span = {.first = UINT64_MAX, .end = 0};

    if (range.end - range.first <= blocks->dirty[command->element].count)
        return range;
    for (uint32_t block = cache_block_first_dirty(blocks, command->element); block != BLOCK_NONE;
         block = cache_block_next_dirty(blocks, block)) {
        uint64_t at = key_block(cache_block_key(blocks, block));
        if (at < range.first || at >= range.end)
            continue;
        span.first = at < span.first ? at : span.first;
        span.end = at + 1 > span.end ? at + 1 : span.end;
    }
    return span;
}

bool write_back_range(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    if (cache->blocks.dirty[command->element].count == 0 || command->cache.status != 0)
        return true;
    struct block_range range = dirty_span(cache, command);
    command->cache.starting = true;
    bool all = start_runs(controller, command, range);
    command->cache.starting = false;
    if (command->cache.outstanding > 0)
        return false;
    if (command->cache.status != 0)
        return true;
    if (all && !any_in_write_back(cache, command->element, range))
        return true;
    command_queue_push(all ? &cache->write_back.watchers : &cache->own_waiters, command);
    return false;
}

/* --- the pump --- */

/* What became dirty before this number is wanted on the element; 0: nothing. */
static uint64_t wanted_number(const struct cache *cache, uint32_t element)
{
    const struct write_back *write_back = &cache->write_back;
    const struct command *flusher = cache->elements[element].flushers.tail;
    uint64_t number = write_back->aged_number;

    /* What is on its way already is not counted: else, once there is much, each new block would
     * follow at once, alone. */
    if (write_back->stopping || cache->elements[element].leaves ||
        cache->blocks.dirty_count - write_back->blocks_in_flight > cache->dirty_background)
        return UINT64_MAX;
    if (flusher != NULL && flusher->cache.number > number)
        number = flusher->cache.number;
    return number;
}

/* Sinks the key at `at` of a heap whose first `count` are one but for it. */
static void sink(uint64_t *keys, uint32_t at, uint32_t count)
{
    for (uint32_t child = 2 * at + 1; child < count; at = child, child = 2 * at + 1) {
        if (child + 1 < count && keys[child + 1] > keys[child])
            child++;
        if (keys[at] >= keys[child])
            return;
        uint64_t key = keys[at];
        keys[at] = keys[child];
        keys[child] = key;
    }
}

/* In place and without memory, which the library's sorting may ask for. */
static void sort(uint64_t *keys, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;)
        sink(keys, at, count);
    for (uint32_t left = count; left-- > 1;) {
        uint64_t key = keys[0];
        keys[0] = keys[left];
        keys[left] = key;
        sink(keys, 0, left);
    }
}

static uint32_t collect_from(struct cache *cache, uint32_t element)
{
    struct write_back *write_back = &cache->write_back;
    uint64_t number = wanted_number(cache, element);
    uint32_t count = 0;

    for (uint32_t block = cache_block_first_dirty(&cache->blocks, element);
         block != BLOCK_NONE && count < CACHE_BATCH_BLOCKS &&
         cache->blocks.all[block].dirty_number < number;
         block = cache_block_next_dirty(&cache->blocks, block)) {
        if (may_be_written(&cache->blocks, block))
            write_back->batch[count++] = cache_block_key(&cache->blocks, block);
    }
    sort(write_back->batch, count);
    return count;
}

/* The next batch: of the next element that has something wanted. */
static bool collect(struct controller *controller)
{
    struct cache *cache = controller->cache;
    struct write_back *write_back = &cache->write_back;

    write_back->batch_next = write_back->batch_count = 0;
    if (cache->blocks.dirty_count == 0)
        return false;
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        write_back->element = (write_back->element + 1) % controller->elements_count;
        if (!is_online(controller, write_back->element))
            continue;
        write_back->batch_count = collect_from(cache, write_back->element);
        if (write_back->batch_count > 0)
            return true;
    }
    return false;
}

/* Whether a run that begins with this key was started. */
static bool start_run_at(struct controller *controller, uint64_t key)
{
    struct cache *cache = controller->cache;
    uint32_t element = key_element(key);
    uint64_t first = key_block(key);
    uint32_t count = run_length(&cache->blocks, element, first, UINT64_MAX);

    if (count == 0 || !is_online(controller, element))
        return false;
    struct command *own = cache_own_take(controller, element, first, count);
    if (own == NULL)
        return false;
    if (!gate_try_enter(&controller->elements[element].gate, own)) {
        cache_own_free(controller, own);
        return false;
    }
    fill_run(cache, own, first, count);
    cache->write_back.slice_blocks += count;
    cache_own_start(controller, own);
    return true;
}

/* Commands that wait for a clean range find some left over. */
static bool may_start(const struct cache *cache)
{
    return cache->free_own != NULL && cache->write_back.in_flight < CACHE_WRITE_BACKS_MAX;
}

/* Works through batches until enough is on its way, nothing is wanted, or all that is wanted is
 * being worked on by others. Where element I/O ends at once, nothing is ever on its way: so it is
 * done in slices, a turn of the controller each. */
static void pump(struct controller *controller)
{
    struct cache *cache = controller->cache;
    struct write_back *write_back = &cache->write_back;
    bool started = true;

    while (may_start(cache)) {
        if (write_back->slice_blocks >= CACHE_SLICE_BLOCKS) {
            if (write_back->slice_timer.next == NULL)
                loop_timer_start(controller->loop, &write_back->slice_timer, 1);
            return;
        }
        if (write_back->batch_next == write_back->batch_count) {
            if (!started || !collect(controller))
                return;
            started = false;
        }
        started |= start_run_at(controller, write_back->batch[write_back->batch_next++]);
    }
}

void write_back_pump(struct controller *controller)
{
    struct write_back *write_back = &controller->cache->write_back;

    if (write_back->pumping || controller->cache->blocks.dirty_count == 0)
        return;
    write_back->pumping = true;
    pump(controller);
    write_back->pumping = false;
}

/* --- ends --- */

/* Those whose blocks are written, or never will be: then EXECUTE says so. */
static void tell_flushers(struct controller *controller, uint32_t index)
{
    struct cache *cache = controller->cache;
    struct command_queue *flushers = &cache->elements[index].flushers;
    uint32_t oldest = cache_block_first_dirty(&cache->blocks, index);

    while (flushers->head != NULL &&
           (oldest == BLOCK_NONE || !is_online(controller, index) ||
            cache->blocks.all[oldest].dirty_number >= flushers->head->cache.number))
        command_complete(controller, command_queue_pop(flushers), 0);
}

void write_back_wake_room_waiters(struct controller *controller)
{
    struct cache *cache = controller->cache;

    if (cache->waking_room_waiters)
        return;
    cache->waking_room_waiters = true;
    while (cache->room_waiters.head != NULL && cache_room_for(controller, cache->room_waiters.head))
        command_complete(controller, command_queue_pop(&cache->room_waiters), 0);
    cache->waking_room_waiters = false;
}

/* Each looks again at its own range. */
static void tell_watchers(struct controller *controller)
{
    struct command_queue watchers = controller->cache->write_back.watchers;
    struct command *command;

    controller->cache->write_back.watchers = (struct command_queue){0};
    while ((command = command_queue_pop(&watchers)) != NULL)
        command_complete(controller, command, 0);
}

static void blocks_written(struct controller *controller, struct command *own)
{
    struct cache *cache = controller->cache;
    const uint32_t *run = cache_own_run(cache, own);

    for (uint32_t i = 0; i < own->cache.blocks_count; i++) {
        cache->blocks.all[run[i]].in_write_back = false;
        if (own->status == 0)
            cache_block_written(&cache->blocks, run[i]);
    }
}

void write_back_ended(struct controller *controller, struct command *own)
{
    struct cache *cache = controller->cache;
    struct command *parent = own->owner;
    uint32_t element = own->element;
    int32_t status = own->status;

    if (status != 0)
        controller_lose_writes(controller, element, "dirty blocks could not be written back");
    blocks_written(controller, own);
    cache->write_back.in_flight--;
    cache->write_back.blocks_in_flight -= own->cache.blocks_count;
    cache->busy--;
    cache_leave_gate(controller, own);
    cache_own_free(controller, own);
    if (parent != NULL)
        cache_parent_told(controller, parent, status);
    tell_watchers(controller);
    tell_flushers(controller, element);
    write_back_wake_room_waiters(controller);
    write_back_pump(controller);
}

void write_back_became_dirty(struct controller *controller)
{
    struct cache *cache = controller->cache;

    if (cache->timer.next == NULL) {
        cache->write_back.tick_number = cache->blocks.dirty_number;
        loop_timer_start(controller->loop, &cache->timer, CACHE_TICK_MS * 1000000ull);
    }
    if (cache->blocks.dirty_count > cache->dirty_background)
        write_back_pump(controller);
}

/* An element may fail while nothing of it is on its way that would end and tell: a gate held it up,
 * or there was too much else. So who waits for it is looked at now and then as well. */
static void tell_those_of_failed_elements(struct controller *controller)
{
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        if (!is_online(controller, i))
            tell_flushers(controller, i);
    }
    write_back_wake_room_waiters(controller);
}

void write_back_next_slice(struct timer *timer)
{
    struct write_back *write_back =
        (struct write_back *)((char *)timer - offsetof(struct write_back, slice_timer));
    struct cache *cache = (struct cache *)((char *)write_back - offsetof(struct cache, write_back));

    write_back->slice_blocks = 0;
    write_back_pump(cache->controller);
}

void write_back_tick(struct timer *timer)
{
    struct cache *cache = (struct cache *)((char *)timer - offsetof(struct cache, timer));
    struct write_back *write_back = &cache->write_back;

    write_back->aged_number = write_back->tick_number;
    write_back->tick_number = cache->blocks.dirty_number;
    /* First: what the pump makes room for becomes dirty in there, and would start it as well. */
    if (cache->blocks.dirty_count > 0)
        loop_timer_start(cache->controller->loop, timer, CACHE_TICK_MS * 1000000ull);
    tell_those_of_failed_elements(cache->controller);
    write_back_pump(cache->controller);
}
