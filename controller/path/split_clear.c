/*
 * SPLIT: CLEAR takes away the write intents of a range of all members of a redundant volume, while
 * the array runs. Like INTENTS, its range is one of each member, the same of all.
 *
 *      COORDINATE: the range, exclusively  ->  QUIET to all members  ->  CLEAR to all members
 *                                              one is not quiet: the bits stay, all of them
 *
 * Why the bits may go then
 *  1. No write of the volume is under way there, on any member: it would have reserved what is
 *     reserved here. That of a controller that died is reserved until survivors have finished it
 *     (shm/redo.h), or its members have failed.
 *  2. So what QUIET found on a member stays so until the reservation is given up: it is durable,
 *     with its checksums, and nothing of it waits in a cache. It is so on all members before the
 *     first bit goes, because a bit of one speaks for the others too: one may lack in its cache
 * what another one has on its image.
 *  3. No member has failed, and all are equal since the last start. One that fails from now on was
 *     found quiet here, so that it lacks nothing of this range; a write that comes later sets the
 *     bits again.
 *
 * Whoever sends it may die at any step: its reservation is given up when none of its components
 * runs any more, and until then 1 to 3 hold. An owner that dies takes what it knew of being quiet
 * with it; the next one has the bits as the image has them, and nothing is settled there.
 */
#include "controller/controller.h"
#include "controller/path/split.h"

/* Where the policy lets writes go unreserved, nobody knows of them. */
static bool may_be_cleared(const struct command *command)
{
    struct volume_record *record = command->virtual->record;

    /* relaxed: written before the start, and by whoever makes members equal, long before */
    return command->split->reserved && layout_kind_redundant(command->virtual->layout.kind) &&
           member_states_now(record).failed == 0 && load_relaxed(&record->resync_regions) == 0;
}

static void begin_round(struct command *command, uint8_t op)
{
    struct split *split = command->split;

    split->clear = (struct split_clear){.in_use = true, .op = op};
    split->good = split->bad = 0;
    aggregate_begin(&command->aggregate, 1); /* the round itself, until all of it is sent */
}

static enum stage_verdict over(struct command *command, bool cleared)
{
    command->split->clear.in_use = false;
    command->count = !cleared;
    command->aggregate.status = 0; /* a member that failed is its owner's to tell of */
    return STAGE_DONE;
}

/* True when all of the round has been sent; false: a component is waited for. */
static bool send_round(struct controller *controller, struct command *command)
{
    struct split_clear *clear = &command->split->clear;

    command->split->in_round = true;
    for (; clear->member < command->virtual->layout.members; clear->member++) {
        const struct component_wanted wanted = {.op = clear->op,
                                                .member = clear->member,
                                                .member_offset_bytes = command->offset_bytes,
                                                .length_bytes = command->length_bytes,
                                                .virtual_offset_bytes = command->offset_bytes};
        if (!component_send(controller, command, &wanted))
            return false;
    }
    command->split->in_round = false;
    return true;
}

static bool all_are_quiet(const struct command *command)
{
    const struct split *split = command->split;

    for (uint32_t i = 0; i < command->virtual->layout.members; i++) {
        if ((split->good >> i & 1) == 0 || split->extents_count[i] != 0)
            return false;
    }
    return true;
}

/* NEXT: the second round has begun. */
static enum stage_verdict end_round(struct controller *controller, struct command *command)
{
    (void)controller;
    if (command->split->clear.op == COMMAND_CLEAR)
        return over(command, true);
    if (!all_are_quiet(command) || !may_be_cleared(command))
        return over(command, false);
    begin_round(command, COMMAND_CLEAR);
    return STAGE_NEXT;
}

static const struct split_rounds rounds = {.send = send_round, .end = end_round};

enum stage_verdict split_clear_go_on(struct controller *controller, struct command *command)
{
    if (!may_be_cleared(command)) {
        aggregate_begin(&command->aggregate, 0);
        return over(command, false);
    }
    begin_round(command, COMMAND_QUIET);
    return split_rounds_go_on(&rounds, controller, command);
}

enum stage_verdict split_clear_complete(struct controller *controller, struct command *command)
{
    return split_rounds_complete(&rounds, controller, command);
}

uint64_t split_clear_bytes(const struct layout *layout)
{
    uint64_t columns = layout->parities > 0 ? 1 : layout->columns;
    uint64_t ends = layout->chunk_bytes != 0 ? 2 * (uint64_t)layout->chunk_bytes : 0;
    uint64_t bytes = SPLIT_PART_BYTES_MAX / columns;

    return bytes > ends ? bytes - ends : 0;
}

void split_clear_reserves(const struct command *command, uint64_t *ret_offset_bytes,
                          uint64_t *ret_length_bytes)
{
    const struct layout *layout = &command->virtual->layout;
    uint64_t from = command->offset_bytes, end = from + command->length_bytes;

    if (layout->parities == 0 && layout->chunk_bytes != 0) { /* whole rows of chunks */
        from = from / layout->chunk_bytes * layout->chunk_bytes * layout->columns;
        end = (end + layout->chunk_bytes - 1) / layout->chunk_bytes * layout->chunk_bytes *
              layout->columns;
    }
    *ret_offset_bytes = from;
    *ret_length_bytes = end - from;
}
