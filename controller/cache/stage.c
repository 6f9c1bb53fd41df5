/*
 * CACHE and KEEP, the two stages of the owner's cache: what is answered from it, what goes on below
 * it, and what is taken in on the way back. The rules are in cache.h.
 */
#include <assert.h>
#include <errno.h>

#include "controller/cache/cache.h"
#include "controller/cache/lend.h"
#include "controller/controller.h"
#include "controller/path/execute.h"

/* What a command in CACHE waits for. */
enum cache_wait {
    UNTIL_ROOM,  /* for dirty blocks */
    UNTIL_GATE,  /* others on the same blocks */
    UNTIL_CLEAN, /* its range to be written back */
    UNTIL_FILL,  /* the blocks of which it writes a part */
    UNTIL_FLUSH, /* what was dirty before it */
};

static struct owned_element *owned(struct controller *controller, const struct command *command)
{
    return &controller->elements[command->element];
}

/* --- ways out --- */

static enum stage_verdict wait_for(struct command *command, enum cache_wait what)
{
    command->cache.waits_for = (uint8_t)what;
    return STAGE_WAIT;
}

static void tracked(struct controller *controller, struct command *command)
{
    if (!command->cache.tracked)
        controller->cache->busy++;
    command->cache.tracked = true;
}

static void untracked(struct controller *controller, struct command *command)
{
    if (command->cache.tracked)
        controller->cache->busy--;
    command->cache.tracked = false;
}

static void give_room(struct controller *controller, struct command *command)
{
    controller->cache->reserved -= command->cache.reserved;
    command->cache.reserved = 0;
}

/* Out of the cache, with what it has of it given back. */
static void leave(struct controller *controller, struct command *command)
{
    give_room(controller, command);
    untracked(controller, command);
    cache_leave_gate(controller, command);
    command->cache.ordered = false;
    write_back_pump(controller);
    /* What it had reserved and has not made dirty no write-back will ever give back. */
    write_back_wake_room_waiters(controller);
}

static enum stage_verdict over(struct controller *controller, struct command *command,
                               int32_t status)
{
    execute_count_served(controller, command, status);
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    leave(controller, command);
    return STAGE_DONE;
}

/* It need not be in the cache's order: EXECUTE says what is wrong with it, or it concerns no data.
 */
static enum stage_verdict pass(struct controller *controller, struct command *command)
{
    leave(controller, command);
    return STAGE_NEXT;
}

/* --- in the gate --- */

static enum stage_verdict absorb(struct controller *controller, struct command *command)
{
    if (command->cache.lends == CACHE_LENDS_BLOCKS)
        cache_put_lent(controller, command, true);
    else
        cache_put_dirty_range(controller, command);
    write_back_became_dirty(controller);
    return over(controller, command, 0);
}

static enum stage_verdict go_below(struct controller *controller, struct command *command)
{
    if (!write_back_range(controller, command))
        return wait_for(command, UNTIL_CLEAN);
    if (command->cache.status != 0)
        return over(controller, command, -EIO);
    if (command->op == COMMAND_READ)
        count_up(&cache_counters_of(controller, command->volume)->misses, 1);
    return STAGE_NEXT;
}

static enum stage_verdict fill_and_absorb(struct controller *controller, struct command *command)
{
    if (!fill_edges(controller, command))
        return wait_for(command, UNTIL_FILL);
    if (command->cache.status == 0)
        return absorb(controller, command);
    command->cache.status = 0; /* EXECUTE tries by itself, and knows what the failure means */
    give_room(controller, command);
    return go_below(controller, command);
}

static enum stage_verdict serve(struct controller *controller, struct command *command)
{
    if (!cache_pin(controller, command))
        cache_serve(controller->cache, command);
    count_up(&cache_counters_of(controller, command->volume)->hits, 1);
    return over(controller, command, 0);
}

static bool is_online(struct controller *controller, const struct command *command)
{
    /* relaxed: this controller is the state's only writer. */
    return load_relaxed(&owned(controller, command)->record->state) == ELEMENT_ONLINE;
}

/* It has the gate, perhaps after it has waited for it. */
static enum stage_verdict in_gate(struct controller *controller, struct command *command)
{
    command->cache.ordered = true;
    if (!is_online(controller, command))
        return over(controller, command, -EIO);
    if (command->cache.reserved > 0)
        return fill_and_absorb(controller, command);
    if (command->op == COMMAND_READ && command->cache.keeps &&
        cache_holds_all(controller->cache, command))
        return serve(controller, command);
    return go_below(controller, command);
}

