#include "controller/integrity/integrity.h"

#include <errno.h>
#include <stdlib.h>

#include "shm/limits.h"

/* --- opening --- */

/* [first, first + count) are the blocks of a region. */
static void blocks_of(const struct integrity *integrity, uint64_t region, uint64_t *ret_first,
                      uint64_t *ret_count)
{
    uint64_t blocks = (UINT64_C(1) << integrity->intents->region_shift) / BLOCK_BYTES;
    uint64_t left = integrity->checksums->blocks - region * blocks;

    *ret_first = region * blocks;
    *ret_count = left < blocks ? left : blocks;
}

/* The writes that were under way reached the image or did not, and the checksums were not written
 * with them: what is read there now is taken as right. */
static void forget_doubtful(struct integrity *integrity)
{
    uint64_t first, count;

    for (uint64_t region = 0; region < integrity->intents->regions; region++) {
        if (!intents_doubt(integrity->intents, region, INTENTS_CHECKSUMS_RIGHT))
            continue;
        blocks_of(integrity, region, &first, &count);
        checksums_forget(integrity->checksums, first, count);
    }
}

static int open_checksums(struct integrity *integrity, const struct element *element)
{
    const struct tail *tail = &integrity->tail;

    if (tail->checksums_bytes == 0)
        return 0;
    int error =
        checksums_new(&integrity->checksums, element->tail_offset_bytes, tail->checksums_bytes);
    if (error == 0)
        error = element_read_tail_now(element, integrity->checksums->words, tail->checksums_bytes,
                                      tail->checksums_offset_bytes);
    if (error == 0)
        forget_doubtful(integrity);
    return error;
}

int integrity_open(struct integrity **ret_integrity, const struct element *element,
                   const struct tail *tail)
{
    struct integrity *integrity = calloc(1, sizeof *integrity);

    if (integrity == NULL)
        return -ENOMEM;
    integrity->tail = *tail;
    int error = intents_new(&integrity->intents, tail, element->tail_offset_bytes);
    if (error == 0)
        error = element_read_tail_now(element, integrity->intents->image, tail->intents_bytes,
                                      tail->intents_offset_bytes);
    if (error == 0) {
        intents_load(integrity->intents);
        error = open_checksums(integrity, element);
    }
    if (error != 0) {
        integrity_free(integrity);
        return error;
    }
    *ret_integrity = integrity;
    return 0;
}

void integrity_free(struct integrity *integrity)
{
    if (integrity == NULL)
        return;
    checksums_free(integrity->checksums);
    intents_free(integrity->intents);
    free(integrity);
}

struct loop_io integrity_intents_io(const struct integrity *integrity)
{
    return (struct loop_io){.buffer = LOOP_NO_BUFFER,
                            .memory = integrity->intents->image,
                            .bytes = integrity->intents->image_bytes,
                            .offset_bytes = integrity->tail.intents_offset_bytes};
}

/* The whole blocks of the table that have the words of a region: bytes [from, end) of it. */
static void words_of(const struct integrity *integrity, uint64_t region, uint64_t *ret_from,
                     uint64_t *ret_end)
{
    uint64_t first, count;

    blocks_of(integrity, region, &first, &count);
    *ret_from = first * CHECKSUM_BYTES / BLOCK_BYTES * BLOCK_BYTES;
    *ret_end = ((first + count) * CHECKSUM_BYTES + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

struct loop_io integrity_checksums_io(const struct integrity *integrity, uint64_t first_region,
                                      uint64_t end_region)
{
    uint64_t from, end, unused;

    words_of(integrity, first_region, &from, &unused);
    words_of(integrity, end_region - 1, &unused, &end);
    return (struct loop_io){.buffer = LOOP_NO_BUFFER,
                            .memory = (uint8_t *)integrity->checksums->words + from,
                            .bytes = (uint32_t)(end - from),
                            .offset_bytes = integrity->tail.checksums_offset_bytes + from};
}

/* --- ending --- */

/* Words that changed are those of regions that are set: in whole blocks, each once. What else is in
 * such a block is as right as it was. */
static int write_checksums(const struct integrity *integrity, const struct element *element)
{
    const struct intents *intents = integrity->intents;
    uint64_t from, end, written_bytes = 0;

    for (uint64_t region = 0; region < intents->regions; region++) {
        if (((intents_standing(intents, region / 64) & ~intents->kept[region / 64]) >> region % 64 &
             1) == 0)
            continue;
        words_of(integrity, region, &from, &end);
        from = from < written_bytes ? written_bytes : from;
        if (from >= end)
            continue;
        int error =
            element_write_tail_now(element, (const uint8_t *)integrity->checksums->words + from,
                                   end - from, integrity->tail.checksums_offset_bytes + from);
        if (error != 0)
            return error;
        written_bytes = end;
    }
    return element_sync_now(element);
}

static bool any(const struct intents *intents)
{
    uint64_t bits = 0;

    for (uint64_t word = 0; word < intents->words; word++)
        bits |= intents_standing(intents, word);
    return bits != 0;
}

int integrity_end(struct integrity *integrity, const struct element *element, const uint64_t *keep,
                  bool agree)
{
    struct intents *intents = integrity->intents;
    int error = 0;

    if (!any(intents))
        return 0;
    if (integrity->checksums != NULL)
        error = write_checksums(integrity, element);
    if (error != 0)
        return error;
    intents_end(intents, keep, INTENTS_CHECKSUMS_RIGHT | (agree ? INTENTS_MEMBERS_AGREE : 0));
    error = element_write_tail_now(element, intents->image, intents->image_bytes,
                                   integrity->tail.intents_offset_bytes);
    return error != 0 ? error : element_sync_now(element);
}

int integrity_keep(struct integrity *integrity, const struct element *element)
{
    const struct intents *intents = integrity->intents;
    uint64_t *all = calloc(intents->words, sizeof *all);

    if (all == NULL)
        return -ENOMEM;
    for (uint64_t word = 0; word < intents->words; word++)
        all[word] = intents_standing(intents, word);
    int error = integrity_end(integrity, element, all, false);
    free(all);
    return error;
}
