/*
 * Write intents: after an end at any step the image says of every region that may have been written
 * that it may have been; sectors that were torn count as all of theirs; and what an orderly end
 * leaves is known to be in order.
 */
#include "controller/integrity/intents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/limits.h"
#include "tests/unit/unit.h"

#define MIB UINT64_C(1048576)

enum { REGIONS = 2 * INTENT_SECTOR_REGIONS + 100 }; /* three sectors, the last one in part */

static const uint64_t element_bytes = REGIONS * MIB - 4096;

static struct intents *new_intents(void)
{
    const struct tail tail = tail_of(element_bytes, false);
    struct intents *intents;

    CU_ASSERT_EQUAL_FATAL(intents_new(&intents, &tail, element_bytes), 0);
    CU_ASSERT_EQUAL(intents->regions, REGIONS);
    return intents;
}

/* What the next start makes of an image. */
static struct intents *load(const uint8_t *image)
{
    struct intents *intents = new_intents();

    memcpy(intents->image, image, intents->image_bytes);
    intents_load(intents);
    return intents;
}

static bool means(const uint8_t *image, uint64_t region, enum intents_state state)
{
    struct intents *intents = load(image);
    bool doubt = intents_doubt(intents, region, state);

    intents_free(intents);
    return doubt;
}

static void add(struct intents *intents, uint64_t region, uint64_t count)
{
    intents_want(intents, region * MIB, count * MIB);
    intents_begin(intents);
    intents_written(intents);
}

static void a_new_image_means_nothing(void)
{
    struct intents *intents = new_intents();
    uint8_t *image = calloc(1, intents->image_bytes);
    struct intents *loaded;

    CU_ASSERT_FATAL(image != NULL);
    loaded = load(image);
    CU_ASSERT_EQUAL(intents_count(loaded, 0, element_bytes, INTENTS_MEMBERS_AGREE), 0);
    CU_ASSERT_FALSE(intents_cover(loaded, 0, 1));
    intents_free(loaded);
    intents_free(intents);
    free(image);
}

static void a_write_waits_until_its_regions_are_on_the_image(void)
{
    struct intents *intents = new_intents();

    CU_ASSERT_FALSE(intents_cover(intents, 5 * MIB, 1));
    intents_want(intents, 5 * MIB + 7, 2 * MIB);
    intents_begin(intents);
    CU_ASSERT_FALSE(intents_cover(intents, 5 * MIB, 1));
    intents_want(intents, 9 * MIB, 1); /* comes too late for this writing */
    intents_written(intents);
    CU_ASSERT(intents_cover(intents, 5 * MIB, 3 * MIB));
    CU_ASSERT_FALSE(intents_cover(intents, 5 * MIB, 3 * MIB + 1));
    CU_ASSERT_FALSE(intents_cover(intents, 5 * MIB - 1, 2));
    CU_ASSERT_FALSE(intents_cover(intents, 9 * MIB, 1));
    intents_begin(intents);
    intents_written(intents);
    CU_ASSERT(intents_cover(intents, 9 * MIB, 1));
    intents_want(intents, element_bytes - 1, 1); /* the last byte of all */
    intents_begin(intents);
    intents_written(intents);
    CU_ASSERT(intents_cover(intents, element_bytes - 1, 1));
    intents_free(intents);
}

static void a_writing_that_failed_sets_nothing(void)
{
    struct intents *intents = new_intents();

    intents_want(intents, 0, MIB);
    intents_begin(intents);
    intents_failed(intents);
    CU_ASSERT_FALSE(intents_cover(intents, 0, 1));
    intents_want(intents, 0, MIB);
    intents_begin(intents);
    intents_written(intents);
    CU_ASSERT(intents_cover(intents, 0, MIB));
    intents_free(intents);
}

/* Random writings, each of which may end after any of its sectors, or within one. */
static void whatever_reaches_the_disk_no_region_is_forgotten(void)
{
    enum { ROUNDS = 300 };
    struct intents *intents = new_intents();
    uint32_t bytes = intents->image_bytes;
    uint8_t *disk = calloc(1, bytes), *torn = malloc(bytes);
    bool *durable = calloc(REGIONS, sizeof *durable);

    CU_ASSERT_FATAL(disk != NULL && torn != NULL && durable != NULL);
    srand(7);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t first = (uint64_t)rand() % REGIONS, count = (uint64_t)rand() % 5 + 1;
        count = count > REGIONS - first ? REGIONS - first : count;
        intents_want(intents, first * MIB,
                     count == REGIONS - first ? element_bytes - first * MIB : count * MIB);
        intents_begin(intents);
        /* Some sectors are new, some old, and one is half of each. */
        memcpy(torn, disk, bytes);
        for (uint32_t at = 0; at < bytes; at += INTENT_SECTOR_BYTES) {
            if (rand() % 2)
                memcpy(torn + at, intents->image + at, INTENT_SECTOR_BYTES);
        }
        uint32_t half = (uint32_t)rand() % 3 * INTENT_SECTOR_BYTES;
        memcpy(torn + half, intents->image + half, (size_t)(rand() % INTENT_SECTOR_BYTES));
        struct intents *after = load(torn);
        for (uint64_t region = 0; region < REGIONS; region++) {
            if (durable[region])
                CU_ASSERT(intents_doubt(after, region, INTENTS_MEMBERS_AGREE));
        }
        intents_free(after);
        memcpy(disk, intents->image, bytes);
        intents_written(intents);
        for (uint64_t region = first; region < first + count; region++)
            durable[region] = true;
    }
    struct intents *last = load(disk);
    for (uint64_t region = 0; region < REGIONS; region++)
        CU_ASSERT_EQUAL(intents_doubt(last, region, INTENTS_CHECKSUMS_RIGHT), durable[region]);
    intents_free(last);
    intents_free(intents);
    free(disk);
    free(torn);
    free(durable);
}

