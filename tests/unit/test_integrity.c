/*
 * Checksums, and what an owner keeps beside an element's data, on an image: what is right after an
 * end at each step, and what is not known any more.
 */
#include "controller/integrity/integrity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/limits.h"
#include "tests/unit/unit.h"

#define MIB UINT64_C(1048576)

enum { ELEMENT_BYTES = 6 << 20, BLOCKS = ELEMENT_BYTES / BLOCK_BYTES };

static uint8_t block[BLOCK_BYTES];

/* --- the table --- */

static void a_checksum_is_of_the_bytes_and_of_the_place(void)
{
    memset(block, 0x5a, sizeof block);
    uint32_t right = checksum_of(block, 77);
    CU_ASSERT_NOT_EQUAL(checksum_of(block, 78), right);
    CU_ASSERT_NOT_EQUAL(checksum_of(block, 77 + 65536), right);
    for (uint32_t bit = 0; bit < 8 * BLOCK_BYTES; bit++) {
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_NOT_EQUAL(checksum_of(block, 77), right);
        block[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CU_ASSERT_EQUAL(checksum_of(block, 77), right);
}

static void what_a_word_says_is_what_fits(void)
{
    struct checksums *checksums;

    CU_ASSERT_EQUAL_FATAL(checksums_new(&checksums, ELEMENT_BYTES, 2 * BLOCK_BYTES), 0);
    memset(block, 0, sizeof block);
    CU_ASSERT(checksums_fit(checksums, 0, block)); /* a new element is zeroes, and nothing else */
    block[BLOCK_BYTES - 1] = 1;
    CU_ASSERT_FALSE(checksums_fit(checksums, 0, block));
    checksums_enter(checksums, 0, block);
    CU_ASSERT(checksums_fit(checksums, 0, block));
    CU_ASSERT_FALSE(checksums_fit(checksums, 1, block));
    checksums_set(checksums, 1, 1, CHECKSUM_UNKNOWN);
    CU_ASSERT(checksums_fit(checksums, 1, block)); /* and is known from then on */
    block[0] = 1;
    CU_ASSERT_FALSE(checksums_fit(checksums, 1, block));
    checksums_set(checksums, 1, 1, CHECKSUM_DAMAGED);
    checksums_forget(checksums, 0, 2);
    CU_ASSERT(checksums_fit(checksums, 0, block));
    CU_ASSERT_FALSE(checksums_fit(checksums, 1, block)); /* not mended by being forgotten */
    checksums_enter(checksums, 1, block);
    CU_ASSERT(checksums_fit(checksums, 1, block));
    CU_ASSERT(checksums->words[0] >= CHECKSUM_CRC_FIRST);
    checksums_free(checksums);
}

/* --- on an image --- */

struct kept {
    struct element element;
    struct integrity *integrity;
    struct tail tail;
    int memory; /* the image */
};

static void open_again(struct kept *kept)
{
    CU_ASSERT_EQUAL_FATAL(integrity_open(&kept->integrity, &kept->element, &kept->tail), 0);
}

static struct kept new_kept(void)
{
    struct kept kept = {.tail = tail_of(ELEMENT_BYTES, true),
                        .memory = memfd_create("image", MFD_CLOEXEC)};
    struct element_error why;
    char path[64];

    CU_ASSERT_FATAL(kept.memory >= 0 &&
                    ftruncate(kept.memory, ELEMENT_BYTES + tail_bytes(&kept.tail)) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", kept.memory);
    const struct element_wanted wanted = {.image = path};
    CU_ASSERT_EQUAL_FATAL(element_open(&kept.element, &wanted, &why), 0);
    CU_ASSERT_EQUAL_FATAL(element_keep_tail(&kept.element, 0, tail_bytes(&kept.tail), &why), 0);
    open_again(&kept);
    return kept;
}

static void kept_done(struct kept *kept)
{
    integrity_free(kept->integrity);
    element_close(&kept->element);
    close(kept->memory);
}

/* The process is gone; the image is as it is. */
static void crash(struct kept *kept)
{
    integrity_free(kept->integrity);
    open_again(kept);
}

/* What a write of a block leaves behind in its owner: the intent on the image, the word in memory.
 */
static void write_block(struct kept *kept, uint64_t number, uint8_t fill)
{
    struct intents *intents = kept->integrity->intents;

    if (!intents_cover(intents, number * BLOCK_BYTES, BLOCK_BYTES)) {
        intents_want(intents, number * BLOCK_BYTES, BLOCK_BYTES);
        intents_begin(intents);
        CU_ASSERT_EQUAL(element_write_tail_now(&kept->element, intents->image, intents->image_bytes,
                                               kept->tail.intents_offset_bytes),
                        0);
        intents_written(intents);
    }
    memset(block, fill, sizeof block);
    checksums_enter(kept->integrity->checksums, number, block);
}

static int end(struct kept *kept)
{
    uint64_t *keep = calloc(kept->integrity->intents->words, sizeof *keep);

    CU_ASSERT_FATAL(keep != NULL);
    int error = integrity_end(kept->integrity, &kept->element, keep, true);
    free(keep);
    return error;
}

static uint32_t word(const struct kept *kept, uint64_t number)
{
    return kept->integrity->checksums->words[number];
}

static bool is_of(const struct kept *kept, uint64_t number, uint8_t fill)
{
    memset(block, fill, sizeof block);
    return word(kept, number) == checksum_of(block, number);
}

static void an_orderly_end_keeps_every_checksum(void)
{
    struct kept kept = new_kept();

    for (uint64_t number = 0; number < BLOCKS; number += 5)
        write_block(&kept, number, (uint8_t)(number + 1));
    CU_ASSERT_EQUAL(end(&kept), 0);
    crash(&kept);
    for (uint64_t number = 0; number < BLOCKS; number++)
        CU_ASSERT(number % 5 == 0 ? is_of(&kept, number, (uint8_t)(number + 1))
                                  : word(&kept, number) == CHECKSUM_ZEROES);
    kept_done(&kept);
}

static void a_crash_forgets_the_regions_that_were_written_and_no_others(void)
{
    struct kept kept = new_kept();

    write_block(&kept, 3, 1);
    write_block(&kept, 300, 2);
    CU_ASSERT_EQUAL(end(&kept), 0);
    crash(&kept);
    write_block(&kept, 4, 9); /* in the first region */
    crash(&kept);
    for (uint64_t number = 0; number < 256; number++)
        CU_ASSERT_EQUAL(word(&kept, number), CHECKSUM_UNKNOWN);
    CU_ASSERT(is_of(&kept, 300, 2));
    CU_ASSERT_EQUAL(word(&kept, 301), CHECKSUM_ZEROES);
    /* Still, after another crash without any write; and an orderly end is one again. */
    crash(&kept);
    CU_ASSERT_EQUAL(word(&kept, 3), CHECKSUM_UNKNOWN);
    write_block(&kept, 4, 9);
    CU_ASSERT_EQUAL(end(&kept), 0);
    crash(&kept);
    CU_ASSERT(is_of(&kept, 4, 9));
    CU_ASSERT_EQUAL(word(&kept, 3), CHECKSUM_UNKNOWN);
    kept_done(&kept);
}

/* The end writes checksums, then the bitmap. Whatever of either was written when everything ended,
 * no word is believed that is not that of the last write. */
static void an_end_that_is_cut_short_at_any_byte_is_a_crash(void)
{
    struct kept kept = new_kept();
    uint32_t bytes = tail_bytes(&kept.tail);
    uint8_t *before = malloc(bytes), *after = malloc(bytes);

    CU_ASSERT_FATAL(before != NULL && after != NULL);
    write_block(&kept, 3, 1);
    write_block(&kept, 700, 1);
    write_block(&kept, 1500, 1);
    CU_ASSERT_EQUAL(end(&kept), 0);
    crash(&kept);
    write_block(&kept, 3, 2);
    write_block(&kept, 1500, 2);
    CU_ASSERT_EQUAL(pread(kept.memory, before, bytes, ELEMENT_BYTES), bytes);
    CU_ASSERT_EQUAL(end(&kept), 0);
    CU_ASSERT_EQUAL(pread(kept.memory, after, bytes, ELEMENT_BYTES), bytes);
    /* A sector at a time, and within one. */
    for (uint32_t cut = 0; cut <= kept.tail.intents_offset_bytes + kept.tail.intents_bytes;
         cut += 256) {
        CU_ASSERT_EQUAL(pwrite(kept.memory, before, bytes, ELEMENT_BYTES), bytes);
        CU_ASSERT_EQUAL(pwrite(kept.memory, after, cut, ELEMENT_BYTES), cut);
        crash(&kept);
        CU_ASSERT(word(&kept, 3) == CHECKSUM_UNKNOWN || is_of(&kept, 3, 2));
        CU_ASSERT(word(&kept, 1500) == CHECKSUM_UNKNOWN || is_of(&kept, 1500, 2));
        CU_ASSERT(is_of(&kept, 700, 1) || cut % INTENT_SECTOR_BYTES != 0);
    }
    CU_ASSERT(is_of(&kept, 3, 2) && is_of(&kept, 1500, 2)); /* all of it */
    free(before);
    free(after);
    kept_done(&kept);
}

/* The table cannot be read, so that writing it fails, and only that. */
static void an_end_that_cannot_write_checksums_leaves_the_intents(void)
{
    struct kept kept = new_kept();

    write_block(&kept, 3, 1);
    struct checksums *checksums = kept.integrity->checksums;
    CU_ASSERT_EQUAL(mprotect(checksums->words, checksums->words_bytes, PROT_NONE), 0);
    CU_ASSERT_EQUAL(end(&kept), -EFAULT);
    crash(&kept);
    CU_ASSERT_EQUAL(word(&kept, 3), CHECKSUM_UNKNOWN);
    kept_done(&kept);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a checksum is of the bytes and of the place",
         a_checksum_is_of_the_bytes_and_of_the_place},
        {"what a word says is what fits", what_a_word_says_is_what_fits},
        {"an orderly end keeps every checksum", an_orderly_end_keeps_every_checksum},
        {"a crash forgets the regions that were written and no others",
         a_crash_forgets_the_regions_that_were_written_and_no_others},
        {"an end that is cut short at any byte is a crash",
         an_end_that_is_cut_short_at_any_byte_is_a_crash},
        {"an end that cannot write checksums leaves the intents",
         an_end_that_cannot_write_checksums_leaves_the_intents},
    };
    return UNIT_RUN("integrity", tests);
}
