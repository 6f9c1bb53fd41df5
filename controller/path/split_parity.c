/*
 * SPLIT with parity: a range in slices, and each slice by a plan (controller/layout/parity_plan.h).
 * The plan says what to read from which member into the payload or a workspace, what to compute,
 * and what to write; here it is only done.
 */
#include <assert.h>
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

_Static_assert((int)PARITY_WORKSPACE_BYTES_MAX <= (int)WORKSPACES_BYTES,
               "any plan's workspace can be had");

bool split_wants_slices(const struct command *command)
{
    if (command->virtual->layout.parities == 0)
        return false;
    return command_changes_data(command->op) || command->op == COMMAND_RESTORE ||
           (command->op == COMMAND_READ && command->split->absent != 0);
}

/* TRIM zeroes like ZERO, so that parity is known afterwards. */
static bool writes_zeroes(const struct command *command)
{
    return command->op == COMMAND_ZERO || command->op == COMMAND_TRIM;
}

/* --- workspaces --- */

/* 0, or -EAGAIN: the command stands in line for one. */
static int take_workspace(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;
    bool first = controller->workspace_waiters.head == NULL || command->split->in_round;

    if (slices->plan.workspace_bytes == 0)
        return 0;
    if (first && pool_take(controller->workspaces, slices->plan.workspace_bytes,
                           &slices->workspace_offset_bytes) == 0) {
        slices->has_workspace = true;
        slices->memory_offset_bytes =
            controller->workspaces_offset_bytes + slices->workspace_offset_bytes;
        slices->lost_before = command->lost_claimants;
        return 0;
    }
    if (command->split->in_round) /* it was the first in line, and is so again */
        command_queue_push_front(&controller->workspace_waiters, command);
    else
        command_queue_push(&controller->workspace_waiters, command);
    return -EAGAIN;
}

/* A lost peer's I/O may still reach this one: it is kept until that has landed. */
static void give_workspace(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;

    split_redo_end_slice(controller, command);
    if (slices->journaled)
        journal_end(controller, command);
    slices->journaled = false;
    if (!slices->has_workspace)
        return;
    slices->has_workspace = false;
    uint64_t claimants = command->lost_claimants & ~slices->lost_before;
    if (claimants != 0)
        peer_quarantine_memory(controller, controller->workspaces, slices->workspace_offset_bytes,
                               claimants);
    else
        pool_give(controller->workspaces, slices->workspace_offset_bytes);
}

void split_wake_workspace_waiters(struct controller *controller)
{
    if (controller->waking_workspace_waiters)
        return;
    controller->waking_workspace_waiters = true;
    struct command *waiter;
    while ((waiter = command_queue_pop(&controller->workspace_waiters)) != NULL) {
        command_complete(controller, waiter, 0);
        if (controller->workspace_waiters.head == waiter)
            break; /* not enough for the first in line yet */
    }
    controller->waking_workspace_waiters = false;
}

/* --- steps --- */

/* A member that is being rebuilt takes part in what lies below the cursor, as any other, and in
 * nothing else. A slice that it cuts is made to end there; the rest is the next one. The cursor
 * stands still in what we have reserved (ARCHITECTURE.md, Rebuilding). */
static uint32_t absent_in_slice(const struct command *command)
{
    struct split_slices *slices = &command->split->slices;
    struct volume_record *record = command->virtual->record;
    struct member_states states = member_states_now(record);

    if (states.rebuilding == 0)
        return states.failed;
    uint64_t rebuilt_bytes = member_states_rebuilt_bytes(record);
    if (rebuilt_bytes <= slices->slice.member_offset_bytes)
        return states.failed;
    if (rebuilt_bytes - slices->slice.member_offset_bytes < slices->slice.length_bytes)
        parity_walk_cut(&slices->walk, &slices->slice,
                        (uint32_t)(rebuilt_bytes - slices->slice.member_offset_bytes));
    return member_states_absent(states);
}

