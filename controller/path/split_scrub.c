/*
 * SPLIT: SCRUB reads all members at one place, at the same time, and compares what they hold
 * (scrub_compare.h): what the elements have, not what caches remember. command->members says which
 * may be written: none, or, to repair, all. It is reserved as a read or as a write is, so that no
 * host's write is seen half done, and none comes in between when members are written.
 *
 *      round of READ  ->  compare  ->  round of WRITE, of members that are to hold something else
 *
 * Its range lies within one chunk, where there are chunks. The command's own buffer has a slot for
 * each member, and for what parity is compared with. command->count: blocks that differ, or cannot
 * be read and could be made; it ends with
 *
 *      -EAGAIN  a member could not be read, and the range is longer than a block: to be asked again
 *               block by block, so that it is known what of it is bad
 *      -EIO     nobody can tell what is right, or it could not be written
 */
#include <errno.h>
#include <stdio.h>

#include "controller/controller.h"
#include "controller/path/scrub_compare.h"
#include "controller/path/split.h"

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static uint32_t slots_of(const struct layout *layout)
{
    return layout->parities > 0 ? layout->members + layout->parities : layout->copies;
}

uint64_t split_scrub_bytes(const struct layout *layout)
{
    return SCRUB_BUFFER_BYTES / slots_of(layout) / BLOCK_BYTES * BLOCK_BYTES;
}

uint64_t split_scrub_buffer_bytes(const struct layout *layout, uint64_t length_bytes)
{
    return slots_of(layout) * whole_blocks(length_bytes);
}

static bool has_parity(const struct command *command)
{
    return command->virtual->layout.parities > 0;
}

static uint8_t *slot(const struct command *command, uint32_t index)
{
    return command->payload + index * whole_blocks(command->length_bytes);
}

/* Of a member of the set: its slots are in the order of members. */
static uint32_t slot_of(const struct command *command, uint32_t member)
{
    return (uint32_t)__builtin_popcount(command->split->scrub.set & ((1u << member) - 1));
}

/* --- where it is --- */

static void find_place(struct command *command)
{
    const struct layout *layout = &command->virtual->layout;
    struct split_scrub *scrub = &command->split->scrub;
    struct layout_walk walk;
    struct component component;
    uint64_t length_bytes;

    scrub->set = 0;
    if (has_parity(command)) {
        scrub->set = UINT32_MAX >> (MEMBERS_MAX - layout->members);
        parity_member_range(layout, command->offset_bytes, command->length_bytes,
                            &scrub->member_offset_bytes, &length_bytes);
        return;
    }
    layout_walk_begin(&walk, layout, LAYOUT_WRITE, command->offset_bytes, command->length_bytes,
                      NULL);
    while (layout_walk_next(&walk, &component)) {
        scrub->set |= 1u << component.member;
        scrub->member_offset_bytes = component.member_offset_bytes;
    }
}

/* --- rounds --- */

static void begin_round(struct command *command, uint32_t members, bool writing)
{
    struct split *split = command->split;

    split->scrub.wanted = members;
    split->scrub.writing = writing;
    split->scrub.member = 0;
    split->good = split->bad = 0;
    aggregate_begin(&command->aggregate, 1);
}

void split_scrub_begin(struct command *command)
{
    command->split->scrub.in_use = true;
    command->count = 0;
    find_place(command);
    begin_round(command, command->split->scrub.set & ~virtual_failed(command->virtual), false);
}

static bool send_round(struct controller *controller, struct command *command)
{
    struct split_scrub *scrub = &command->split->scrub;

    command->split->in_round = true;
    for (; scrub->member < command->virtual->layout.members; scrub->member++) {
        if ((scrub->wanted >> scrub->member & 1) == 0)
            continue;
        uint64_t at_bytes = slot_of(command, scrub->member) * whole_blocks(command->length_bytes);
        const struct component_wanted component = {
            .op = scrub->writing ? COMMAND_WRITE : COMMAND_READ,
            .flags = scrub->writing ? 0 : COMMAND_UNCACHED,
            .member = scrub->member,
            .member_offset_bytes = scrub->member_offset_bytes,
            .length_bytes = command->length_bytes,
            .virtual_offset_bytes = command->offset_bytes,
            .payload_offset_bytes = command->payload_offset_bytes + at_bytes};
        if (!component_send(controller, command, &component))
            return false;
    }
    command->split->in_round = false;
    return true;
}

/* --- comparing --- */

/* Bits of slots become those of members. */
static uint32_t members_of_slots(const struct command *command, uint32_t slots)
{
    uint32_t members = 0;

    for (uint32_t member = 0; member < command->virtual->layout.members; member++) {
        if ((command->split->scrub.set >> member & 1) != 0 &&
            (slots >> slot_of(command, member) & 1) != 0)
            members |= 1u << member;
    }
    return members;
}

static bool compare_copies(const struct command *command, uint32_t known,
                           struct scrub_found *ret_found, uint32_t *ret_changed)
{
    uint8_t *copies[MIRROR_COPIES_MAX];
    uint32_t count = command->virtual->layout.copies, known_slots = 0;

