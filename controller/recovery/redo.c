#include "controller/recovery/redo.h"

#include <stdio.h>

#include "controller/controller.h"
#include "controller/path/split.h"
#include "controller/tracing.h"
#include "shm/crash_point.h"

/* --- what a dead controller's record says: input, like any of another process --- */

/* What was found in a record; a copy. */
struct found {
    struct redo_state state;
    struct redo_command command;
    struct redo_slice slice; /* in REDO_SLICE */
};

/* The seat in whose buffers the range lies, whole blocks of it, or -1. */
static int seat_of(const struct controller *controller, uint64_t offset_bytes,
                   uint64_t within_block, uint64_t bytes)
{
    uint64_t lead_bytes = offset_bytes % BLOCK_BYTES;

    if (lead_bytes != within_block)
        return -1;
    bytes = (lead_bytes + bytes + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1);
    return segment_buffers_seat(&controller->segment, offset_bytes - lead_bytes, bytes);
}

static bool command_makes_sense(const struct controller *controller,
                                const struct redo_command *command, uint32_t source)
{
    const struct virtual_volume *virtual = virtual_find(controller, command->volume);

    if (virtual == NULL || !command_changes_data(command->op) ||
        (command->flags & ~COMMAND_FLAGS_ALL) != 0 || command->length_bytes == 0 ||
        command->length_bytes > SPLIT_PART_BYTES_MAX ||
        command->offset_bytes > virtual->layout.size_bytes ||
        command->length_bytes > virtual->layout.size_bytes - command->offset_bytes)
        return false;
    return !command_has_payload(command->op) ||
           seat_of(controller, command->payload_offset_bytes, command->offset_bytes % BLOCK_BYTES,
                   command->length_bytes) == (int)source;
}

/* Its columns lie in the command's range, at the same place of one row. */
static bool columns_make_sense(const struct layout *layout, const struct found *found)
{
    const struct redo_slice *slice = &found->slice;
    const struct redo_command *command = &found->command;
    const struct parity_slice place = {.row = slice->row,
                                       .member_offset_bytes = slice->member_offset_bytes};
    uint64_t end_bytes = command->offset_bytes + command->length_bytes;

    if (slice->length_bytes == 0 || slice->length_bytes > PARITY_COLUMN_BYTES ||
        slice->row >= layout->size_bytes / layout->chunk_bytes / layout->columns ||
        slice->member_offset_bytes / layout->chunk_bytes != slice->row ||
        slice->length_bytes >
            layout->chunk_bytes - slice->member_offset_bytes % layout->chunk_bytes ||
        slice->columns == 0 || (slice->columns >> layout->columns) != 0)
        return false;
    for (uint32_t i = 0; i < layout->columns; i++) {
        uint64_t at_bytes = parity_slice_virtual(layout, &place, i);
        if ((slice->columns >> i & 1) != 0 &&
            (at_bytes < command->offset_bytes || at_bytes > end_bytes ||
             slice->length_bytes > end_bytes - at_bytes))
            return false;
    }
    return true;
}

/* In the source's buffers, or in those of one that had begun to redo and died; whoever claimed the
 * record after that may have died too. */
static bool parity_makes_sense(const struct controller *controller, const struct found *found,
                               uint64_t offset_bytes)
{
    int seat = seat_of(controller, offset_bytes, found->slice.member_offset_bytes % BLOCK_BYTES,
                       found->slice.length_bytes);

    return offset_bytes == 0 ||
           (seat >= 0 &&
            seat_is_gone(seat_state(segment_seat(&controller->segment, (uint32_t)seat))));
}

/* NULL, or what of it makes no sense. */
static const char *senseless(const struct controller *controller, const struct found *found,
                             uint32_t source)
{
    if (!command_makes_sense(controller, &found->command, source))
        return "the command";
    if (found->state.phase != REDO_SLICE)
        return NULL;
    const struct layout *layout = &virtual_find(controller, found->command.volume)->layout;
    if (layout->parities == 0 || !columns_make_sense(layout, found))
        return "the slice of a row";
    return parity_makes_sense(controller, found, found->slice.p_offset_bytes) &&
                   parity_makes_sense(controller, found, found->slice.q_offset_bytes)
               ? NULL
               : "the place of parity";
}

/* --- a command that redoes --- */

static void set(const struct controller *controller, struct redo_record *record,
                enum redo_phase phase)
{
    redo_set(record, (struct redo_state){.phase = (uint8_t)phase,
                                         .seat = (uint8_t)controller->id,
                                         .epoch = controller->epoch});
}

/* More members are out of reach than the volume can do without. When they come back, with the next
 * lives of their owners, they need not agree: that is for a resync, and at the end of the array its
 * intents stay meant. */
static void leave_unfinished(struct controller *controller, const struct command *command)
{
    struct volume_record *record = command->virtual->record;

    fprintf(stderr,
            "anyport: c%u: what c%u left half done at %llu of volume %s cannot be finished\n",
            controller->id, (uint32_t)command->cookie, (unsigned long long)command->offset_bytes,
            record->name);
    virtual_doubt(controller, command->virtual);
}

/* Its record has been freed, or lingers, by RELEASE. */
static void ended(struct controller *controller, struct command *command)
{
    struct redo *redo = &controller->redo;

    if (command->status != 0)
        leave_unfinished(controller, command);
    command->next = redo->free;
    redo->free = command;
    redo->busy--;
    redo->look = true;
}

static const struct command_origin redo_origin = {.name = "redo", .travels = true, .reply = ended};

