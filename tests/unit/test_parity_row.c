/*
 * Slices of rows: every range of small raid5 and raid6 volumes is cut so that each byte of it is in
 * one slice, and each column of a slice wholly inside or outside.
 */
#include "controller/layout/parity_row.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { CHUNK = 4, SCALE = CHUNK_BYTES_MIN / CHUNK, ROWS = 3, MEMBERS = 6, BYTES_MAX = 128 };

static struct layout make(enum layout_kind kind, uint32_t members, uint32_t chunk_bytes,
                          uint64_t rows)
{
    uint64_t sizes[MEMBERS_MAX];
    struct layout layout = {0};

    for (uint32_t i = 0; i < members; i++)
        sizes[i] = rows * chunk_bytes;
    struct layout_wanted wanted = {
        .kind = kind, .members = members, .chunk_bytes = chunk_bytes, .member_bytes = sizes};
    CU_ASSERT_EQUAL_FATAL(layout_init(&layout, &wanted, NULL), 0);
    return layout;
}

static struct layout make_small(enum layout_kind kind, uint32_t members)
{
    struct layout layout = make(kind, members, CHUNK_BYTES_MIN, ROWS);

    layout.chunk_bytes /= SCALE;
    layout.member_bytes /= SCALE;
    layout.size_bytes /= SCALE;
    return layout;
}

/* Counts the slice's bytes in `times`; whether it is inside one row and its columns inside the
 * range. */
static bool slice_lies_right(const struct layout *layout, const struct parity_slice *slice,
                             uint64_t begin, uint64_t length, uint8_t *times)
{
    bool right = slice->columns != 0 && slice->length_bytes != 0 &&
                 slice->columns >> layout->columns == 0 &&
                 slice->member_offset_bytes / CHUNK == slice->row &&
                 (slice->member_offset_bytes + slice->length_bytes - 1) / CHUNK == slice->row;

    for (uint32_t column = 0; right && column < layout->columns; column++) {
        uint64_t at = (slice->row * layout->columns + column) * CHUNK + slice->member_offset_bytes -
                      slice->row * CHUNK;
        bool inside = slice->columns >> column & 1;
        for (uint64_t i = at; right && i < at + slice->length_bytes; i++) {
            right = inside == (i >= begin && i < begin + length);
            times[i] = (uint8_t)(times[i] + inside);
        }
        right = right && (!inside || parity_slice_payload(layout, slice, column) == at - begin);
        right = right && parity_slice_virtual(layout, slice, column) == at;
    }
    return right;
}

/* At most three slices a row: a range changes its columns at two places. */
static bool cut_is_right(const struct layout *layout, uint64_t begin, uint64_t length)
{
    struct parity_walk walk;
    struct parity_slice slice;
    uint8_t times[BYTES_MAX] = {0};
    uint32_t in_row = 0;
    uint64_t row = UINT64_MAX;

    parity_walk_begin(&walk, layout, begin, length);
    while (parity_walk_next(&walk, &slice)) {
        in_row = slice.row == row ? in_row + 1 : 1;
        row = slice.row;
        if (in_row > 3 || !slice_lies_right(layout, &slice, begin, length, times))
            return false;
    }
    for (uint64_t i = 0; i < layout->size_bytes; i++)
        if (times[i] != (i >= begin && i < begin + length))
            return false;
    return true;
}

static void check_all_ranges(enum layout_kind kind, uint32_t members)
{
    struct layout layout = make_small(kind, members);
    int wrong = 0;

    CU_ASSERT_FATAL(layout.size_bytes <= BYTES_MAX);
    for (uint64_t begin = 0; begin <= layout.size_bytes; begin++)
        for (uint64_t length = 0; length <= layout.size_bytes - begin; length++)
            if (!cut_is_right(&layout, begin, length) && wrong++ == 0)
                printf("\n%s of %u: range %llu + %llu\n", layout_name(kind), members,
                       (unsigned long long)begin, (unsigned long long)length);
    CU_ASSERT_EQUAL(wrong, 0);
}

static void every_byte_of_a_range_is_in_one_slice(void)
{
    for (uint32_t members = RAID5_MEMBERS_MIN; members <= MEMBERS; members++)
        check_all_ranges(LAYOUT_RAID5, members);
    for (uint32_t members = RAID6_MEMBERS_MIN; members <= MEMBERS; members++)
        check_all_ranges(LAYOUT_RAID6, members);
}

