/*
 * Each block for itself, by zones (Gibbons and Korach, see history.h).
 *
 * A cluster is a write and the reads of its tag in one block. Let f be when the first of them
 * returned and s when the last of them was invoked. Cluster A must stand before cluster B exactly
 * when f(A) < s(B). So A and B exclude each other when f(A) < s(B) and f(B) < s(A), and the theorem
 * is that pairs are all that can go wrong:
 *
 *   forward zone   f < s: between f and s the block certainly held this tag. Two of them must not
 *                  overlap.
 *   backward zone  s <= f: some moment in it suffices. It must not lie within a forward zone.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/history/window.h"

struct zone {
    uint64_t first_return_ns, last_invoke_ns; /* f and s */
    uint32_t cluster;
};

static bool is_forward(const struct zone *zone)
{
    return zone->first_return_ns < zone->last_invoke_ns;
}

static bool must_precede(const struct zone *a, const struct zone *b)
{
    return a->first_return_ns < b->last_invoke_ns;
}

static int by_first_return(const void *left, const void *right)
{
    const struct zone *a = left, *b = right;

    return (a->first_return_ns > b->first_return_ns) - (a->first_return_ns < b->first_return_ns);
}

/* Sorts a block's zones into forward[] and backward[]; how many are forward. */
static uint32_t split_zones(const struct history *history, uint32_t block, struct zone *forward,
                            struct zone *backward)
{
    uint32_t forwards = 0, backwards = 0;

    for (uint32_t i = history->block_first[block]; i < history->block_first[block + 1]; i++) {
        const struct cluster *cluster = &history->clusters[history->by_block[i]];
        struct zone zone = {.first_return_ns = returned_first_ns(history, cluster),
                            .last_invoke_ns = invoked_last_ns(history, cluster),
                            .cluster = history->by_block[i]};
        if (is_forward(&zone))
            forward[forwards++] = zone;
        else
            backward[backwards++] = zone;
    }
    return forwards;
}

/* The last forward zone that began before this moment, or NULL. */
static const struct zone *begun_before(const struct zone *forward, uint32_t count, uint64_t when_ns)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (forward[middle].first_return_ns < when_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &forward[low - 1];
}

static void exclude_each_other(const struct history *history, const struct zone *a,
                               const struct zone *b, struct history_violation *violation)
{
    const struct cluster *one = &history->clusters[a->cluster];
    const struct cluster *other = &history->clusters[b->cluster];

    violation->verdict = HISTORY_BLOCK_ORDER;
    violation->block = one->block;
    violation_step(violation, one->first_returned, HISTORY_BY_TIME, one->block);
    violation_step(violation, other->last_invoked, HISTORY_BY_TAG, one->block);
    violation_step(violation, other->first_returned, HISTORY_BY_TIME, one->block);
    violation_step(violation, one->last_invoked, HISTORY_BY_TAG, one->block);
}

static void check_block(const struct history *history, uint32_t block, struct zone *forward,
                        struct zone *backward, struct history_violation *violation)
{
    uint32_t count = history->block_first[block + 1] - history->block_first[block];
    uint32_t forwards = split_zones(history, block, forward, backward);

    qsort(forward, forwards, sizeof *forward, by_first_return);
    for (uint32_t i = 0; i + 1 < forwards; i++) {
        if (must_precede(&forward[i], &forward[i + 1]) &&
            must_precede(&forward[i + 1], &forward[i])) {
            exclude_each_other(history, &forward[i], &forward[i + 1], violation);
            return;
        }
    }
    for (uint32_t i = 0; i < count - forwards; i++) {
        /* Forward zones are disjoint by now: only the last one begun can hold this one. */
        const struct zone *around = begun_before(forward, forwards, backward[i].last_invoke_ns);
        if (around != NULL && must_precede(&backward[i], around)) {
            exclude_each_other(history, around, &backward[i], violation);
            return;
        }
    }
}

int zones_check(const struct history *history, struct history_violation *ret_violation)
{
    struct zone *zones = malloc(2 * (size_t)history->clusters_count * sizeof *zones);

    if (zones == NULL)
        return -ENOMEM;
    for (uint32_t block = 0; block < history->blocks && ret_violation->verdict == HISTORY_VALID;
         block++)
        check_block(history, block, zones, zones + history->clusters_count, ret_violation);
    free(zones);
    return 0;
}
