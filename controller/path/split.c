#include "controller/path/split.h"

#include <assert.h>
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/component.h"
#include "controller/path/coordinate.h"
#include "controller/path/split_extents.h"

static bool is_read(const struct command *command)
{
    return command->op == COMMAND_READ || command->op == COMMAND_PREFETCH ||
           command->op == COMMAND_EXTENTS || command->op == COMMAND_INTENTS ||
           command->op == COMMAND_CLEAR;
}

/* FLUSH and INTENTS go to every member that is up to date. */
static bool goes_to_all(const struct command *command)
{
    return command->op == COMMAND_FLUSH || command->op == COMMAND_INTENTS;
}

static bool is_redundant(const struct layout *layout)
{
    return layout->copies > 1 || layout->parities > 0;
}

/* --- parts --- */

static void begin_part(struct command *command, uint64_t offset_bytes)
{
    struct split *split = command->split;
    uint64_t end_bytes = command->offset_bytes + command->length_bytes;

    split->part_offset_bytes = offset_bytes;
    split->part_bytes = end_bytes - offset_bytes;
    if (split->part_bytes > SPLIT_PART_BYTES_MAX && command_changes_data(command->op))
        split->part_bytes = SPLIT_PART_BYTES_MAX;
    if (command->op == COMMAND_EXTENTS)
        split->part_bytes = split_extents_part_bytes(command);
}

void split_begin(struct controller *controller, struct command *command)
{
    assert(command->split != NULL && command->virtual != NULL);
    command->split->absent = command->split->away = 0;
    command->split->patient = false;
    command->split->active = true;
    command->split->number = ++controller->splits_begun;
    command->split->divided = false;
    begin_part(command, command->offset_bytes);
}

/* --- sending a round --- */

/* Copies hold the same bytes at all times, and a TRIM may do nothing on one element and zero
 * another: so where there are copies it zeroes, and frees where the element can. */
static uint8_t component_op(const struct command *command)
{
    return command->op == COMMAND_TRIM && command->virtual->layout.copies > 1 ? COMMAND_ZERO
                                                                              : command->op;
}

static void begin_round(struct command *command)
{
    struct split *split = command->split;
    const struct virtual_volume *virtual = command->virtual;

    aggregate_begin(&command->aggregate, 1); /* the round itself, until all of it is sent */
    split->absent =
        is_read(command) ? split->absent | virtual_failed(virtual) : virtual_absent(virtual);
    split->good = split->bad = 0;
    split->has_next = false;
    split->flush_member = 0;
    const struct layout_choice choice = {.absent = split->absent,
                                         .preferred_copy = virtual->preferred_copy};
    if (!goes_to_all(command) && command->op != COMMAND_RESTORE && !split_wants_slices(command))
        layout_walk_begin(&split->walk, &virtual->layout,
                          is_read(command) ? LAYOUT_READ : LAYOUT_WRITE, split->part_offset_bytes,
                          split->part_bytes, &choice);
}

static bool next_of_all(struct command *command)
{
    struct split *split = command->split;

    while (split->flush_member < command->virtual->layout.members) {
        uint32_t member = split->flush_member++;
        if ((split->absent >> member & 1) == 0) {
            split->next = (struct component){.member = member};
            if (command->op == COMMAND_INTENTS) {
                split->next.member_offset_bytes = command->offset_bytes;
                split->next.length_bytes = command->length_bytes;
            }
            return true;
        }
    }
    return false;
}

static void add_up_intents(struct command *command)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < command->virtual->layout.members; i++) {
        if ((command->split->good >> i & 1) != 0)
            count += command->split->extents_count[i];
    }
    command->count = count < EXTENTS_MAX ? (uint32_t)count : EXTENTS_MAX;
}

static bool next_component(struct command *command)
{
    struct split *split = command->split;

    if (!split->has_next)
        split->has_next = goes_to_all(command) ? next_of_all(command)
                                               : layout_walk_next(&split->walk, &split->next);
    return split->has_next;
}

static bool send_next(struct controller *controller, struct command *command)
{
    const struct component *component = &command->split->next;
    struct component_wanted wanted = {
        .op = component_op(command),
        .flags = command->flags,
        .member = component->member,
        .member_offset_bytes = component->member_offset_bytes,
        .length_bytes = component->length_bytes,
        .virtual_offset_bytes = command->split->part_offset_bytes + component->payload_offset_bytes,
    };

    if (command->op == COMMAND_EXTENTS) {
        wanted.payload_offset_bytes = split_extents_slice(command, component->member);
    } else if (command_has_payload(command->op)) {
        wanted.payload_offset_bytes =
            split_payload_offset_bytes(command) + component->payload_offset_bytes;
        wanted.shape = component_shape(component);
    }
    return component_send(controller, command, &wanted);
}

/* A component that no member can be asked for. A prefetch is advice, and of what is made from
 * parity it is not known what takes no space. */
