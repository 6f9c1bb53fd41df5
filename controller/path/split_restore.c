/*
 * SPLIT: RESTORE makes what some members should hold from the others and writes it to them. With
 * parity that is a plan like any other (split_parity.c); with copies it is read from one that is
 * good, into the command's own buffer, and written to the others.
 *
 * Its range is reserved as a write's, so no host's write comes in between. What it reads is what
 * was answered; what hosts write afterwards goes to the members that are being rebuilt as well.
 */
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

/* Without members it makes equal what may differ since an end without order: copies from the first
 * that can be read, parity from the data. */
static bool is_resync(const struct command *command)
{
    return command->members == 0;
}

uint32_t split_restore_targets(const struct command *command)
{
    if (is_resync(command))
        return ~virtual_failed(command->virtual);
    return command->members & member_states_now(command->virtual->record).rebuilding;
}

void split_restore_done(const struct command *command)
{
    uint64_t offset_bytes, length_bytes;

    if (command->virtual->layout.parities == 0 || is_resync(command))
        return;
    parity_member_range(&command->virtual->layout, command->offset_bytes, command->length_bytes,
                        &offset_bytes, &length_bytes);
    member_states_set_rebuilt(command->virtual->record, offset_bytes + length_bytes);
}

/* --- copies --- */

/* The range lies within one chunk, where there are chunks: so it is at one place of all members
 * that have it. */
static void find_set(struct command *command)
{
    struct split_restore *restore = &command->split->restore;
    struct layout_walk walk;
    struct component component;

    restore->set = 0;
    layout_walk_begin(&walk, &command->virtual->layout, LAYOUT_WRITE, command->offset_bytes,
                      command->length_bytes, NULL);
    while (layout_walk_next(&walk, &component)) {
        restore->set |= 1u << component.member;
        restore->member_offset_bytes = component.member_offset_bytes;
    }
}

static void begin_round(struct command *command, bool writing)
{
    struct split *split = command->split;

    split->restore.writing = writing;
    split->restore.member = 0;
    split->good = split->bad = 0;
    aggregate_begin(&command->aggregate, 1);
}

void split_restore_begin(struct controller *controller, struct command *command)
{
    (void)controller;
    command->split->restore.in_use = true;
    command->split->absent = 0;
    find_set(command);
    begin_round(command, false);
}

/* Those that are sent to in this round: one copy that is good; or all that are made. */
static uint32_t wanted_members(const struct command *command)
{
    const struct split *split = command->split;
    uint32_t good = split->restore.set & ~virtual_failed(command->virtual) & ~split->absent;

    return split->restore.writing
               ? split->restore.set & split_restore_targets(command) & ~split->restore.source
               : good & -good;
}

/* Where there are only zeroes none are written: so what takes no space on one takes none on the
 * others. */
static uint8_t op_of_round(const struct command *command)
{
    if (!command->split->restore.writing)
        return COMMAND_READ;
    return payload_is_zero(command->payload, command->length_bytes) ? COMMAND_ZERO : COMMAND_WRITE;
}

/* True when all of the round has been sent; false: a component is waited for. */
static bool send_round(struct controller *controller, struct command *command)
{
    struct split_restore *restore = &command->split->restore;
    uint32_t wanted = wanted_members(command);
    uint8_t op = op_of_round(command);

    command->split->in_round = true;
    for (; restore->member < command->virtual->layout.members; restore->member++) {
        const struct component_wanted component = {
            .op = op,
            .member = restore->member,
            .member_offset_bytes = restore->member_offset_bytes,
            .length_bytes = command->length_bytes,
            .virtual_offset_bytes = command->offset_bytes,
            .payload_offset_bytes = op == COMMAND_ZERO ? 0 : command->payload_offset_bytes};
        if ((wanted >> restore->member & 1) != 0 &&
            !component_send(controller, command, &component))
            return false;
    }
    command->split->in_round = false;
    return true;
}

static enum stage_verdict over(struct command *command, int32_t status)
{
    if (status != 0)
        command->aggregate.status = status;
    command->split->restore.in_use = false;
    return STAGE_DONE;
}

/* NEXT: another round has begun. */
static enum stage_verdict end_round(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    if (split->restore.writing) {
        if (split->bad != 0)
            (void)virtual_fail(controller, command->virtual, split->bad);
        bool nothing = split->good == 0 && split->bad == 0 && !is_resync(command);
        return over(command, nothing ? -ECANCELED : 0);
    }
    if (split->good == 0 && split->bad == 0) /* no copy is left */
        return over(command, -EIO);
    split->absent |= split->bad;
    split->restore.source = split->good;
    begin_round(command, split->good != 0);
    return STAGE_NEXT;
}

static const struct split_rounds rounds = {.send = send_round, .end = end_round};

enum stage_verdict split_restore_go_on(struct controller *controller, struct command *command)
{
    return split_rounds_go_on(&rounds, controller, command);
}

enum stage_verdict split_restore_complete(struct controller *controller, struct command *command)
{
    return split_rounds_complete(&rounds, controller, command);
}