static uint32_t parity_members(const struct command *command)
{
    const struct layout *layout = &command->virtual->layout;
    uint64_t row = command->split->slices.slice.row;
    uint32_t members = 1u << layout_p_member(layout, row);

    return layout->parities == 2 ? members | 1u << layout_q_member(layout, row) : members;
}

static int plan_slice(struct command *command)
{
    struct split *split = command->split;
    struct split_slices *slices = &split->slices;
    const struct layout *layout = &command->virtual->layout;

    if (command_changes_data(command->op)) {
        split->absent = absent_in_slice(command);
        return parity_plan_write(&slices->plan, layout, &slices->slice, split->absent,
                                 slices->unreadable);
    }
    split->absent |= virtual_failed(command->virtual);
    if (command->op == COMMAND_READ)
        return parity_plan_read(&slices->plan, layout, &slices->slice, split->absent);
    uint32_t targets = split_restore_targets(command);
    if (command->members == 0) /* made equal: parity to the data */
        targets &= parity_members(command);
    else if (targets == 0)
        return -ECANCELED;
    return parity_plan_rebuild(&slices->plan, layout, &slices->slice, split->absent, targets);
}

static void begin_step(struct command *command, enum slice_step step)
{
    struct split *split = command->split;

    split->slices.step = (uint8_t)step;
    split->slices.transfer = 0;
    split->good = split->bad = 0;
    aggregate_begin(&command->aggregate, 1);
}

/* Whether all columns of the slice become zero, and so its parity too. */
static bool zeroes_all(const struct command *command)
{
    uint32_t all = (1u << command->virtual->layout.columns) - 1;

    return writes_zeroes(command) && command->split->slices.slice.columns == all;
}

/* Transfers of zeroes from the payload of a command that has none, and parity of nothing else: so
 * that a TRIM frees space everywhere. */
static bool is_zero(const struct command *command, const struct parity_transfer *transfer)
{
    return (transfer->place.payload && writes_zeroes(command)) || zeroes_all(command);
}

/* What takes no space on the others takes none on a member that is made from them. */
static bool is_restored_zero(const struct controller *controller, const struct command *command,
                             uint64_t offset_bytes)
{
    return command->op == COMMAND_RESTORE &&
           payload_is_zero(controller->segment.base + offset_bytes,
                           command->split->slices.plan.length_bytes);
}

/* In the segment. */
static uint64_t memory_of(const struct command *command, const struct parity_transfer *transfer)
{
    return transfer->place.at_bytes + (transfer->place.payload
                                           ? split_payload_offset_bytes(command)
                                           : command->split->slices.memory_offset_bytes);
}

const uint8_t *split_slices_write_from(const struct controller *controller,
                                       const struct command *command, uint32_t index)
{
    const struct parity_transfer *transfer = &command->split->slices.plan.write[index];

    return is_zero(command, transfer) ? NULL
                                      : controller->segment.base + memory_of(command, transfer);
}

static bool send_transfer(struct controller *controller, struct command *command,
                          const struct parity_transfer *transfer)
{
    const struct split_slices *slices = &command->split->slices;
    bool read = slices->step == SLICE_READ;
    uint64_t memory = memory_of(command, transfer);
    bool zero =
        !read && (is_zero(command, transfer) || is_restored_zero(controller, command, memory));
    const struct component_wanted wanted = {
        .op = read   ? COMMAND_READ
              : zero ? COMMAND_ZERO
                     : COMMAND_WRITE,
        .flags = read ? 0 : (uint8_t)(command->flags & (zero ? COMMAND_FLAGS_ALL : COMMAND_FUA)),
        .member = transfer->member,
        .member_offset_bytes = slices->plan.member_offset_bytes,
        .length_bytes = slices->plan.length_bytes,
        .virtual_offset_bytes = command->split->part_offset_bytes,
        .payload_offset_bytes = zero ? 0 : memory,
    };

    return component_send(controller, command, &wanted);
}

