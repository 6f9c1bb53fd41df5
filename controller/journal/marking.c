/*
 * What the journal asks of volumes by commands of its own, and the marking of absent members before
 * there are records without them.
 */
#include <assert.h>

#include "controller/controller.h"
#include "controller/journal/journal.h"
#include "controller/path/split.h"
#include "controller/path/virtual.h"

enum { COMMAND_MARKS = 1 }; /* of the journal's own commands */

void journal_send(struct controller *controller, uint32_t number, uint8_t op, uint32_t volume,
                  const struct command_origin *origin)
{
    struct command *command = &controller->journal_commands[number];

    assert(number < JOURNAL_COMMANDS);
    command->origin = origin;
    command->received_ns = loop_now_ns(controller->loop);
    command->op = op;
    command->flags = 0;
    command->volume = volume;
    command->offset_bytes = command->length_bytes = 0;
    command->has_buffer = false;
    command->lost_claimants = 0;
    command->status = 0;
    command->count = 0;
    command->number = 0;
    command->members = 0;
    command->shape = (struct payload_shape){0};
    command->split->reserved = false;
    command->split->redo = (struct split_redo){0};
    command_start(controller, command, STAGE_MAP);
}

static void marked(struct controller *controller, struct command *command)
{
    struct journal_marking *marking = &controller->journal->marking;

    marking->answered = true;
    marking->status = command->status;
}

static const struct command_origin mark_origin = {
    .name = "journal", .travels = true, .reply = marked};

bool marking_is_needed(const struct command *command)
{
    struct volume_record *record = command->virtual->record;

    return record->marked != 0 && member_states_unmarked(record) != 0;
}

void marking_begin(struct controller *controller, uint32_t volume)
{
    struct journal_marking *marking = &controller->journal->marking;

    assert(!marking->running);
    *marking = (struct journal_marking){.running = true, .volume = volume};
    journal_send(controller, COMMAND_MARKS, COMMAND_SETTLE, volume, &mark_origin);
}
