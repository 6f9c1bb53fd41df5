/*
 * Finding the batches in journals. A batch may begin at any whole block. One that is good is passed
 * over as a whole; what is torn, or of an earlier time, is passed over block by block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/journals.h"

enum { WINDOW_BYTES = 1 << 20, FOUND_FIRST = 256 };

_Static_assert(WINDOW_BYTES % BLOCK_BYTES == 0, "windows are whole blocks");

struct scan {
    struct journals *journals;
    uint32_t seat;
    uint8_t *window; /* WINDOW_BYTES of the ring, from window_at on */
    uint64_t window_at_bytes;
    uint64_t window_bytes;
    uint8_t *batch; /* JOURNAL_BATCH_BYTES_MAX */
    uint32_t room;  /* in journals->found */
};

static int add(struct scan *scan, const struct journal_batch *batch)
{
    struct journals *journals = scan->journals;

    if (journals->found_count == scan->room) {
        uint32_t room = scan->room == 0 ? FOUND_FIRST : 2 * scan->room;
        struct journal_found *grown = realloc(journals->found, room * sizeof *grown);
        if (grown == NULL)
            return -ENOMEM;
        journals->found = grown;
        scan->room = room;
    }
    journals->found[journals->found_count++] =
        (struct journal_found){.sequence = batch->name.sequence,
                               .previous = batch->name.previous,
                               .place_bytes = batch->name.place_bytes,
                               .bytes = batch->bytes,
                               .seat = scan->seat};
    return 0;
}

static int read_ring(const struct scan *scan, void *into, uint64_t bytes, uint64_t place_bytes)
{
    return element_bytes_read(&scan->journals->files[scan->seat], into, bytes,
                              JOURNAL_HEADERS_BYTES + place_bytes);
}

/* The block at this place, within the window. */
static int see(struct scan *scan, uint64_t place_bytes, uint64_t ring_bytes,
               const uint8_t **ret_block)
{
    if (place_bytes < scan->window_at_bytes ||
        place_bytes >= scan->window_at_bytes + scan->window_bytes) {
        uint64_t rest = ring_bytes - place_bytes;
        scan->window_at_bytes = place_bytes;
        scan->window_bytes = rest < WINDOW_BYTES ? rest : WINDOW_BYTES;
        int error = read_ring(scan, scan->window, scan->window_bytes, place_bytes);
        if (error != 0)
            return error;
    }
    *ret_block = scan->window + (place_bytes - scan->window_at_bytes);
    return 0;
}

/* *ret_bytes: how far the next place is. */
static int look_at(struct scan *scan, uint64_t place_bytes, uint64_t ring_bytes,
                   uint64_t *ret_bytes)
{
    const struct journals *journals = scan->journals;
    struct journal_batch batch;
    const uint8_t *block;

    *ret_bytes = BLOCK_BYTES;
    int error = see(scan, place_bytes, ring_bytes, &block);
    if (error != 0)
        return error;
    uint32_t bytes = journal_batch_look(block, journals->last, place_bytes);
    if (bytes == 0 || bytes > ring_bytes - place_bytes)
        return 0;
    error = read_ring(scan, scan->batch, bytes, place_bytes);
    if (error != 0)
        return error;
    if (journal_batch_decode(scan->batch, bytes, journals->last, place_bytes, &batch) != 0)
        return 0;
    *ret_bytes = bytes;
    return batch.name.sequence < journals->replay_from ? 0 : add(scan, &batch);
}

static int scan_file(struct scan *scan)
{
    uint64_t ring_bytes = scan->journals->headers[scan->seat].ring_bytes, step_bytes;
    int error = 0;

    scan->window_bytes = 0;
    for (uint64_t at = 0; at < ring_bytes && error == 0; at += step_bytes)
        error = look_at(scan, at, ring_bytes, &step_bytes);
    return error;
}

static int compare(const void *one, const void *other)
{
    const struct journal_found *a = one, *b = other;

    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

/* A controller writes one batch after the other, so before one that is good stands the one that it
 * names, unless that is void. If it does not, it has been damaged: a torn one is always the last.
 */
static bool is_there(const struct journals *journals, uint64_t sequence)
{
    const struct journal_found wanted = {.sequence = sequence};

    return sequence < journals->replay_from ||
           bsearch(&wanted, journals->found, journals->found_count, sizeof wanted, compare) != NULL;
}

static int check(const struct journals *journals)
{
    for (uint32_t i = 0; i < journals->found_count; i++) {
        if (!is_there(journals, journals->found[i].previous))
            return -EUCLEAN;
    }
    return 0;
}

int journals_scan(struct journals *journals)
{
    struct scan scan = {.journals = journals,
                        .window = malloc(WINDOW_BYTES),
                        .batch = malloc(JOURNAL_BATCH_BYTES_MAX)};
    int error = scan.window == NULL || scan.batch == NULL ? -ENOMEM : 0;

    for (; scan.seat < journals->looked_at && error == 0; scan.seat++) {
        if (journals->has[scan.seat] && journals->headers[scan.seat].generation == journals->last)
            error = scan_file(&scan);
    }
    free(scan.window);
    free(scan.batch);
    if (error != 0)
        return error;
    if (journals->found_count > 0)
        qsort(journals->found, journals->found_count, sizeof *journals->found, compare);
    return check(journals);
}