static void a_damaged_sector_means_all_of_its_regions(void)
{
    struct intents *intents = new_intents();

    add(intents, 3, 1);
    add(intents, INTENT_SECTOR_REGIONS + 1, 1);
    for (uint32_t bit = 0; bit < 8 * INTENT_SECTOR_BYTES; bit += 37) {
        intents->image[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct intents *loaded = load(intents->image);
        CU_ASSERT_EQUAL(
            intents_count(loaded, 0, INTENT_SECTOR_REGIONS * MIB, INTENTS_CHECKSUMS_RIGHT),
            INTENT_SECTOR_REGIONS);
        CU_ASSERT_EQUAL(intents_count(loaded, INTENT_SECTOR_REGIONS * MIB,
                                      element_bytes - INTENT_SECTOR_REGIONS * MIB,
                                      INTENTS_CHECKSUMS_RIGHT),
                        1);
        intents_free(loaded);
        intents->image[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* One sector in the place of another is damage as well. */
    memcpy(intents->image + INTENT_SECTOR_BYTES, intents->image, INTENT_SECTOR_BYTES);
    CU_ASSERT(means(intents->image, INTENT_SECTOR_REGIONS + 77, INTENTS_MEMBERS_AGREE));
    intents_free(intents);
}

static void an_orderly_end_leaves_what_is_to_be_kept(void)
{
    struct intents *intents = new_intents();
    uint64_t *keep = calloc(intents->words, sizeof *keep);

    CU_ASSERT_FATAL(keep != NULL);
    add(intents, 10, 3);
    add(intents, 5000, 1);
    keep[11 / 64] |= UINT64_C(1) << 11;
    keep[200 / 64] |= UINT64_C(1) << 200 % 64; /* is not meant */
    intents_end(intents, keep, INTENTS_STATES_ALL);
    struct intents *next = load(intents->image);
    CU_ASSERT_EQUAL(intents_count(next, 0, element_bytes, INTENTS_MEMBERS_AGREE), 0);
    CU_ASSERT(next->kept[0] == UINT64_C(1) << 11 && next->kept[5000 / 64] == 0);
    /* Its first write is written, and takes the states of its sector with it, not of others. */
    CU_ASSERT_FALSE(intents_cover(next, 11 * MIB, 1));
    add(next, 12, 1);
    CU_ASSERT(means(next->image, 11, INTENTS_CHECKSUMS_RIGHT));
    CU_ASSERT(means(next->image, 12, INTENTS_CHECKSUMS_RIGHT));
    CU_ASSERT(intents_cover(next, 11 * MIB, 1));
    CU_ASSERT_EQUAL(intents_count(next, 0, element_bytes, INTENTS_MEMBERS_AGREE), 2);
    intents_free(next);
    intents_free(intents);
    free(keep);
}

static void after_an_end_where_members_may_differ_only_checksums_are_right(void)
{
    struct intents *intents = new_intents();
    uint64_t *keep = calloc(intents->words, sizeof *keep);

    CU_ASSERT_FATAL(keep != NULL);
    memset(keep, 0xff, intents->words * sizeof *keep);
    add(intents, 10, 1);
    intents_end(intents, keep, INTENTS_CHECKSUMS_RIGHT);
    CU_ASSERT(means(intents->image, 10, INTENTS_MEMBERS_AGREE));
    CU_ASSERT_FALSE(means(intents->image, 10, INTENTS_CHECKSUMS_RIGHT));
    /* And still, after one more start and a write elsewhere in the sector. */
    struct intents *next = load(intents->image);
    add(next, 20, 1);
    CU_ASSERT(means(next->image, 10, INTENTS_MEMBERS_AGREE));
    intents_free(next);
    intents_free(intents);
    free(keep);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a new image means nothing", a_new_image_means_nothing},
        {"a write waits until its regions are on the image",
         a_write_waits_until_its_regions_are_on_the_image},
        {"a writing that failed sets nothing", a_writing_that_failed_sets_nothing},
        {"whatever reaches the disk no region is forgotten",
         whatever_reaches_the_disk_no_region_is_forgotten},
        {"a damaged sector means all of its regions", a_damaged_sector_means_all_of_its_regions},
        {"an orderly end leaves what is to be kept", an_orderly_end_leaves_what_is_to_be_kept},
        {"after an end where members may differ only checksums are right",
         after_an_end_where_members_may_differ_only_checksums_are_right},
    };
    return UNIT_RUN("intents", tests);
}
