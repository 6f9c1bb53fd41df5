#include "controller/path/split_extents.h"

#include <assert.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/path/split.h"

enum { SLICE_BYTES = EXTENTS_MAX * sizeof(struct extent) };

_Static_assert(SLICE_BYTES % BLOCK_BYTES == 0, "every slice begins with a block");

uint64_t extents_buffer_bytes(const struct controller *controller, uint32_t volume)
{
    const struct virtual_volume *virtual = virtual_find(controller, volume);

    return SLICE_BYTES * (virtual == NULL ? 1 : 1 + (uint64_t) virtual->layout.members);
}

/* With parity a member has several components in several rows, but one slice: so one row. Putting
 * together is work for each chunk, in one go: so no more of them than delay nobody. */
uint64_t split_extents_part_bytes(const struct command *command)
{
    const struct layout *layout = &command->virtual->layout;
    uint64_t row_bytes = (uint64_t)layout->chunk_bytes * layout->columns;

    uint64_t room = layout->parities > 0 ? row_bytes - command->offset_bytes % row_bytes
                                         : (uint64_t)layout->chunk_bytes * EXTENTS_CHUNKS_MAX;

    if (layout->chunk_bytes == 0 || command->length_bytes < room)
        return command->length_bytes;
    return room;
}

uint64_t split_extents_slice(const struct command *command, uint32_t member)
{
    return command->payload_offset_bytes + SLICE_BYTES * (1 + (uint64_t)member);
}

uint32_t split_extents_all_data(const struct controller *controller, uint64_t slice_offset_bytes,
                                uint64_t length_bytes)
{
    struct extent *extents =
        (struct extent *)(void *)(controller->segment.base + slice_offset_bytes);

    extents[0] = (struct extent){.length_bytes = length_bytes};
    return 1;
}

/* What is left of a member's extents. */
struct cursor {
    const struct extent *extents;
    uint32_t next, count;
    struct extent now;
};

/* Loads the extent that the member is in; false: nothing is known from here on. Its owner, another
 * process, may have written anything, so each
 * is loaded once; a length of 0 ends it. */
static bool load(struct cursor *cursor)
{
    if (cursor->now.length_bytes > 0)
        return true;
    if (cursor->next == cursor->count)
        return false;
    memcpy(&cursor->now, &cursor->extents[cursor->next++], sizeof cursor->now);
    return cursor->now.length_bytes > 0;
}

/* Adds to the last of `count` extents, or one more. Returns their new count; 0: there is no room.
 */
static uint32_t append(struct extent *extents, uint32_t count, uint64_t length_bytes, uint32_t hole)
{
    if (count > 0 && extents[count - 1].hole == hole) {
        extents[count - 1].length_bytes += length_bytes;
        return count;
    }
    if (count == EXTENTS_MAX)
        return 0;
    extents[count] = (struct extent){.length_bytes = length_bytes, .hole = hole};
    return count + 1;
}

/* The piece of the virtual volume that begins at `at_bytes` and lies in one on a member. */
static struct component piece_at(const struct command *command, uint64_t at_bytes,
                                 uint64_t end_bytes)
{
    const struct layout *layout = &command->virtual->layout;
    const struct layout_choice choice = {.absent = command->split->absent,
                                         .preferred_copy = command->virtual->preferred_copy};
    uint64_t length_bytes = end_bytes - at_bytes;
    struct layout_walk walk;
    struct component piece;

    if (layout->chunk_bytes != 0) {
        uint64_t room = layout->chunk_bytes - at_bytes % layout->chunk_bytes;
        length_bytes = length_bytes < room ? length_bytes : room;
    }
    layout_walk_begin(&walk, layout, LAYOUT_READ, at_bytes, length_bytes, &choice);
    bool found = layout_walk_next(&walk, &piece);
    assert(found);
    return piece;
}

static void merge_extents(struct command *command)
{
    const struct split *split = command->split;
    struct extent *merged = (struct extent *)(void *)command->payload;
    struct cursor cursors[MEMBERS_MAX];
    uint64_t at = split->part_offset_bytes, end = at + split->part_bytes;

    for (uint32_t i = 0; i < command->virtual->layout.members; i++)
        cursors[i] = (struct cursor){.extents = merged + (uint64_t)EXTENTS_MAX * (1 + i),
                                     .count = split->extents_count[i]};
    command->count = 0;
    while (at < end) {
        struct component piece = piece_at(command, at, end);
        struct cursor *cursor = &cursors[piece.member];
        uint64_t done = 0;
        while (done < piece.length_bytes && load(cursor)) {
            uint64_t left = piece.length_bytes - done;
            uint64_t run = cursor->now.length_bytes < left ? cursor->now.length_bytes : left;
            uint32_t count = append(merged, command->count, run, cursor->now.hole != 0);
            if (count == 0)
                return;
            command->count = count;
            cursor->now.length_bytes -= run;
            done += run;
        }
        if (done < piece.length_bytes)
            return;
        at += done;
    }
}

/* --- locations --- */

static uint32_t place_of(const struct controller *controller, uint32_t volume)
{
    struct mapping_place place;

    if (mapping_resolve(&controller->segment, volume, 0, 0, &place) != 0)
        return 0;
    return place.owner << 16 | place.element;
}

struct location *split_extents_locations(const struct command *command)
{
    return (struct location *)(void *)(command->payload + SLICE_BYTES);
}

static void list_locations(const struct controller *controller, struct command *command)
{
    struct location *locations = split_extents_locations(command);
    uint64_t at = command->split->part_offset_bytes;
    uint64_t end = at + command->split->part_bytes;
    uint32_t count = 0;

    while (at < end && count < EXTENTS_MAX) {
        struct component piece = piece_at(command, at, end);
        locations[count++] =
            (struct location){(uint32_t)piece.length_bytes,
                              place_of(controller, command->virtual->members[piece.member].volume)};
        at += piece.length_bytes;
    }
    command->locations = count;
}

/* In this order: the locations take the place of the first member's extents. */
void split_extents_merge(const struct controller *controller, struct command *command)
{
    merge_extents(command);
    list_locations(controller, command);
}
