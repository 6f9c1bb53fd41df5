/*
 * SPLIT: no write that left members out is answered before the superblocks of all others say so,
 * durably. Else, after the array was killed and started again, those members would be read as if
 * they were up to date.
 *
 * A round of marking sends a MARK to each member that is written. Whoever meets unmarked
 * members does it, whichever controller found out that they failed: each write looks, before it is
 * answered, at all that have failed by then, which are at least those that it left out. A member
 * that cannot be marked has failed itself, and the others are marked once more.
 *
 * A SETTLE does nothing else, and does it in any case: for what has changed without any write.
 */
#include <assert.h>
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

static void begin_round(struct command *command)
{
    struct split *split = command->split;

    split->mark = (struct split_mark){
        .in_use = true, .marking = member_states_begin_marking(command->virtual->record)};
    split->good = split->bad = 0;
    aggregate_begin(&command->aggregate, 1); /* the round itself, until all of it is sent */
}

/* True when all of the round has been sent; false: a component is waited for. */
static bool send_round(struct controller *controller, struct command *command)
{
    struct split_mark *mark = &command->split->mark;

    command->split->in_round = true;
    for (; mark->member < command->virtual->layout.members; mark->member++) {
        const struct component_wanted wanted = {.op = COMMAND_MARK,
                                                .member = mark->member,
                                                .virtual_offset_bytes = command->offset_bytes};
        if ((mark->marking.absent >> mark->member & 1) == 0 &&
            !component_send(controller, command, &wanted))
            return false;
    }
    command->split->in_round = false;
    return true;
}

/* All have answered. NEXT: another round has begun. */
static enum stage_verdict end_round(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    /* Whatever a MARK's error was, the host's is that the write may not be kept. */
    command->aggregate.status = -EIO;
    if (split->bad == 0)
        member_states_set_marked(command->virtual->record, &split->mark.marking);
    else if (!virtual_fail(controller, command->virtual, split->bad))
        return STAGE_DONE;
    command->aggregate.status = 0;
    if (member_states_unmarked(command->virtual->record) == 0)
        return STAGE_DONE;
    begin_round(command);
    return STAGE_NEXT;
}

static const struct split_rounds rounds = {.send = send_round, .end = end_round};

static enum stage_verdict over(struct command *command, enum stage_verdict verdict)
{
    if (verdict == STAGE_DONE) {
        command->split->mark.in_use = false;
        if (command->split->mark_status != 0)
            command->aggregate.status = command->split->mark_status;
    }
    return verdict;
}

enum stage_verdict split_mark_begin(struct controller *controller, struct command *command)
{
    assert(command->aggregate.remaining == 0);
    if (command->virtual->record->marked == 0 ||
        (command->op != COMMAND_SETTLE && member_states_unmarked(command->virtual->record) == 0))
        return STAGE_DONE;
    command->split->mark_status = command->aggregate.status;
    begin_round(command);
    return over(command, split_rounds_go_on(&rounds, controller, command));
}

enum stage_verdict split_mark_complete(struct controller *controller, struct command *command)
{
    return over(command, split_rounds_complete(&rounds, controller, command));
}