/* Sends what is left of the step. False: a component is waited for. */
static bool send_step(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;
    bool read = slices->step == SLICE_READ;
    uint32_t count = read ? slices->plan.reads : slices->plan.writes;

    command->split->in_round = true;
    for (; slices->transfer < count; slices->transfer++) {
        const struct parity_transfer *transfer =
            read ? &slices->plan.read[slices->transfer] : &slices->plan.write[slices->transfer];
        if (!send_transfer(controller, command, transfer))
            return false;
    }
    command->split->in_round = false;
    return true;
}

static void compute(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;
    uint8_t *workspace =
        slices->has_workspace ? controller->segment.base + slices->memory_offset_bytes : NULL;

    uint8_t *payload = writes_zeroes(command)
                           ? NULL
                           : controller->segment.base + split_payload_offset_bytes(command);

    parity_plan_compute(&slices->plan, payload, workspace);
}

/* The next one that has not been written already. */
static bool walk_on(struct command *command)
{
    struct split_slices *slices = &command->split->slices;

    while (parity_walk_next(&slices->walk, &slices->slice)) {
        if (!split_redo_has_written(command))
            return true;
    }
    return false;
}

void split_slices_begin(struct command *command)
{
    struct split *split = command->split;

    split->slices.in_use = true;
    split->slices.step = SLICE_NEXT;
    split->slices.has_workspace = split->slices.journaled = false;
    parity_walk_begin(&split->slices.walk, &command->virtual->layout, split->part_offset_bytes,
                      split->part_bytes);
    if (split->redo.has_slice) {
        split_redo_plan(command);
        begin_step(command, SLICE_WRITE);
    }
}

/* --- after a step: NEXT goes on with what `step` says now, DONE ends the part --- */

static enum stage_verdict end_slice(struct controller *controller, struct command *command)
{
    give_workspace(controller, command);
    command->split->slices.step = SLICE_NEXT;
    return STAGE_NEXT;
}

static enum stage_verdict end_part(struct controller *controller, struct command *command)
{
    give_workspace(controller, command);
    command->split->slices.in_use = false;
    return STAGE_DONE;
}

/* A write's plan that does without reading the members that could not be read: they are written all
 * the same, and none is stale for it. Where there is none they have failed, for everybody. */
static bool plan_without_reading(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;

    slices->unreadable |= command->split->bad;
    if (plan_slice(command) == 0)
        return true;
    uint32_t unreadable = slices->unreadable;
    slices->unreadable = 0;
    return virtual_fail(controller, command->virtual, unreadable);
}

/* Another plan for the same slice, without the members that could not be read. */
static enum stage_verdict plan_again(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    if (!command_changes_data(command->op)) {
        read_repair_want(controller, command, split->bad);
        split->absent |= split->bad;
        if (!virtual_bears(&command->virtual->layout, split->absent))
            return end_part(controller, command);
    } else if (!plan_without_reading(controller, command)) {
        return end_part(controller, command);
    }
    give_workspace(controller, command);
    int error = plan_slice(command);
    aggregate_begin(&command->aggregate, 1);
    if (error != 0) {
        aggregate_add(&command->aggregate, split->part_offset_bytes, error);
        return end_part(controller, command);
    }
    split->slices.step = SLICE_WORKSPACE;
    return STAGE_NEXT;
}

/* What is made anew of other members is not: who is written is trusted only when all is done, and
 * what the rows say stays as it is. */
static bool is_journaled(const struct controller *controller, const struct command *command)
{
    return controller->journal != NULL && command_changes_data(command->op);
}

/* Its redo record says first that the command has begun: a record in the journal that is durable
 * and was not written in place must be of something that is done again (journal.h). */
static enum stage_verdict begin_journal(struct controller *controller, struct command *command)
{
    split_redo_begin(controller, command);
    command->split->slices.step = SLICE_JOURNAL;
    journal_add(controller, command);
    return STAGE_WAIT;
}

static enum stage_verdict begin_writes(struct controller *controller, struct command *command)
{
    split_redo_begin_slice(controller, command);
    begin_step(command, SLICE_WRITE);
    return STAGE_NEXT;
}

