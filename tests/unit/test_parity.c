/*
 * Parity arithmetic against sums and products made bit by bit, for all numbers of columns, odd
 * lengths and odd places.
 */
#include "controller/layout/parity.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum {
    COLUMNS_MAX = MEMBERS_MAX - 2,
    LONGEST = 600,
    GUARD = 64, /* before and behind each buffer; nothing may change there */
    ROOM = (GUARD + 64 + LONGEST + GUARD + 63) / 64 * 64,
};

static const size_t LENGTHS[] = {1,   2,   3,   15,  16,  17,  31,  32,      33,  47,
                                 63,  64,  65,  95,  96,  97,  127, 128,     129, 255,
                                 256, 257, 288, 300, 319, 320, 511, LONGEST, 0};

/* A row of buffers that begin at odd places. */
struct row {
    _Alignas(64) uint8_t room[MEMBERS_MAX][ROOM]; /* ROOM keeps the alignment */
    uint8_t *data[COLUMNS_MAX], *p, *q;
    uint32_t columns;
    size_t length;
};

static unsigned seed;

static uint8_t random_byte(void)
{
    seed = seed * 1103515245 + 12345;
    return (uint8_t)(seed >> 16);
}

static uint8_t slow_times(uint8_t a, uint8_t b)
{
    unsigned product = 0;

    for (int bit = 0; bit < 8; bit++)
        if (b >> bit & 1)
            product ^= (unsigned)a << bit;
    for (int bit = 15; bit >= 8; bit--)
        if (product >> bit & 1)
            product ^= 0x11du << (bit - 8);
    return (uint8_t)product;
}

static uint8_t slow_p(const struct row *row, size_t at)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < row->columns; i++)
        sum ^= row->data[i][at];
    return sum;
}

static uint8_t slow_q(const struct row *row, size_t at)
{
    uint8_t sum = 0, power = 1;

    for (uint32_t i = 0; i < row->columns; i++) {
        sum ^= slow_times(power, row->data[i][at]);
        power = slow_times(power, 2);
    }
    return sum;
}

/* Where the next buffer begins: each elsewhere, or all alike within 32 bytes. */
static size_t odd_place(bool alike, uint8_t within)
{
    return GUARD + (alike ? (size_t)(within % 32 + 32 * (random_byte() % 2)) : random_byte() % 64);
}

static void fill(struct row *row, uint32_t columns, size_t length)
{
    bool alike = random_byte() % 2 == 0;
    uint8_t within = random_byte() % 4 == 0 ? 0 : random_byte();

    row->columns = columns;
    row->length = length;
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        for (uint32_t at = 0; at < ROOM; at++)
            row->room[i][at] = random_byte();
    for (uint32_t i = 0; i < columns; i++)
        row->data[i] = row->room[i] + odd_place(alike, within);
    row->p = row->room[COLUMNS_MAX] + odd_place(alike, within);
    row->q = row->room[COLUMNS_MAX + 1] + odd_place(alike, within);
}

static bool holds(const struct row *row)
{
    for (size_t at = 0; at < row->length; at++)
        if (row->p[at] != slow_p(row, at) || row->q[at] != slow_q(row, at))
            return false;
    return true;
}

static void fill_whole(struct row *row, uint32_t columns, size_t length)
{
    fill(row, columns, length);
    for (size_t at = 0; at < length; at++) {
        row->p[at] = slow_p(row, at);
        row->q[at] = slow_q(row, at);
    }
}

/* Whether the buffers are as they were but for [place, place + length) of one or two of them. */
static bool touched_only(const struct row *row, const struct row *before, const uint8_t *first,
                         const uint8_t *second)
{
    const uint8_t *now = row->room[0], *then = before->room[0];
    size_t a = (size_t)(first - now), b = (size_t)(second - now);

    for (size_t at = 0; at < sizeof row->room; at++)
        if (now[at] != then[at] && at - a >= row->length && at - b >= row->length)
            return false;
    return true;
}