static enum stage_verdict enter_gate(struct controller *controller, struct command *command)
{
    tracked(controller, command);
    if (!gate_enter(&owned(controller, command)->gate, command))
        return wait_for(command, UNTIL_GATE);
    return in_gate(controller, command);
}

/* A write of whole blocks for which there is room, when nobody is in the gate: it would be out of
 * it again before anybody else could come. Not a peer's, which stays there until it has answered:
 * once it has given its room back, one that waited for that may be absorbed before it has. */
static enum stage_verdict enter_to_absorb(struct controller *controller, struct command *command)
{
    bool whole = (command->element_offset_bytes | command->length_bytes) % BLOCK_BYTES == 0;

    if (command->cache.reserved > 0 && whole && !command->origin->answers_in_gate &&
        gate_is_empty(&owned(controller, command)->gate))
        return in_gate(controller, command);
    return enter_gate(controller, command);
}

/* --- what each operation does first --- */

static enum stage_verdict look_read(struct controller *controller, struct command *command)
{
    bool is_short =
        command->length_bytes <= CACHE_LOOK_BYTES && (command->flags & COMMAND_UNCACHED) == 0;

    if (is_short && cache_holds_all(controller->cache, command)) {
        enum stage_verdict verdict = serve(controller, command);
        read_ahead(controller, command); /* behind it: it may take blocks that were asked for */
        return verdict;
    }
    if (is_short)
        read_ahead(controller, command);
    command->cache.keeps = is_short && !read_ahead_is_scan(controller, command);
    command->io.gate_shared = !command->cache.keeps;
    return enter_gate(controller, command);
}

static uint32_t blocks_of(const struct command *command)
{
    struct block_range range = cache_range(command);

    return (uint32_t)(range.end - range.first);
}

/* Elements that failed keep their dirty blocks; when these are too many, the others do without. */
static bool has_room_at_all(const struct controller *controller)
{
    const struct cache *cache = controller->cache;
    uint32_t lost = 0;

    if (cache->blocks.dirty_count <= cache->dirty_limit / 2)
        return true;
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        /* relaxed: this controller is the state's only writer. */
        if (load_relaxed(&controller->elements[i].record->state) != ELEMENT_ONLINE)
            lost += cache->blocks.dirty[i].count;
    }
    return lost <= cache->dirty_limit / 2;
}

bool cache_room_for(struct controller *controller, const struct command *command)
{
    const struct cache *cache = controller->cache;

    return cache->blocks.dirty_count + cache->reserved + blocks_of(command) <= cache->dirty_limit ||
           !is_online(controller, command) || !has_room_at_all(controller);
}

static bool may_be_written_back(struct controller *controller, const struct command *command)
{
    return controller->cache->mode == CACHE_WRITE_BACK && !controller->cache->write_back.stopping &&
           command->length_bytes <= CACHE_WRITE_BACK_BYTES_MAX &&
           blocks_of(command) <= controller->cache->dirty_limit / 4 &&
           (command->flags & COMMAND_FUA) == 0 && has_room_at_all(controller);
}

/* There is room, or none is needed any more. */
static enum stage_verdict take_room(struct controller *controller, struct command *command)
{
    if (may_be_written_back(controller, command)) {
        command->cache.reserved = blocks_of(command);
        controller->cache->reserved += command->cache.reserved;
    }
    return enter_to_absorb(controller, command);
}

static enum stage_verdict look_write(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    if (!may_be_written_back(controller, command)) {
        give_room(controller, command);
        return enter_gate(controller, command);
    }
    if (command->cache.reserved > 0)
        return enter_to_absorb(controller, command);
    if (cache->room_waiters.head == NULL && cache_room_for(controller, command))
        return take_room(controller, command);
    tracked(controller, command);
    command_queue_push(&cache->room_waiters, command);
    write_back_pump(controller);
    return wait_for(command, UNTIL_ROOM);
}

static enum stage_verdict look_flush(struct controller *controller, struct command *command)
{
    struct cache *cache = controller->cache;

