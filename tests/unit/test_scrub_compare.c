/*
 * Comparing copies, and parity with its data: every block that was changed is found, and what is
 * put right is what was written, as far as what is left can tell.
 */
#include "controller/path/scrub_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/layout/parity.h"
#include "tests/unit/unit.h"

enum { BLOCKS = 9, BYTES = (BLOCKS - 1) * BLOCK_BYTES + 100, ROUNDS = 300, BUFFERS = 12 };

static uint8_t buffers[BUFFERS][BLOCKS * BLOCK_BYTES], was[BUFFERS][BLOCKS * BLOCK_BYTES];
static unsigned seed;

static uint32_t below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

static void fill(uint32_t buffer)
{
    for (uint32_t i = 0; i < BYTES; i++)
        buffers[buffer][i] = (uint8_t)below(256);
}

static void flip(uint32_t buffer, uint32_t block)
{
    uint32_t room = block + 1 < BLOCKS ? BLOCK_BYTES : BYTES - block * BLOCK_BYTES;

    buffers[buffer][block * BLOCK_BYTES + below(room)] ^= (uint8_t)(1 + below(255));
}

/* Many bytes, so that nothing looks like something else by chance. */
static void scribble(uint32_t buffer, uint32_t block)
{
    for (uint32_t i = 0; i < 20; i++)
        flip(buffer, block);
}

/* Different blocks, in ascending order of chance. */
static uint32_t some_blocks(void)
{
    return below(1u << BLOCKS);
}

static uint32_t first_of(uint32_t blocks)
{
    return blocks == 0 ? 0 : (uint32_t)__builtin_ctz(blocks) * BLOCK_BYTES;
}

/* --- copies --- */

static void make_copies(uint8_t **copies, uint32_t count)
{
    fill(0);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(buffers[i], buffers[0], BYTES);
        memcpy(was[i], buffers[0], BYTES);
        copies[i] = buffers[i];
    }
}

static bool all_are_as_they_were(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(buffers[i], was[i], BYTES) != 0)
            return false;
    }
    return true;
}

static void most_copies_are_right(void)
{
    uint8_t *copies[MIRROR_COPIES_MAX];

    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t count = 3 + below(MIRROR_COPIES_MAX - 2), blocks = some_blocks(), changed = 0;
        make_copies(copies, count);
        for (uint32_t block = 0; block < BLOCKS; block++) {
            uint32_t bad = below(count);
            if ((blocks >> block & 1) == 0)
                continue;
            flip(bad, block);
            changed |= 1u << bad;
        }
        struct scrub_found found = scrub_compare_copies(copies, count, (1u << count) - 1, BYTES);
        CU_ASSERT_EQUAL(found.blocks, (uint32_t)__builtin_popcount(blocks));
        CU_ASSERT_EQUAL(found.changed, changed);
        CU_ASSERT_TRUE(blocks == 0 || found.first_bytes == first_of(blocks));
        CU_ASSERT_TRUE(all_are_as_they_were(count));
    }
}

static void of_two_copies_the_first_is_taken(void)
{
    uint8_t *copies[2];

    make_copies(copies, 2);
    flip(0, 3);
    memcpy(was[0], buffers[0], BYTES);
    memcpy(was[1], buffers[0], BYTES);
    struct scrub_found found = scrub_compare_copies(copies, 2, 3, BYTES);
    CU_ASSERT_EQUAL(found.blocks, 1);
    CU_ASSERT_EQUAL(found.changed, 2);
    CU_ASSERT_TRUE(all_are_as_they_were(2));
}

static void an_unread_copy_is_made_and_does_not_differ(void)
{
    uint8_t *copies[3];

    make_copies(copies, 3);
    memset(buffers[0], 0xee, BYTES);
    struct scrub_found found = scrub_compare_copies(copies, 3, 6, BYTES);
    CU_ASSERT_EQUAL(found.blocks, 0);
    CU_ASSERT_EQUAL(found.changed, 1);
    CU_ASSERT_TRUE(all_are_as_they_were(3));
}

/* --- parity --- */

static struct scrub_row make_row(uint32_t columns, bool raid6)
{
    struct scrub_row row = {.columns = columns};

    for (uint32_t i = 0; i < columns; i++) {
        fill(i);
        row.data[i] = buffers[i];
    }
    row.p = buffers[columns];
    row.q = raid6 ? buffers[columns + 1] : NULL;
    row.made_p = buffers[columns + 2];
    row.made_q = raid6 ? buffers[columns + 3] : NULL;
    parity_generate((const uint8_t *const *)row.data, columns, BYTES, row.p, row.q);
    memcpy(was, buffers, sizeof was);
    return row;
}

static void changed_parity_is_made_of_the_data(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t columns = 2 + below(6), in_p = some_blocks(), in_q = some_blocks();
        bool raid6 = below(2) == 0;
        struct scrub_row row = make_row(columns, raid6);
        struct scrub_found found;

        in_q = raid6 ? in_q : 0;
        for (uint32_t block = 0; block < BLOCKS; block++) {
            if ((in_p >> block & 1) != 0)
                scribble(columns, block);
            if ((in_q >> block & 1) != 0)
                scribble(columns + 1, block);
        }
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, (uint32_t)__builtin_popcount(in_p | in_q));
        CU_ASSERT_TRUE((in_p | in_q) == 0 || found.first_bytes == first_of(in_p | in_q));
        CU_ASSERT_EQUAL(found.changed,
                        (in_p != 0 ? 1u << columns : 0) | (in_q != 0 ? 2u << columns : 0));
        CU_ASSERT_TRUE(all_are_as_they_were(columns + raid6 + 1));
    }
}

