/*
 * Walks: a range of a virtual volume, component by component.
 *
 * A chunk begins a component unless the one before it on the same member is in the range too: then
 * it belongs to that one's component. Without parity the chunk before it on the member is `columns`
 * chunks earlier. With left-symmetric rotation the data of a member follow each other at a distance
 * of columns + 1, until a row in which the member holds parity: there the next chunk is in column
 * 0.
 */
#include <assert.h>

#include "controller/layout/layout.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- who gets the piece --- */

/* A piece of data that `copies` members from `first` on hold. */
static void give_to_copies(struct layout_walk *walk, uint32_t set)
{
    uint32_t copies = walk->layout->copies, first = set * copies;
    uint32_t all = (uint32_t)(((uint64_t)1 << copies) - 1) << first;
    uint32_t present = all & ~walk->absent;

    walk->piece.lost = present == 0;
    if (present == 0)
        walk->left = (uint32_t)1 << first;
    else if (walk->access == LAYOUT_WRITE || copies == 1)
        walk->left = present;
    else {
        uint32_t copy = walk->preferred_copy == NULL ? 0 : walk->preferred_copy[set];
        assert(copy < copies);
        while ((present & (uint32_t)1 << (first + copy)) == 0)
            copy = copy + 1 == copies ? 0 : copy + 1;
        walk->left = (uint32_t)1 << (first + copy);
    }
}

static void give_to_member(struct layout_walk *walk, uint32_t member)
{
    walk->left = (uint32_t)1 << member;
    walk->piece.lost = (walk->absent & walk->left) != 0;
}

/* --- pieces --- */

/* The piece is all of the range that lies on one member without a gap: [from, to). */
static void unbroken(struct layout_walk *walk, uint64_t from_bytes, uint64_t to_bytes,
                     uint64_t member_offset_bytes)
{
    walk->piece = (struct component){.member_offset_bytes = member_offset_bytes,
                                     .length_bytes = to_bytes - from_bytes,
                                     .payload_offset_bytes = from_bytes - walk->begin_bytes,
                                     .first_bytes = to_bytes - from_bytes};
}

static void next_of_concat(struct layout_walk *walk)
{
    const uint64_t *starts = walk->layout->starts;
    uint64_t from = walk->begin_bytes > starts[walk->at] ? walk->begin_bytes : starts[walk->at];
    uint64_t to = least(walk->end_bytes, starts[walk->at + 1]);

    unbroken(walk, from, to, from - starts[walk->at]);
    give_to_member(walk, (uint32_t)walk->at);
    walk->at = to == walk->end_bytes ? UINT64_MAX : walk->at + 1;
}

static void next_of_mirror(struct layout_walk *walk)
{
    unbroken(walk, walk->begin_bytes, walk->end_bytes, walk->begin_bytes);
    give_to_copies(walk, 0);
    walk->at = UINT64_MAX;
}

/* From one chunk of a member to its next, in chunks of the virtual volume. */
static uint32_t stride_of(const struct layout *layout)
{
    return layout->parities == 0 ? layout->columns : layout->columns + 1;
}

/* The chunks from `chunk` to `last` that follow each other on its member, besides itself. */
static uint64_t following(const struct layout *layout, uint64_t chunk, uint64_t last,
                          uint32_t column)
{
    uint64_t more = (last - chunk) / stride_of(layout);

    return layout->parities == 0 ? more : least(more, layout->columns - 1 - column);
}

static void chunked_piece(struct layout_walk *walk, uint64_t row, uint32_t column)
{
    uint32_t chunk_bytes = walk->layout->chunk_bytes;
    uint64_t last = (walk->end_bytes - 1) / chunk_bytes;
    uint64_t more = following(walk->layout, walk->at, last, column);
    uint64_t chunk_begin = walk->at * chunk_bytes;
    uint64_t from = chunk_begin > walk->begin_bytes ? chunk_begin : walk->begin_bytes;
    uint64_t to = least(walk->end_bytes, chunk_begin + chunk_bytes);

    unbroken(walk, from, to, row * chunk_bytes + from % chunk_bytes);
    if (more == 0)
        return;
    uint64_t stride_bytes = (uint64_t)stride_of(walk->layout) * chunk_bytes;
    uint64_t last_begin = chunk_begin + more * stride_bytes;

    walk->piece.length_bytes +=
        (more - 1) * chunk_bytes + least(walk->end_bytes - last_begin, chunk_bytes);
    walk->piece.chunk_bytes = chunk_bytes;
    walk->piece.stride_bytes = stride_bytes;
}

/* The next chunk that begins a component. */
static uint64_t next_beginning(const struct layout_walk *walk)
{
    const struct layout *layout = walk->layout;
    uint64_t chunk = walk->at + 1, first = walk->begin_bytes / layout->chunk_bytes;

    if (chunk >= first + stride_of(layout)) {
        if (layout->parities == 0)
            return UINT64_MAX;
        chunk += layout->columns - 1;
        chunk -= chunk % layout->columns;
    }
    return chunk <= (walk->end_bytes - 1) / layout->chunk_bytes ? chunk : UINT64_MAX;
}

static void next_of_chunks(struct layout_walk *walk)
{
    const struct layout *layout = walk->layout;
    uint64_t row = walk->at / layout->columns;
    uint32_t column = (uint32_t)(walk->at % layout->columns);

    chunked_piece(walk, row, column);
    if (layout->parities == 0)
        give_to_copies(walk, column);
    else
        give_to_member(walk, layout_data_member(layout, row, column));
    walk->at = next_beginning(walk);
}

/* --- the walk --- */

static uint64_t first_at(const struct layout *layout, uint64_t offset_bytes)
{
    uint64_t member = 0;

    if (layout->kind == LAYOUT_MIRROR)
        return 0;
    if (layout->kind != LAYOUT_CONCAT)
        return offset_bytes / layout->chunk_bytes;
    while (layout->starts[member + 1] <= offset_bytes)
        member++;
    return member;
}

void layout_walk_begin(struct layout_walk *ret_walk, const struct layout *layout,
                       enum layout_access access, uint64_t offset_bytes, uint64_t length_bytes,
                       const struct layout_choice *choice)
{
    assert(offset_bytes <= layout->size_bytes);
    assert(length_bytes <= layout->size_bytes - offset_bytes);
    assert(access == LAYOUT_READ || layout->parities == 0);
    *ret_walk =
        (struct layout_walk){.layout = layout,
                             .preferred_copy = choice == NULL ? NULL : choice->preferred_copy,
                             .absent = choice == NULL ? 0 : choice->absent,
                             .access = access,
                             .begin_bytes = offset_bytes,
                             .end_bytes = offset_bytes + length_bytes,
                             .at = length_bytes == 0 ? UINT64_MAX : first_at(layout, offset_bytes)};
}

static void next_piece(struct layout_walk *walk)
{
    if (walk->layout->kind == LAYOUT_CONCAT)
        next_of_concat(walk);
    else if (walk->layout->kind == LAYOUT_MIRROR)
        next_of_mirror(walk);
    else
        next_of_chunks(walk);
}

bool layout_walk_next(struct layout_walk *walk, struct component *ret_component)
{
    if (walk->left == 0) {
        if (walk->at == UINT64_MAX)
            return false;
        next_piece(walk);
    }
    *ret_component = walk->piece;
    ret_component->member = (uint32_t)__builtin_ctz(walk->left);
    walk->left &= walk->left - 1;
    return true;
}