static enum stage_verdict after_read(struct controller *controller, struct command *command)
{
    if (command->split->bad != 0)
        return plan_again(controller, command);
    compute(controller, command);
    if (command->split->slices.plan.writes == 0)
        return end_slice(controller, command);
    return is_journaled(controller, command) ? begin_journal(controller, command)
                                             : begin_writes(controller, command);
}

/* Nothing of the slice has been written. */
static enum stage_verdict after_journal(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    if (split->slices.journal_status == 0)
        return begin_writes(controller, command);
    aggregate_begin(&command->aggregate, 1);
    aggregate_add(&command->aggregate, split->part_offset_bytes, split->slices.journal_status);
    return end_part(controller, command);
}

/* Where more failed than the layout can do without, the host is told so. But parity may have been
 * written of data that was not, and must not be trusted to make anything of: it is stale.
 *
 * What reached all members but those that the layout can do without has happened: parity holds what
 * they do not. */
static enum stage_verdict after_write(struct controller *controller, struct command *command)
{
    if (command->split->bad == 0)
        return end_slice(controller, command);
    if (command->op == COMMAND_RESTORE) {
        (void)virtual_fail(controller, command->virtual, command->split->bad);
        return end_part(controller, command);
    }
    if (!virtual_fail(controller, command->virtual, command->split->bad)) {
        (void)virtual_fail(controller, command->virtual, parity_members(command));
        return end_part(controller, command);
    }
    command->aggregate.status = 0;
    return end_slice(controller, command);
}

static enum stage_verdict next_slice(struct controller *controller, struct command *command)
{
    struct split_slices *slices = &command->split->slices;

    slices->unreadable = 0;
    aggregate_begin(&command->aggregate, 1);
    if (!walk_on(command)) {
        aggregate_add(&command->aggregate, 0, 0);
        return end_part(controller, command);
    }
    int error = plan_slice(command);
    if (error != 0) {
        aggregate_add(&command->aggregate, command->split->part_offset_bytes, error);
        return end_part(controller, command);
    }
    slices->step = SLICE_WORKSPACE;
    return STAGE_NEXT;
}

static enum stage_verdict after_step(struct controller *controller, struct command *command)
{
    switch ((enum slice_step)command->split->slices.step) {
    case SLICE_READ:
        return after_read(controller, command);
    case SLICE_JOURNAL:
        return after_journal(controller, command);
    default:
        return after_write(controller, command);
    }
}

static enum stage_verdict begin_transfers(struct controller *controller, struct command *command)
{
    if (take_workspace(controller, command) != 0) {
        command->split->in_round = true;
        return STAGE_WAIT;
    }
    begin_step(command, SLICE_READ);
    return STAGE_NEXT;
}

static enum stage_verdict transfer(struct controller *controller, struct command *command)
{
    if (!send_step(controller, command) || !aggregate_add(&command->aggregate, 0, 0))
        return STAGE_WAIT;
    return after_step(controller, command);
}

enum stage_verdict split_slices_go_on(struct controller *controller, struct command *command)
{
    enum stage_verdict verdict = STAGE_NEXT;

    while (verdict == STAGE_NEXT) {
        switch ((enum slice_step)command->split->slices.step) {
        case SLICE_NEXT:
            verdict = next_slice(controller, command);
            break;
        case SLICE_WORKSPACE:
            verdict = begin_transfers(controller, command);
            break;
        case SLICE_JOURNAL: /* who waits for that goes on by way of after_step */
            assert(false);
            return STAGE_WAIT;
        case SLICE_READ:
        case SLICE_WRITE:
            verdict = transfer(controller, command);
            break;
        }
    }
    split_wake_workspace_waiters(controller);
    return verdict;
}

/* A workspace or a component can be had, or a step has ended. */
enum stage_verdict split_slices_complete(struct controller *controller, struct command *command)
{
    enum stage_verdict verdict =
        command->split->in_round ? STAGE_NEXT : after_step(controller, command);

    if (verdict == STAGE_NEXT)
        return split_slices_go_on(controller, command);
    split_wake_workspace_waiters(controller);
    return verdict;
}