static void count_lost(struct controller *controller, struct command *command)
{
    struct split *split = command->split;
    const struct component *component = &split->next;
    bool redundant = command->virtual->layout.parities > 0;
    uint64_t offset_bytes = split->part_offset_bytes + component->payload_offset_bytes;

    if (redundant && command->op == COMMAND_EXTENTS)
        split->extents_count[component->member] = split_extents_all_data(
            controller, split_extents_slice(command, component->member), component->length_bytes);
    command->aggregate.remaining++;
    aggregate_add(&command->aggregate, offset_bytes, redundant ? 0 : -EIO);
}

/* True when all of the round has been sent; false: a component is waited for. */
static bool send_round(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    split->in_round = true;
    while (next_component(command)) {
        if (split->next.lost) {
            count_lost(controller, command);
        } else if (!send_next(controller, command)) {
            return false;
        }
        split->has_next = false;
    }
    split->in_round = false;
    return true;
}

/* --- ending a round --- */

void split_component_ended(struct controller *controller, struct command *parent,
                           const struct component_end *end)
{
    struct split *split = parent->split;

    if (end->status == 0)
        split->good |= 1u << end->member;
    else
        split->bad |= 1u << end->member;
    if (end->status == COMPONENT_AWAY)
        split->away |= 1u << end->member;
    split->extents_count[end->member] = end->count;
    if (aggregate_add(&parent->aggregate, end->virtual_offset_bytes, end->status))
        command_complete(controller, parent, 0);
}

/* Members that failed where a copy of the same set did not. */
static uint32_t stale_members(const struct layout *layout, uint32_t good, uint32_t bad)
{
    uint32_t set = (1u << layout->copies) - 1, stale = 0;

    for (uint32_t first = 0; first < layout->members; first += layout->copies) {
        if ((good >> first & set) != 0)
            stale |= bad & set << first;
    }
    return stale;
}

/* A write that reached one copy has happened: the copies that it did not reach are stale from now
 * on. Where it reached none of a set, its error is the host's; and some may have been written all
 * the same, by a member whose answer was an error or did not come. */
static void settle_write(struct controller *controller, struct command *command)
{
    const struct layout *layout = &command->virtual->layout;
    struct split *split = command->split;
    /* One that is being rebuilt is no copy of what was never written to it. */
    uint32_t good = split->good & ~virtual_failed(command->virtual);
    uint32_t stale = layout->parities > 0 ? split->bad : stale_members(layout, good, split->bad);

    /* What missed a write is not rebuilt any further, whatever became of the write. */
    stale |= split->bad & member_states_now(command->virtual->record).rebuilding;
    if (stale != 0 && virtual_fail(controller, command->virtual, stale) && stale == split->bad)
        command->aggregate.status = 0;
    else if (command_changes_data(command->op))
        virtual_doubt(controller, command->virtual);
}

/* Copies are equal while this command holds its reservation: without one, by the policies that
 * allow it, it may meet either of two in any case. What parity would have to make is waited for. */
bool split_reads_elsewhere(const struct command *command, uint32_t member)
{
    const struct split *split = command->split;
    const struct layout *layout = &command->virtual->layout;

    return command->op == COMMAND_READ && layout->copies > 1 && layout->parities == 0 &&
           !split->patient &&
           virtual_bears(layout, split->absent | split->bad | virtual_absent(command->virtual) |
                                     UINT32_C(1) << member);
}

/* Those that were only away, when nobody else can answer. */
static bool may_wait(struct command *command)
{
    struct split *split = command->split;

    if (split->away == 0)
        return false;
    split->absent &= ~split->away;
    split->away = 0;
    split->patient = true;
    return virtual_bears(&command->virtual->layout, split->absent);
}

/* Whether a read that met failing members can be had from others. */
static bool may_read_again(struct controller *controller, struct command *command)
{
    struct split *split = command->split;

    read_repair_want(controller, command, split->bad & ~split->away);
    split->absent |= split->bad;
    return virtual_bears(&command->virtual->layout, split->absent) || may_wait(command);
}

static enum stage_verdict end_part(struct controller *controller, struct command *command)
{
    const struct split *split = command->split;
    uint64_t done_bytes = split->part_offset_bytes + split->part_bytes - command->offset_bytes;

    if (command->op == COMMAND_EXTENTS && command->aggregate.status == 0)
        split_extents_merge(controller, command);
    if (command->op == COMMAND_INTENTS)
        add_up_intents(command);
    if (command->op == COMMAND_RESTORE && command->aggregate.status == 0)
        split_restore_done(command);
    if (command->aggregate.status != 0 || !command_changes_data(command->op) ||
        done_bytes == command->length_bytes)
        return STAGE_DONE;
    (void)coordinate_release(controller, command);
    begin_part(command, command->offset_bytes + done_bytes);
    return STAGE_AGAIN;
}

/* All components of the round have ended. NEXT: another round. DONE: the part is over. */
static enum stage_verdict end_round(struct controller *controller, struct command *command)
{
    const struct layout *layout = &command->virtual->layout;

    if (command->split->bad != 0 && is_redundant(layout)) {
        if (!is_read(command))
            settle_write(controller, command);
        else if (may_read_again(controller, command))
            return STAGE_NEXT;
    }
    return STAGE_DONE;
}

/* --- the stage --- */

