#include "controller/layout/parity_row.h"

#include <assert.h>

/* The part of a range that lies in one row: the first column from `from` on, all between, the last
 * column up to `to`. */
struct cut {
    uint32_t first, last; /* columns */
    uint32_t from, to;    /* within the chunks of the first and of the last */
};

static uint64_t row_bytes(const struct layout *layout)
{
    return (uint64_t)layout->columns * layout->chunk_bytes;
}

static struct cut cut_of(const struct parity_walk *walk)
{
    uint64_t width = row_bytes(walk->layout), row_begin = walk->row * width;
    uint64_t from = walk->begin_bytes > row_begin ? walk->begin_bytes - row_begin : 0;
    uint64_t last =
        walk->end_bytes - row_begin < width ? walk->end_bytes - row_begin - 1 : width - 1;
    uint32_t chunk_bytes = walk->layout->chunk_bytes;

    return (struct cut){.first = (uint32_t)(from / chunk_bytes),
                        .last = (uint32_t)(last / chunk_bytes),
                        .from = (uint32_t)(from % chunk_bytes),
                        .to = (uint32_t)(last % chunk_bytes) + 1};
}

/* The columns that are in the range at byte `at` of their chunks. */
static uint32_t columns_at(const struct cut *cut, uint32_t at)
{
    uint64_t columns = ((uint64_t)2 << cut->last) - ((uint64_t)1 << cut->first);

    if (at < cut->from)
        columns &= ~((uint64_t)1 << cut->first);
    if (at >= cut->to)
        columns &= ~((uint64_t)1 << cut->last);
    return (uint32_t)columns;
}

/* Where the columns change next after byte `at`, or a slice must end. */
static uint32_t slice_end(const struct layout *layout, const struct cut *cut, uint32_t at)
{
    uint32_t end = at - at % PARITY_COLUMN_BYTES + PARITY_COLUMN_BYTES;

    if (end > layout->chunk_bytes)
        end = layout->chunk_bytes;
    if (cut->from > at && cut->from < end)
        end = cut->from;
    if (cut->to > at && cut->to < end)
        end = cut->to;
    return end;
}

void parity_walk_begin(struct parity_walk *ret_walk, const struct layout *layout,
                       uint64_t offset_bytes, uint64_t length_bytes)
{
    assert(layout->parities != 0 && offset_bytes <= layout->size_bytes);
    assert(length_bytes <= layout->size_bytes - offset_bytes);
    *ret_walk = (struct parity_walk){.layout = layout,
                                     .begin_bytes = offset_bytes,
                                     .end_bytes = offset_bytes + length_bytes,
                                     .row = offset_bytes / row_bytes(layout)};
}

/* Whether the walk has come to its end; steps over what is finished of a row. */
static bool at_row(struct parity_walk *walk)
{
    if (walk->from == walk->layout->chunk_bytes) {
        walk->from = 0;
        walk->row++;
    }
    return walk->begin_bytes < walk->end_bytes &&
           walk->row * row_bytes(walk->layout) < walk->end_bytes;
}

bool parity_walk_next(struct parity_walk *walk, struct parity_slice *ret_slice)
{
    while (at_row(walk)) {
        struct cut cut = cut_of(walk);
        uint32_t from = walk->from, columns = columns_at(&cut, from);

        walk->from = slice_end(walk->layout, &cut, from);
        if (columns == 0)
            continue; /* a gap: the range ends before the place where it began in its row */
        *ret_slice = (struct parity_slice){.row = walk->row,
                                           .member_offset_bytes =
                                               walk->row * walk->layout->chunk_bytes + from,
                                           .length_bytes = walk->from - from,
                                           .columns = columns,
                                           .begin_bytes = walk->begin_bytes};
        return true;
    }
    return false;
}

void parity_walk_cut(struct parity_walk *walk, struct parity_slice *slice, uint32_t length_bytes)
{
    assert(length_bytes > 0 && length_bytes < slice->length_bytes);
    walk->from -= slice->length_bytes - length_bytes;
    slice->length_bytes = length_bytes;
}

void parity_member_range(const struct layout *layout, uint64_t offset_bytes, uint64_t length_bytes,
                         uint64_t *ret_offset_bytes, uint64_t *ret_length_bytes)
{
    uint64_t chunk_bytes = layout->chunk_bytes, width = row_bytes(layout);
    uint64_t last = offset_bytes + length_bytes - 1;

    assert(length_bytes > 0);
    if (offset_bytes / chunk_bytes == last / chunk_bytes) {
        *ret_offset_bytes = offset_bytes / width * chunk_bytes + offset_bytes % chunk_bytes;
        *ret_length_bytes = length_bytes;
        return;
    }
    *ret_offset_bytes = offset_bytes / width * chunk_bytes;
    *ret_length_bytes = (last / width - offset_bytes / width + 1) * chunk_bytes;
}
