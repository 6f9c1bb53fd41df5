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
    LONGEST = 300,
    GUARD = 64, /* before and behind each buffer; nothing may change there */
    ROOM = GUARD + 64 + LONGEST + GUARD,
};

static const size_t LENGTHS[] = {1,  2,  3,  15, 16, 17,  31,  32,  33,  47,      63,
                                 64, 65, 95, 96, 97, 127, 128, 129, 255, LONGEST, 0};

/* A row of buffers that begin at odd places. */
struct row {
    uint8_t room[MEMBERS_MAX][ROOM];
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

static void fill(struct row *row, uint32_t columns, size_t length)
{
    row->columns = columns;
    row->length = length;
    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        for (uint32_t at = 0; at < ROOM; at++)
            row->room[i][at] = random_byte();
    for (uint32_t i = 0; i < columns; i++)
        row->data[i] = row->room[i] + GUARD + random_byte() % 64;
    row->p = row->room[COLUMNS_MAX] + GUARD + random_byte() % 64;
    row->q = row->room[COLUMNS_MAX + 1] + GUARD + random_byte() % 64;
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

/* Whether `row` is as it was but for [place, place + length) of one or two buffers. */
static bool touched_only(const struct row *row, const struct row *before, const uint8_t *first,
                         const uint8_t *second)
{
    static struct row now;

    now = *row;
    const uint8_t *places[] = {first, second};
    for (int i = 0; i < 2; i++) {
        if (places[i] != NULL) {
            size_t at = (size_t)(places[i] - row->room[0]);
            memcpy(now.room[0] + at, before->room[0] + at, row->length);
        }
    }
    return memcmp(now.room, before->room, sizeof now.room) == 0;
}

static void p_and_q_are_the_slow_sums(void)
{
    static struct row row, before;
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
    static struct row row;
    uint8_t delta[LONGEST];
    int wrong = 0;

    for (uint32_t columns = 1; columns <= COLUMNS_MAX; columns++) {
        for (const size_t *length = LENGTHS; *length != 0; length++) {
            uint32_t column = random_byte() % columns;
            fill_whole(&row, columns, *length);
            for (int which = 1; which <= 3; which++) {
                memcpy(delta, row.data[column], *length);
                for (size_t at = 0; at < *length; at++)
                    row.data[column][at] = random_byte();
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
    static struct row before;
    uint32_t first = (uint32_t)__builtin_ctz(lost), rest = lost & (lost - 1);

    before = *row;
    for (uint32_t i = 0; i < row->columns; i++)
        if (lost >> i & 1)
            memset(row->data[i], 0xa5, row->length);
    parity_recover(row->data, row->columns, lost, row->length, p, q);
    bool same = memcmp(row->room, before.room, sizeof row->room) == 0;
    if (!same && touched_only(row, &before, row->data[first],
                              rest == 0 ? NULL : row->data[__builtin_ctz(rest)]))
        printf("\n%u columns of %zu, lost %x: wrong bytes\n", row->columns, row->length, lost);
    *row = before;
    return same;
}

static void any_lost_columns_come_back(void)
{
    static struct row row;
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
    static struct row row;
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
