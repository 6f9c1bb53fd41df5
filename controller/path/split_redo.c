/*
 * SPLIT: what is about to be written to several members is said in the command's redo record first
 * (shm/redo.h), so that it is not left half done when this controller dies.
 *
 * A command that redoes what a dead one left has that one's record, and takes the same steps in it.
 *
 * Only what is reserved is said: without a reservation (policy `none`, on copies) somebody may have
 * written there again, and been answered, before it is done once more.
 */
#include <assert.h>

#include "controller/controller.h"
#include "controller/path/split.h"
#include "shm/crash_point.h"

static struct redo_record *record_of(const struct controller *controller,
                                     const struct command *command)
{
    return command->split->redo.adopted ? command->split->redo.record
                                        : &controller->redo.records[command - controller->commands];
}

static void set(const struct controller *controller, struct command *command, enum redo_phase phase)
{
    command->split->redo.phase = (uint8_t)phase;
    redo_set(record_of(controller, command), (struct redo_state){.phase = (uint8_t)phase,
                                                                 .seat = (uint8_t)controller->id,
                                                                 .epoch = controller->epoch});
}

static bool is_said(const struct command *command)
{
    return command->split->redo.phase != REDO_FREE;
}

/* What has been said already is a dead controller's, and is what this command goes by. */
static void say_command(const struct controller *controller, const struct command *command)
{
    const struct split *split = command->split;

    if (is_said(command))
        return;
    record_of(controller, command)->command = (struct redo_command){
        .offset_bytes = split->part_offset_bytes,
        .length_bytes = split->part_bytes,
        .payload_offset_bytes =
            command_has_payload(command->op) ? split_payload_offset_bytes(command) : 0,
        .volume = command->virtual->volume, /* its own is a member's, when it goes straight */
        .op = command->op,
        .flags = command->flags,
    };
}

static bool is_to_be_said(const struct command *command)
{
    return command_changes_data(command->op) && command->split->reserved;
}

void split_redo_begin(struct controller *controller, struct command *command)
{
    if (!is_to_be_said(command) || is_said(command))
        return;
    say_command(controller, command);
    CRASH_POINT("redo.command_written");
    set(controller, command, REDO_BEGUN);
    CRASH_POINT("redo.begun");
}

void split_redo_begin_slice(struct controller *controller, struct command *command)
{
    const struct split_slices *slices = &command->split->slices;
    const struct parity_plan *plan = &slices->plan;

    if (!command_changes_data(command->op) || command->split->redo.phase == REDO_SLICE)
        return;
    assert(command->split->reserved || command->split->redo.adopted);
    say_command(controller, command);
    record_of(controller, command)->slice = (struct redo_slice){
        .row = slices->slice.row,
        .member_offset_bytes = slices->slice.member_offset_bytes,
        .length_bytes = slices->slice.length_bytes,
        .columns = slices->slice.columns,
        .absent = command->split->absent,
        .p_offset_bytes = plan->make_p ? slices->memory_offset_bytes + plan->p.at_bytes : 0,
        .q_offset_bytes = plan->make_q ? slices->memory_offset_bytes + plan->q.at_bytes : 0,
    };
    CRASH_POINT("redo.slice_written");
    set(controller, command, REDO_SLICE);
    CRASH_POINT("redo.slice_begun");
}

void split_redo_end_slice(struct controller *controller, struct command *command)
{
    if (command->split->redo.phase != REDO_SLICE)
        return;
    CRASH_POINT("redo.slice_over");
    set(controller, command, REDO_BEGUN);
}

/* What a dead peer claimed of another dead one's payload may still read it: then the buffer must
 * not be used again. Of its own payload the source sees to that itself. */
void split_redo_end(struct controller *controller, struct command *command)
{
    bool lingers = command->split->redo.adopted && command->lost_claimants != 0;

    if (!is_said(command))
        return;
    CRASH_POINT("redo.over");
    set(controller, command, lingers ? REDO_LINGERS : REDO_FREE);
    command->split->redo.phase = REDO_FREE;
    CRASH_POINT("redo.freed");
}

/* --- a slice that a dead controller was writing --- */

/* Its parity is in the dead one's memory, or in that of another one that died at this. Members that
 * failed meanwhile are left out; those that it had left out lack what was written before as well.
 */
void split_redo_plan(struct command *command)
{
    struct split *split = command->split;
    struct split_slices *slices = &split->slices;
    const struct redo_slice *found = &split->redo.slice;
    const struct parity_place p = {.at_bytes = found->p_offset_bytes};
    const struct parity_place q = {.at_bytes = found->q_offset_bytes};

    slices->slice = (struct parity_slice){.row = found->row,
                                          .member_offset_bytes = found->member_offset_bytes,
                                          .length_bytes = found->length_bytes,
                                          .columns = found->columns,
                                          .begin_bytes = split->part_offset_bytes};
    slices->memory_offset_bytes = 0; /* both places are the segment's */
    slices->unreadable = 0;
    split->absent = found->absent | virtual_absent(command->virtual);
    parity_plan_write_again(&slices->plan, &command->virtual->layout, &slices->slice, split->absent,
                            found->p_offset_bytes != 0 ? &p : NULL,
                            found->q_offset_bytes != 0 ? &q : NULL);
}

bool split_redo_has_written(const struct command *command)
{
    const struct redo_slice *found = &command->split->redo.slice;
    const struct parity_slice *slice = &command->split->slices.slice;

    return command->split->redo.has_slice && slice->row == found->row &&
           slice->member_offset_bytes == found->member_offset_bytes &&
           slice->length_bytes == found->length_bytes && slice->columns == found->columns;
}
