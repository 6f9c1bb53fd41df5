/*
 * Rows of layouts with parity, in slices that can be worked on one by one. Pure.
 *
 * A row is the chunks at one place of all members. A range seldom covers whole rows: its first
 * chunk begins late and its last one ends early. A slice is some columns' bytes [from, to) of every
 * chunk of a row, chosen so that of each data column either all of it is in the range or nothing:
 *
 *      chunk's  column 0   1   2   3   P        the range begins in column 1 and ends in column 3
 *      bytes
 *        0 -         .    .   ###  ###  p       slice 0: columns 2, 3
 *        a -         .   ###  ###  ###  p       slice 1: columns 1, 2, 3
 *        b -         .   ###  ###   .   p       slice 2: columns 1, 2
 *
 * Slices are no longer than PARITY_COLUMN_BYTES and do not cross multiples of it, so that what is
 * in memory at once is bounded, whatever the chunk, and blocks stay whole. The slices of a walk
 * come row by row, from lower places of the row's chunks to higher ones; they are independent of
 * each other.
 */
#ifndef CONTROLLER_LAYOUT_PARITY_ROW_H
#define CONTROLLER_LAYOUT_PARITY_ROW_H

#include "controller/layout/layout.h"

struct parity_slice {
    uint64_t row;
    uint64_t member_offset_bytes; /* the same on every member of the row */
    uint32_t length_bytes;        /* the same too, and at most PARITY_COLUMN_BYTES */
    uint32_t columns;             /* mask of the data columns that are in the range; at least one */
    uint64_t begin_bytes;         /* of the range: where the payload's first byte belongs */
};

/* A walk over the slices of a range. Belongs to the caller, may be copied, needs no end. */
struct parity_walk {
    const struct layout *layout;
    uint64_t begin_bytes, end_bytes;
    uint64_t row;
    uint32_t from; /* within the row's chunks: where the next slice is looked for */
};

/* Begins a walk over [offset, offset + length) of the virtual volume, which must lie inside it. The
 * layout has parity and outlives the walk. */
void parity_walk_begin(struct parity_walk *ret_walk, const struct layout *layout,
                       uint64_t offset_bytes, uint64_t length_bytes);
/* The next slice, or false: there are no more. */
bool parity_walk_next(struct parity_walk *walk, struct parity_slice *ret_slice);

/* Makes the slice that the walk gave last end after so many bytes (less than it has, and not 0);
 * the next one begins there. */
void parity_walk_cut(struct parity_walk *walk, struct parity_slice *slice, uint32_t length_bytes);

/* The places on the members that a range (not empty) touches, as one range: what a command
 * reserves, because parity ties together what lies at the same place of all members. Within one
 * chunk it is as long as the range; what reaches over several chunks takes in whole ones. */
void parity_member_range(const struct layout *layout, uint64_t offset_bytes, uint64_t length_bytes,
                         uint64_t *ret_offset_bytes, uint64_t *ret_length_bytes);

/* Where the slice's part of a data column begins in the virtual volume. */
static inline uint64_t parity_slice_virtual(const struct layout *layout,
                                            const struct parity_slice *slice, uint32_t column)
{
    uint64_t chunk = slice->row * layout->columns + column;

    return chunk * layout->chunk_bytes + slice->member_offset_bytes % layout->chunk_bytes;
}

/* And in the payload; for columns that are in the range. */
static inline uint64_t parity_slice_payload(const struct layout *layout,
                                            const struct parity_slice *slice, uint32_t column)
{
    return parity_slice_virtual(layout, slice, column) - slice->begin_bytes;
}

#endif