static void large_chunks_are_cut_at_whole_blocks(void)
{
    struct layout layout = make(LAYOUT_RAID5, 3, 4 * PARITY_COLUMN_BYTES, 2);
    const uint64_t begin = 1000, length = 2 * 4 * PARITY_COLUMN_BYTES - 1000;
    uint64_t bytes = 0;
    struct parity_walk walk;
    struct parity_slice slice;

    parity_walk_begin(&walk, &layout, begin, length);
    while (parity_walk_next(&walk, &slice)) {
        uint64_t end = slice.member_offset_bytes + slice.length_bytes;
        bytes += (uint64_t)slice.length_bytes * (uint32_t)__builtin_popcount(slice.columns);
        CU_ASSERT(slice.length_bytes <= PARITY_COLUMN_BYTES);
        CU_ASSERT_EQUAL(slice.member_offset_bytes / PARITY_COLUMN_BYTES,
                        (end - 1) / PARITY_COLUMN_BYTES);
        CU_ASSERT(end % PARITY_COLUMN_BYTES == 0 || end == begin);
    }
    CU_ASSERT_EQUAL(bytes, length);
}

/* The drawing in layout.h, as md lays its arrays out by default. */
static void parity_rotates_as_drawn(void)
{
    enum { P = -1, Q = -2 };
    static const int raid5[4][4] = {{0, 1, 2, P}, {4, 5, P, 3}, {8, P, 6, 7}, {P, 9, 10, 11}};
    static const int raid6[4][5] = {
        {Q, 0, 1, 2, P}, {3, 4, 5, P, Q}, {7, 8, P, Q, 6}, {11, P, Q, 9, 10}};
    struct layout five = make_small(LAYOUT_RAID5, 4), six = make_small(LAYOUT_RAID6, 5);

    for (uint32_t row = 0; row < 4; row++) {
        CU_ASSERT_EQUAL(raid5[row][layout_p_member(&five, row)], P);
        CU_ASSERT_EQUAL(raid6[row][layout_p_member(&six, row)], P);
        CU_ASSERT_EQUAL(raid6[row][layout_q_member(&six, row)], Q);
        for (uint32_t column = 0; column < 3; column++) {
            int chunk = (int)(row * 3 + column);
            CU_ASSERT_EQUAL(raid5[row][layout_data_member(&five, row, column)], chunk);
            CU_ASSERT_EQUAL(raid6[row][layout_data_member(&six, row, column)], chunk);
        }
    }
}

/* Every byte's place on its member is inside, nothing more than whole chunks is taken in, and of
 * what lies in one chunk nothing more at all. */
static void a_member_range_holds_every_place(void)
{
    struct layout layout = make_small(LAYOUT_RAID5, 4);
    const uint64_t width = 3 * CHUNK;

    for (uint64_t begin = 0; begin < layout.size_bytes; begin++) {
        for (uint64_t length = 1; length <= layout.size_bytes - begin; length++) {
            uint64_t last = begin + length - 1, least = UINT64_MAX, most = 0, from, bytes;
            for (uint64_t byte = begin; byte <= last; byte++) {
                uint64_t place = byte / width * CHUNK + byte % CHUNK;
                least = place < least ? place : least;
                most = place > most ? place : most;
            }
            parity_member_range(&layout, begin, length, &from, &bytes);
            CU_ASSERT(from <= least && from + bytes > most);
            if (begin / CHUNK == last / CHUNK)
                CU_ASSERT(from == least && bytes == length);
            CU_ASSERT(least - from < CHUNK && from + bytes - most <= CHUNK);
        }
    }
}

/* Cut anywhere, once or more often, the walk gives the same bytes. */
static void a_slice_that_is_cut_is_gone_on_with(void)
{
    static const enum layout_kind kinds[] = {LAYOUT_RAID5, LAYOUT_RAID6};
    uint8_t times[BYTES_MAX], once[BYTES_MAX];
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < 2; i++) {
        struct layout layout = make_small(kinds[i], 5);
        for (uint32_t cut = 1; cut < CHUNK; cut++) {
            for (uint64_t begin = 0; begin < layout.size_bytes; begin++) {
                uint64_t length = layout.size_bytes - begin;
                struct parity_walk walk;
                struct parity_slice slice;
                memset(times, 0, sizeof times);
                memset(once, 0, sizeof once);
                memset(once + begin, 1, length);
                parity_walk_begin(&walk, &layout, begin, length);
                while (parity_walk_next(&walk, &slice)) {
                    if (slice.length_bytes > cut)
                        parity_walk_cut(&walk, &slice, cut);
                    wrong += slice.length_bytes > cut ||
                             !slice_lies_right(&layout, &slice, begin, length, times);
                }
                wrong += memcmp(times, once, sizeof once) != 0;
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a slice that is cut is gone on with", a_slice_that_is_cut_is_gone_on_with},
        {"every byte of a range is in one slice", every_byte_of_a_range_is_in_one_slice},
        {"large chunks are cut at whole blocks", large_chunks_are_cut_at_whole_blocks},
        {"parity rotates as drawn", parity_rotates_as_drawn},
        {"a member range holds every place", a_member_range_holds_every_place},
    };

    return UNIT_RUN("parity row", tests);
}