    for (uint32_t i = 0; i < count; i++)
        copies[i] = slot(command, i);
    for (uint32_t member = 0; member < command->virtual->layout.members; member++) {
        if ((known >> member & 1) != 0)
            known_slots |= 1u << slot_of(command, member);
    }
    if (known_slots == 0)
        return false;
    *ret_found = scrub_compare_copies(copies, count, known_slots, command->length_bytes);
    *ret_changed = members_of_slots(command, ret_found->changed);
    return true;
}

/* Which member holds what of this row: data columns, P, Q. */
static uint32_t member_at(const struct layout *layout, uint64_t row, uint32_t bit)
{
    if (bit < layout->columns)
        return layout_data_member(layout, row, bit);
    return bit == layout->columns ? layout_p_member(layout, row) : layout_q_member(layout, row);
}

static bool has_checksums(const struct controller *controller, const struct command *command,
                          uint32_t member)
{
    const struct segment *segment = &controller->segment;
    uint32_t element = segment_volume(segment, command->virtual->members[member].volume)->element;

    return element < segment->geometry.elements &&
           (segment_element(segment, element)->flags & ELEMENT_CHECKSUMS) != 0;
}

static bool compare_row(const struct controller *controller, const struct command *command,
                        uint32_t known, struct scrub_found *ret_found, uint32_t *ret_changed)
{
    const struct layout *layout = &command->virtual->layout;
    uint64_t row = command->split->scrub.member_offset_bytes / layout->chunk_bytes;
    struct scrub_row places = {.columns = layout->columns};
    uint32_t bits = layout->columns + layout->parities;

    for (uint32_t bit = 0; bit < bits; bit++) {
        uint32_t member = member_at(layout, row, bit);
        uint8_t **place = bit < layout->columns    ? &places.data[bit]
                          : bit == layout->columns ? &places.p
                                                   : &places.q;
        *place = slot(command, member);
        if ((known >> member & 1) == 0)
            places.lost |= 1u << bit;
        if (bit < layout->columns && has_checksums(controller, command, member))
            places.trusted |= 1u << bit;
    }
    places.made_p = slot(command, layout->members);
    places.made_q = layout->parities == 2 ? slot(command, layout->members + 1) : NULL;
    if (!scrub_compare_row(&places, command->length_bytes, ret_found))
        return false;
    *ret_changed = 0;
    for (uint32_t bit = 0; bit < bits; bit++) {
        if ((ret_found->changed >> bit & 1) != 0)
            *ret_changed |= 1u << member_at(layout, row, bit);
    }
    return true;
}

static const char *what_differs(const struct command *command, const struct scrub_found *found)
{
    if (!has_parity(command))
        return "copies differ";
    return found->located == found->blocks ? "data of one member fits neither P nor Q"
                                           : "parity does not fit the data";
}

/* The first ones of a job are said; how many there are stands in its record. */
static void say(const struct controller *controller, const struct command *command,
                const struct scrub_found *found)
{
    struct volume_record *record = command->virtual->record;

    /* relaxed: only whether enough was said */
    if (found->blocks == 0 || load_relaxed(&record->job.found) >= SCRUB_SAID_MAX)
        return;
    fprintf(stderr, "anyport: c%u: volume %s: %s at byte %llu of its members (%u block%s there)\n",
            controller->id, record->name, what_differs(command, found),
            (unsigned long long)(command->split->scrub.member_offset_bytes + found->first_bytes),
            found->blocks, found->blocks == 1 ? "" : "s");
}

static enum stage_verdict over(struct command *command, int32_t status)
{
    command->aggregate.status = status;
    command->split->scrub.in_use = false;
    return STAGE_DONE;
}

/* NEXT: a round of writing has begun. */
static enum stage_verdict compare(struct controller *controller, struct command *command)
{
    struct split *split = command->split;
    uint32_t unreadable = split->bad, changed = 0;
    struct scrub_found found;

    if (unreadable != 0 && command->length_bytes > BLOCK_BYTES)
        return over(command, -EAGAIN);
    bool known = has_parity(command)
                     ? compare_row(controller, command, split->good, &found, &changed)
                     : compare_copies(command, split->good, &found, &changed);
    command->count = known ? found.blocks + (uint32_t)__builtin_popcount(unreadable) : 1;
    if (!known)
        return over(command, -EIO);
    say(controller, command, &found);
    /* What is absent is not written, and needs not be: its rebuild does. */
    uint32_t writes = (changed | unreadable) & split->scrub.wanted & command->members;
    if (writes == 0)
        return over(command, 0);
    begin_round(command, writes, true);
    return STAGE_NEXT;
}

static enum stage_verdict end_round(struct controller *controller, struct command *command)
{
    if (!command->split->scrub.writing)
        return compare(controller, command);
    if (command->split->bad == 0)
        return over(command, 0);
    (void)virtual_fail(controller, command->virtual, command->split->bad);
    return over(command, -EIO);
}

static const struct split_rounds rounds = {.send = send_round, .end = end_round};

enum stage_verdict split_scrub_go_on(struct controller *controller, struct command *command)
{
    return split_rounds_go_on(&rounds, controller, command);
}

enum stage_verdict split_scrub_complete(struct controller *controller, struct command *command)
{
    return split_rounds_complete(&rounds, controller, command);
}