static void changed_data_is_found(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t columns = 2 + below(6), blocks = some_blocks();
        struct scrub_row row = make_row(columns, below(2) == 0);
        struct scrub_found found;

        for (uint32_t block = 0; block < BLOCKS; block++) {
            if ((blocks >> block & 1) != 0)
                flip(below(columns), block);
        }
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, (uint32_t)__builtin_popcount(blocks));
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, 0); /* parity fits what there is */
    }
}

/* One column a block, whichever: also one that is wrong in its every byte, and beside blocks of
 * which parity is wrong. */
static void p_and_q_tell_which_data_is_wrong(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t columns = 2 + below(6), blocks = some_blocks(), changed = 0, located = 0;
        struct scrub_row row = make_row(columns, true);
        struct scrub_found found;

        for (uint32_t block = 0; block < BLOCKS; block++) {
            uint32_t bad = below(columns + 2);
            if ((blocks >> block & 1) == 0)
                continue;
            below(2) == 0 ? flip(bad, block) : scribble(bad, block);
            changed |= 1u << bad;
            located += bad < columns;
        }
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, (uint32_t)__builtin_popcount(blocks));
        CU_ASSERT_EQUAL(found.located, located);
        CU_ASSERT_EQUAL(found.changed, changed);
        CU_ASSERT_TRUE(all_are_as_they_were(columns + 2));
    }
}

/* Two that are wrong, data or parity, are not explained by one. */
static void where_no_one_column_explains_it_parity_is_made(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t columns = 2 + below(6), block = below(BLOCKS - 1);
        uint32_t one = below(columns), other = (one + 1 + below(columns)) % (columns + 1);
        struct scrub_row row = make_row(columns, true);
        struct scrub_found found;

        scribble(one, block);
        scribble(other, block);
        memcpy(was, buffers, sizeof was);
        parity_generate((const uint8_t *const *)row.data, columns, BYTES, was[columns],
                        was[columns + 1]);
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, 1);
        CU_ASSERT_EQUAL(found.located, 0);
        CU_ASSERT_EQUAL(found.changed, 3u << columns);
        CU_ASSERT_TRUE(all_are_as_they_were(columns + 2));
    }
}

static void data_that_fits_its_checksum_is_right(void)
{
    struct scrub_row row = make_row(4, true);
    struct scrub_found found;

    scribble(2, 3);
    memcpy(was, buffers, sizeof was);
    parity_generate((const uint8_t *const *)row.data, 4, BYTES, was[4], was[5]);
    row.trusted = 1u << 2;
    CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
    CU_ASSERT_EQUAL(found.located, 0);
    CU_ASSERT_EQUAL(found.changed, 3u << 4);
    CU_ASSERT_TRUE(all_are_as_they_were(6));
}

static void what_is_lost_is_made(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t columns = 2 + below(6), parities = 1 + below(2), places = columns + parities;
        struct scrub_row row = make_row(columns, parities == 2);
        struct scrub_found found;

        while ((uint32_t)__builtin_popcount(row.lost) < 1 + below(parities))
            row.lost |= 1u << below(places);
        for (uint32_t i = 0; i < places; i++) {
            if ((row.lost >> i & 1) != 0)
                memset(buffers[i], (int)below(256), BYTES);
        }
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, 0);
        CU_ASSERT_EQUAL(found.changed, row.lost);
        CU_ASSERT_TRUE(all_are_as_they_were(places));
    }
}

static void more_lost_than_parity_gives_back(void)
{
    struct scrub_row row = make_row(4, true);
    struct scrub_found found = {.blocks = 77};

    row.lost = 1u | 2u | 16u; /* two of the data, and P */
    CU_ASSERT_FALSE(scrub_compare_row(&row, BYTES, &found));
    CU_ASSERT_EQUAL(found.blocks, 77);
    CU_ASSERT_TRUE(all_are_as_they_were(6));
}

/* With one of the data made of P, Q still tells whether something is wrong. */
static void what_is_left_still_tells(void)
{
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct scrub_row row = make_row(4, true);
        uint32_t lost = below(4), block = below(BLOCKS), bad;
        struct scrub_found found;

        do
            bad = below(6);
        while (bad == lost);
        row.lost = 1u << lost;
        flip(bad, block);
        CU_ASSERT_TRUE_FATAL(scrub_compare_row(&row, BYTES, &found));
        CU_ASSERT_EQUAL(found.blocks, 1);
        CU_ASSERT_EQUAL(found.first_bytes, (uint64_t)block * BLOCK_BYTES);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what most copies say is right", most_copies_are_right},
        {"of two copies the first is taken", of_two_copies_the_first_is_taken},
        {"an unread copy is made, and does not differ", an_unread_copy_is_made_and_does_not_differ},
        {"changed parity is made of the data", changed_parity_is_made_of_the_data},
        {"changed data is found", changed_data_is_found},
        {"P and Q tell which data is wrong", p_and_q_tell_which_data_is_wrong},
        {"where no one column explains it parity is made",
         where_no_one_column_explains_it_parity_is_made},
        {"data that fits its checksum is right", data_that_fits_its_checksum_is_right},
        {"what is lost is made", what_is_lost_is_made},
        {"more lost than parity gives back", more_lost_than_parity_gives_back},
        {"what is left still tells", what_is_left_still_tells},
    };
    const char *given = getenv("ANYPORT_TEST_SEED");

    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u (ANYPORT_TEST_SEED repeats it)\n", seed);
    return UNIT_RUN("scrub_compare", tests);
}