/* Sends what is left of this round. */
static enum stage_verdict go_on(struct controller *controller, struct command *command)
{
    if (!send_round(controller, command) || !aggregate_add(&command->aggregate, 0, 0))
        return STAGE_WAIT;
    return end_round(controller, command);
}

/* Members have failed though no write has met them; what follows is their marking. */
static enum stage_verdict settle(struct controller *controller, struct command *command)
{
    for (uint32_t member = 0; member < command->virtual->layout.members; member++) {
        if ((command->members >> member & 1) != 0)
            (void)virtual_fail(controller, command->virtual, 1u << member);
    }
    aggregate_begin(&command->aggregate, 0);
    return STAGE_DONE;
}

static enum stage_verdict begin(struct controller *controller, struct command *command)
{
    if (command->op == COMMAND_SETTLE)
        return settle(controller, command);
    if (command->op == COMMAND_SCRUB) {
        split_scrub_begin(command);
        return split_scrub_go_on(controller, command);
    }
    if (command->op == COMMAND_CLEAR)
        return split_clear_go_on(controller, command);
    begin_round(command);
    if (!split_wants_slices(command))
        split_redo_begin(controller, command);
    if (command->op == COMMAND_RESTORE && command->virtual->layout.parities == 0) {
        split_restore_begin(controller, command);
        return split_restore_go_on(controller, command);
    }
    if (!split_wants_slices(command))
        return go_on(controller, command);
    /* It was not known in COORDINATE that it would have to do without a member. */
    if (!command->split->reserved && !command->split->redo.adopted && command->length_bytes > 0) {
        split_undivide(command);
        return STAGE_AGAIN;
    }
    split_slices_begin(command);
    return split_slices_go_on(controller, command);
}

/* Rounds, until something must be waited for. */
static enum stage_verdict rounds(struct controller *controller, struct command *command,
                                 enum stage_verdict verdict)
{
    while (verdict == STAGE_NEXT || (verdict == STAGE_DONE && split_divide(command)))
        verdict = begin(controller, command);
    if (verdict == STAGE_DONE && !is_read(command))
        verdict = split_mark_begin(controller, command);
    if (verdict == STAGE_DONE)
        verdict = end_part(controller, command);
    return verdict;
}

/* A command that lies in one piece on one member, of which there is no other copy, needs no
 * component: it goes on itself, like one on the member. */
static bool goes_straight(const struct controller *controller, struct command *command)
{
    const struct virtual_volume *virtual = command->virtual;
    struct mapping_place place;
    struct layout_walk walk;
    struct component piece;

    if (is_redundant(&virtual->layout) || goes_to_all(command) ||
        command_is_maintenance(command->op) || command->op == COMMAND_EXTENTS ||
        command->op == COMMAND_CLEAR || command->length_bytes == 0)
        return false;
    layout_walk_begin(&walk, &virtual->layout, LAYOUT_READ, command->offset_bytes,
                      command->length_bytes, NULL);
    if (!layout_walk_next(&walk, &piece) || piece.length_bytes != command->length_bytes ||
        piece.first_bytes < piece.length_bytes ||
        command->split->part_bytes != command->length_bytes ||
        mapping_resolve(&controller->segment, virtual->members[piece.member].volume,
                        piece.member_offset_bytes, piece.length_bytes, &place) != 0)
        return false;
    command->volume = virtual->members[piece.member].volume;
    command->element = place.element;
    command->element_offset_bytes = place.element_offset_bytes;
    return true;
}

/* FAST_ZERO wants to fail rather than to take long. One member might and another not, and then they
 * would differ: so where members must agree it is refused as a whole. */
enum stage_verdict split_run(struct controller *controller, struct command *command)
{
    if (command->virtual == NULL)
        return STAGE_NEXT;
    command->split->slices.in_use = command->split->mark.in_use = false;
    command->split->restore.in_use = command->split->scrub.in_use = false;
    command->split->clear.in_use = false;
    if ((command->flags & COMMAND_FAST_ZERO) != 0 && is_redundant(&command->virtual->layout)) {
        aggregate_add(&command->aggregate, command->offset_bytes, -EOPNOTSUPP);
        return STAGE_DONE;
    }
    if (goes_straight(controller, command)) {
        split_redo_begin(controller, command);
        return STAGE_NEXT;
    }
    return rounds(controller, command, STAGE_NEXT);
}

/* Either there is a component for a command that waited for one, or its round has ended. */
enum stage_verdict split_complete(struct controller *controller, struct command *command)
{
    enum stage_verdict verdict;

    if (command->split->mark.in_use) {
        verdict = split_mark_complete(controller, command);
        return verdict == STAGE_DONE ? end_part(controller, command) : verdict;
    }
    if (command->split->scrub.in_use)
        verdict = split_scrub_complete(controller, command);
    else if (command->split->clear.in_use)
        verdict = split_clear_complete(controller, command);
    else if (command->split->restore.in_use)
        verdict = split_restore_complete(controller, command);
    else if (command->split->slices.in_use)
        verdict = split_slices_complete(controller, command);
    else if (command->split->in_round)
        verdict = go_on(controller, command);
    else
        verdict = end_round(controller, command);
    return rounds(controller, command, verdict);
}