    if (cache->blocks.dirty[command->element].count == 0)
        return STAGE_NEXT;
    tracked(controller, command);
    command->cache.number = cache->blocks.dirty_number;
    command_queue_push(&cache_element(controller, command->element)->flushers, command);
    command->cache.waits_for = UNTIL_FLUSH;
    write_back_pump(controller); /* it may end in there; whoever tells it is not us */
    return STAGE_WAIT;
}

/* Where the cache must not answer, EXECUTE says why. */
static bool concerns_cache(struct controller *controller, const struct command *command)
{
    const struct element *file = &owned(controller, command)->file;

    if (command->length_bytes == 0 && command->op != COMMAND_FLUSH)
        return false;
    return is_online(controller, command) && command->element_offset_bytes <= file->size_bytes &&
           command->length_bytes <= file->size_bytes - command->element_offset_bytes &&
           (!command_changes_data(command->op) ||
            (!file->read_only && controller_check_length(controller, command->element) == 0));
}

/* Anew, but for what it was lent before its payload came. */
static void begin(struct command *command)
{
    const struct command_cache *before = &command->cache;

    if (before->lends == CACHE_LENDS_BLOCKS)
        command->cache = (struct command_cache){.blocks = before->blocks,
                                                .blocks_count = before->blocks_count,
                                                .lends = before->lends,
                                                .reserved = before->reserved};
    else
        command->cache = (struct command_cache){0};
}

enum stage_verdict cache_look(struct controller *controller, struct command *command)
{
    begin(command);
    if (command->cache.lends == CACHE_LENDS_BLOCKS && command->target != controller->id &&
        !cache_unlend(controller, command)) {
        aggregate_add(&command->aggregate, command->offset_bytes, -ENOMEM);
        return STAGE_DONE;
    }
    if (controller->cache == NULL || command->target != controller->id ||
        !owned(controller, command)->cached || !concerns_cache(controller, command))
        return STAGE_NEXT;
    command->io.gated = command->io.gate_waits = command->io.gate_shared = false;
    switch ((enum command_op)command->op) {
    case COMMAND_READ:
        return look_read(controller, command);
    case COMMAND_WRITE:
        return look_write(controller, command);
    case COMMAND_TRIM:
    case COMMAND_ZERO:
    case COMMAND_EXTENTS: /* what is dirty in a hole is data */
        return enter_gate(controller, command);
    case COMMAND_QUIET: /* what is dirty is not durable */
        command->io.gate_shared = true;
        return enter_gate(controller, command);
    case COMMAND_FLUSH:
        return look_flush(controller, command);
    case COMMAND_PREFETCH:
        read_ahead_range(controller, command);
        return STAGE_NEXT;
    case COMMAND_MARK:
    case COMMAND_RESTORE:
    case COMMAND_SCRUB:
    case COMMAND_SETTLE:
    case COMMAND_INTENTS:
    case COMMAND_CLEAR:
    case COMMAND_OPS_END:
        break;
    }
    return STAGE_NEXT;
}

enum stage_verdict cache_complete(struct controller *controller, struct command *command)
{
    switch ((enum cache_wait)command->cache.waits_for) {
    case UNTIL_ROOM:
        return take_room(controller, command);
    case UNTIL_GATE:
        return in_gate(controller, command);
    case UNTIL_CLEAN:
        return go_below(controller, command);
    case UNTIL_FILL:
        return fill_and_absorb(controller, command);
    case UNTIL_FLUSH:
        return pass(controller, command);
    }
    return over(controller, command, -EIO);
}

/* --- KEEP --- */

static void keep(struct controller *controller, struct command *command)
{
    bool changes = command_changes_data(command->op);

    if (command->op == COMMAND_READ && command->cache.keeps && command->status == 0)
        cache_take_in_read(controller, command);
    else if (command->cache.lends == CACHE_LENDS_BLOCKS && command->status == 0)
        cache_put_lent(controller, command, false);
    else if (command->op == COMMAND_WRITE && command->length_bytes <= CACHE_LOOK_BYTES &&
             command->status == 0)
        cache_take_in_write(controller, command);
    else if (changes)
        cache_drop_range(controller, command);
}

enum stage_verdict cache_keep(struct controller *controller, struct command *command)
{
    if (command->cache.ordered && !command->origin->uncounted) {
        keep(controller, command);
        leave(controller, command);
    }
    return STAGE_NEXT;
}
