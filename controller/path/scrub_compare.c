#include "controller/path/scrub_compare.h"

#include <assert.h>
#include <string.h>

#include "controller/layout/parity.h"

static size_t block_at(size_t from_bytes, size_t length_bytes)
{
    return length_bytes - from_bytes < BLOCK_BYTES ? length_bytes - from_bytes : BLOCK_BYTES;
}

static void count(struct scrub_found *found, size_t from_bytes)
{
    if (found->blocks++ == 0)
        found->first_bytes = from_bytes;
}

/* --- copies --- */

static uint32_t agreeing(uint8_t *const *copies, uint32_t copies_count, uint32_t known,
                         uint32_t with, size_t from, size_t bytes)
{
    uint32_t agree = 0;

    for (uint32_t i = 0; i < copies_count; i++)
        agree += (known >> i & 1) != 0 && memcmp(copies[i] + from, copies[with] + from, bytes) == 0;
    return agree;
}

static uint32_t choose(uint8_t *const *copies, uint32_t copies_count, uint32_t known, size_t from,
                       size_t bytes)
{
    uint32_t best = 0, most = 0;

    for (uint32_t i = 0; i < copies_count; i++) {
        uint32_t agree =
            (known >> i & 1) != 0 ? agreeing(copies, copies_count, known, i, from, bytes) : 0;
        if (agree > most) {
            most = agree;
            best = i;
        }
    }
    return best;
}

/* True: copies that are known did not agree. */
static bool settle(uint8_t *const *copies, uint32_t copies_count, uint32_t known, size_t from,
                   size_t bytes, uint32_t *changed)
{
    uint32_t best = choose(copies, copies_count, known, from, bytes);
    bool differ = false;

    for (uint32_t i = 0; i < copies_count; i++) {
        bool is_known = (known >> i & 1) != 0;
        if (i == best || (is_known && memcmp(copies[i] + from, copies[best] + from, bytes) == 0))
            continue;
        memcpy(copies[i] + from, copies[best] + from, bytes);
        *changed |= 1u << i;
        differ = differ || is_known;
    }
    return differ;
}

struct scrub_found scrub_compare_copies(uint8_t *const *copies, uint32_t copies_count,
                                        uint32_t known, size_t length_bytes)
{
    struct scrub_found found = {0};

    assert(known != 0);
    for (size_t from = 0; from < length_bytes; from += BLOCK_BYTES) {
        if (settle(copies, copies_count, known, from, block_at(from, length_bytes), &found.changed))
            count(&found, from);
    }
    return found;
}

/* --- parity --- */

/* Where what is made (NULL: not to be compared) differs from what was read. */
static bool differs(const uint8_t *made, const uint8_t *read, size_t from, size_t bytes)
{
    return made != NULL && memcmp(made + from, read + from, bytes) != 0;
}

static void take(uint8_t *into, const uint8_t *made, size_t from, size_t bytes, uint32_t bit,
                 uint32_t *changed)
{
    if (into == NULL || memcmp(into + from, made + from, bytes) == 0)
        return;
    memcpy(into + from, made + from, bytes);
    *changed |= 1u << bit;
}

/* P and Q against the data. True: one column is wrong, and holds now what they say. */
static bool correct_data(const struct scrub_row *row, size_t from, size_t bytes, uint32_t *changed)
{
    uint8_t *p = row->made_p + from, *q = row->made_q + from;

    parity_delta(p, row->p + from, bytes); /* from here on it is the difference */
    parity_delta(q, row->q + from, bytes);
    int column = parity_locate(p, q, row->columns, bytes);
    bool correct = column >= 0 && (row->trusted >> column & 1) == 0;
    if (correct) {
        parity_delta(row->data[column] + from, p, bytes);
        *changed |= 1u << column;
    }
    parity_delta(p, row->p + from, bytes); /* and what was made again */
    parity_delta(q, row->q + from, bytes);
    return correct;
}

bool scrub_compare_row(const struct scrub_row *row, size_t length_bytes,
                       struct scrub_found *ret_found)
{
    uint32_t columns = row->columns, lost_data = row->lost & ((1u << columns) - 1);
    bool has_p = (row->lost >> columns & 1) == 0;
    bool has_q = row->q != NULL && (row->lost >> (columns + 1) & 1) == 0;
    uint32_t lost_count = (uint32_t)__builtin_popcount(lost_data);
    struct scrub_found found = {.changed = lost_data};

    if (lost_count > (uint32_t)has_p + has_q)
        return false;
    if (lost_count > 0)
        parity_recover(row->data, columns, lost_data, length_bytes, has_p ? row->p : NULL,
                       has_q ? row->q : NULL);
    parity_generate((const uint8_t *const *)row->data, columns, length_bytes, row->made_p,
                    row->q != NULL ? row->made_q : NULL);
    /* What a lost column was made of agrees with it. */
    const uint8_t *p = has_p && lost_count == 0 ? row->made_p : NULL;
    const uint8_t *q = has_q && lost_count <= has_p ? row->made_q : NULL;
    for (size_t from = 0; from < length_bytes; from += BLOCK_BYTES) {
        size_t bytes = block_at(from, length_bytes);
        bool p_differs = differs(p, row->p, from, bytes),
             q_differs = differs(q, row->q, from, bytes);
        if (p_differs || q_differs)
            count(&found, from);
        if (p_differs && q_differs && correct_data(row, from, bytes, &found.changed)) {
            found.located++;
            continue;
        }
        take(row->p, row->made_p, from, bytes, columns, &found.changed);
        take(row->q, row->made_q, from, bytes, columns + 1, &found.changed);
    }
    *ret_found = found;
    return true;
}