static void begin(struct controller *controller, uint32_t source, struct redo_record *record,
                  const struct found *found)
{
    struct redo *redo = &controller->redo;
    struct command *command = redo->free;
    const struct redo_command *wanted = &found->command;

    redo->free = command->next;
    redo->busy++;
    redo->redone[source]++;
    command->next = NULL;
    command->origin = &redo_origin;
    command->cookie = source;
    command->received_ns = loop_now_ns(controller->loop);
    command->op = wanted->op;
    command->flags = wanted->flags;
    command->volume = wanted->volume;
    command->offset_bytes = wanted->offset_bytes;
    command->length_bytes = wanted->length_bytes;
    command->payload_offset_bytes = wanted->payload_offset_bytes;
    command->payload = controller->segment.base + wanted->payload_offset_bytes;
    command->has_buffer = false; /* it is the dead one's */
    command->lost_claimants = 0;
    command->status = 0;
    command->count = 0;
    command->number = 0;
    command->members = 0;
    command->shape = (struct payload_shape){0};
    command->split->reserved = false;
    command->split->redo = (struct split_redo){.record = record,
                                               .phase = found->state.phase,
                                               .adopted = true,
                                               .slice = found->slice,
                                               .has_slice = found->state.phase == REDO_SLICE};
    tracing_volume(controller, TRACE_REDONE, wanted->volume, source);
    command_start(controller, command, STAGE_MAP);
}

/* --- the records of a dead controller --- */

/* Whether it is with nobody who lives, and nobody executes for whom it is with. One that is with
 * this life of ours is being redone. */
static bool is_abandoned(const struct controller *controller, const struct redo_state *state)
{
    if (state->seat >= controller->peers.count || state->seat == controller->id)
        return false;
    const struct peer *peer = &controller->peers.all[state->seat];
    return seat_is_gone(seat_state(peer->seat)) && peers_are_done_with(controller, state->seat);
}

/* I/O of one that died has landed when its seat says so. */
static bool all_have_landed(const struct controller *controller)
{
    for (uint32_t id = 0; id < controller->peers.count; id++) {
        if (seat_state(controller->peers.all[id].seat) == SEAT_DEAD)
            return false;
    }
    return true;
}

static enum redo_left end_lingering(const struct controller *controller, struct redo_record *record,
                                    const struct redo_state *state)
{
    bool ours = state->seat == controller->id;

    if (!all_have_landed(controller) || (!ours && !is_abandoned(controller, state)))
        return REDO_LEFT_PAYLOAD;
    if (!ours && !redo_claim(record, *state, controller->id, controller->epoch))
        return REDO_LEFT_PAYLOAD;
    set(controller, record, REDO_FREE);
    return REDO_LEFT_NOTHING;
}

static enum redo_left take(struct controller *controller, uint32_t source,
                           struct redo_record *record, const struct redo_state *state)
{
    if (controller->redo.free == NULL || !is_abandoned(controller, state))
        return REDO_LEFT_WRITES;
    CRASH_POINT("redo.abandoned");
    if (!redo_claim(record, *state, controller->id, controller->epoch))
        return REDO_LEFT_WRITES;
    CRASH_POINT("redo.claimed");
    struct found found = {.state = *state, .command = record->command, .slice = record->slice};
    const char *what = senseless(controller, &found, source);
    if (what == NULL) {
        begin(controller, source, record, &found);
        return REDO_LEFT_WRITES;
    }
    fprintf(stderr,
            "anyport: c%u: what c%u said that it was writing makes no sense: %s of op %u of volume "
            "%u, %llu bytes at %llu, payload at %llu\n",
            controller->id, source, what, found.command.op, found.command.volume,
            (unsigned long long)found.command.length_bytes,
            (unsigned long long)found.command.offset_bytes,
            (unsigned long long)found.command.payload_offset_bytes);
    set(controller, record, REDO_FREE);
    return REDO_LEFT_NOTHING;
}

static enum redo_left look_at(struct controller *controller, uint32_t source,
                              struct redo_record *record)
{
    struct redo_state state = redo_look(record);

    switch ((enum redo_phase)state.phase) {
    case REDO_BEGUN:
    case REDO_SLICE:
        return take(controller, source, record, &state);
    case REDO_LINGERS:
        return end_lingering(controller, record, &state);
    case REDO_FREE:
        break;
    }
    return REDO_LEFT_NOTHING;
}

enum redo_left redo_go_on(struct controller *controller, uint32_t seat)
{
    struct redo_record *records = segment_redo(&controller->segment, seat);
    enum redo_left left = REDO_LEFT_NOTHING;

    for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
        enum redo_left one = look_at(controller, seat, &records[i]);
        left = one > left ? one : left;
    }
    if (left != REDO_LEFT_WRITES && controller->redo.redone[seat] > 0) {
        fprintf(stderr, "anyport: c%u: finished what c%u had begun to write: commands: %u\n",
                controller->id, seat, controller->redo.redone[seat]);
        controller->redo.redone[seat] = 0;
    }
    return left;
}

/* --- the controller's side --- */

void redo_init(struct controller *controller)
{
    struct redo *redo = &controller->redo;

    redo->records = segment_redo(&controller->segment, controller->id);
    redo->free = redo->commands;
}

void redo_turn(struct controller *controller)
{
    if (!controller->redo.look)
        return;
    controller->redo.look = false;
    peers_look_at_seats(controller);
}

bool redo_has_work(const struct controller *controller)
{
    return controller->redo.look;
}

bool redo_is_quiet(const struct controller *controller)
{
    return controller->redo.busy == 0;
}

bool redo_works_on(const struct controller *controller, uint32_t volume)
{
    for (uint32_t i = 0; i < controller->redo.commands_count; i++) {
        const struct command *command = &controller->redo.commands[i];
        if (command->split->active && command->virtual->volume == volume)
            return true;
    }
    return redo_pending_of_volume(&controller->segment, volume);
}