static void p_and_q_are_the_slow_sums(void)
{
    struct row row, before;
    int wrong = 0;

    for (uint32_t columns = 1; columns <= COLUMNS_MAX; columns++) {
        for (const size_t *length = LENGTHS; *length != 0; length++) {
            fill(&row, columns, *length);
            const uint8_t *const *data = (const uint8_t *const *)row.data;
            before = row;
            parity_generate(data, columns, *length, row.p, row.q);
            wrong += !holds(&row) || !touched_only(&row, &before, row.p, row.q);
            memset(row.p, 0, *length);
            parity_generate(data, columns, *length, row.p, NULL);
            wrong += !holds(&row) || !touched_only(&row, &before, row.p, row.q);
            memset(row.q, 0, *length);
            parity_generate(data, columns, *length, NULL, row.q);
            wrong += !holds(&row) || !touched_only(&row, &before, row.p, row.q);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* Column by column with P and Q, P alone, Q alone, the parity that was left out by generating. */
static void deltas_bring_parity_up_to_date(void)
{
    struct row row;
    uint8_t delta[LONGEST];
    int wrong = 0;

    for (uint32_t columns = 1; columns <= COLUMNS_MAX; columns++) {
        for (const size_t *length = LENGTHS; *length != 0; length++) {
            uint32_t column = random_byte() % columns;
            fill_whole(&row, columns, *length);
            for (int which = 1; which <= 3; which++) {
                for (size_t at = 0; at < *length; at++) {
                    delta[at] = row.data[column][at];
                    row.data[column][at] = random_byte();
                }
                parity_delta(delta, row.data[column], *length);
                parity_update(delta, column, *length, which & 1 ? row.p : NULL,
                              which & 2 ? row.q : NULL);
                for (size_t at = 0; at < *length; at++) {
                    wrong += which & 1 && row.p[at] != slow_p(&row, at);
                    wrong += which & 2 && row.q[at] != slow_q(&row, at);
                    row.p[at] = slow_p(&row, at);
                    row.q[at] = slow_q(&row, at);
                }
            }
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static bool comes_back(struct row *row, uint32_t lost, const uint8_t *p, const uint8_t *q)
{
    struct row before;

    before = *row;
    for (uint32_t i = 0; i < row->columns; i++)
        if (lost >> i & 1)
            memset(row->data[i], 0xa5, row->length);
    parity_recover(row->data, row->columns, lost, row->length, p, q);
    bool same = memcmp(row->room, before.room, sizeof row->room) == 0;
    if (!same)
        printf("\n%u columns of %zu, lost %x: wrong bytes\n", row->columns, row->length, lost);
    *row = before;
    return same;
}

static void any_lost_columns_come_back(void)
{
    struct row row;
    int wrong = 0;

    for (uint32_t columns = 1; columns <= COLUMNS_MAX; columns++) {
        for (const size_t *length = LENGTHS; *length != 0; length++) {
            fill_whole(&row, columns, *length);
            for (uint32_t a = 0; a < columns; a++) {
                wrong += !comes_back(&row, 1u << a, row.p, NULL);
                wrong += !comes_back(&row, 1u << a, NULL, row.q);
                wrong += !comes_back(&row, 1u << a, row.p, row.q);
            }
            uint32_t b = random_byte() % columns;
            for (uint32_t a = 0; a < columns; a++)
                if (a != b)
                    wrong += !comes_back(&row, 1u << a | 1u << b, row.p, row.q);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void every_pair_of_columns_comes_back(void)
{
    struct row row;
    int wrong = 0;

    for (uint32_t columns = 2; columns <= COLUMNS_MAX; columns++) {
        fill_whole(&row, columns, 33);
        for (uint32_t a = 0; a < columns; a++)
            for (uint32_t b = a + 1; b < columns; b++)
                wrong += !comes_back(&row, 1u << a | 1u << b, row.p, row.q);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"P and Q are the slow sums", p_and_q_are_the_slow_sums},
        {"deltas bring parity up to date", deltas_bring_parity_up_to_date},
        {"any lost columns come back", any_lost_columns_come_back},
        {"every pair of columns comes back", every_pair_of_columns_comes_back},
    };
    const char *given = getenv("ANYPORT_TEST_SEED");

    seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : 1;
    printf("seed %u\n", seed);
    return UNIT_RUN("parity", tests);
}
