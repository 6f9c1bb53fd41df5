/*
 * Write intents of regions that are left alone: a bit goes only when its region has rested for two
 * looks and was flushed since, and whatever is written, or fails, in between keeps it.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/integrity/intents.h"
#include "shm/limits.h"
#include "tests/unit/unit.h"

#define MIB UINT64_C(1048576)

enum { REGIONS = INTENT_SECTOR_REGIONS + 100 }; /* two sectors */

static const uint64_t element_bytes = REGIONS * MIB;

static struct intents *new_intents(void)
{
    const struct tail tail = tail_of(element_bytes, false);
    struct intents *intents;

    CU_ASSERT_EQUAL_FATAL(intents_new(&intents, &tail, element_bytes), 0);
    return intents;
}

static bool is_meant(const uint8_t *image, uint64_t region)
{
    struct intents *intents = new_intents();

    memcpy(intents->image, image, intents->image_bytes);
    intents_load(intents);
    bool doubt = intents_doubt(intents, region, INTENTS_MEMBERS_AGREE);
    intents_free(intents);
    return doubt;
}

/* As a write does: true: it had to be written on the image first. */
static bool write_to(struct intents *intents, uint64_t region)
{
    if (intents_cover(intents, region * MIB, 1))
        return false;
    intents_want(intents, region * MIB, 1);
    if (intents_cover(intents, region * MIB, 1))
        return false;
    intents_begin(intents);
    intents_written(intents);
    return true;
}

static void settle_all(struct intents *intents, bool durable)
{
    intents_settle(intents, 0, intents->regions);
    intents_flushed(intents, durable);
}

/* What is on the image then. */
static void write_image(struct intents *intents)
{
    intents_begin(intents);
    intents_written(intents);
}

static void what_rests_and_is_flushed_goes(void)
{
    struct intents *intents = new_intents();

    CU_ASSERT(write_to(intents, 7));
    CU_ASSERT_FALSE(intents_rest(intents, 7, 8));
    CU_ASSERT(intents_age(intents));
    CU_ASSERT(intents_rest(intents, 7, 8));
    CU_ASSERT_EQUAL(intents_next_cold(intents, 0), REGIONS);
    CU_ASSERT(intents_age(intents));
    CU_ASSERT_EQUAL(intents_next_cold(intents, 0), 7);
    CU_ASSERT_FALSE(intents_are_settled(intents, 7, 8));
    CU_ASSERT_FALSE(intents_drop(intents, 7));
    settle_all(intents, true);
    CU_ASSERT(intents_are_settled(intents, 0, REGIONS));
    CU_ASSERT(is_meant(intents->image, 7));
    CU_ASSERT(intents_drop(intents, 7));
    write_image(intents);
    CU_ASSERT_FALSE(is_meant(intents->image, 7));
    CU_ASSERT_FALSE(intents_age(intents));
    CU_ASSERT(write_to(intents, 7)); /* it must be written again first */
    CU_ASSERT(is_meant(intents->image, 7));
    intents_free(intents);
}

static void a_write_takes_its_region_back_without_any_writing(void)
{
    struct intents *intents = new_intents();

    for (uint32_t step = 0; step < 4; step++) {
        (void)write_to(intents, 100);
        for (uint32_t age = 0; age < (step < 2 ? step : 2); age++)
            (void)intents_age(intents);
        if (step == 3)
            settle_all(intents, true);
        CU_ASSERT_FALSE(write_to(intents, 100));
        CU_ASSERT(intents_cover(intents, 100 * MIB, 1));
        CU_ASSERT_FALSE(intents_rest(intents, 100, 101));
        CU_ASSERT_FALSE(intents_drop(intents, 100));
        CU_ASSERT(intents_doubt(intents, 100, INTENTS_MEMBERS_AGREE));
    }
    intents_free(intents);
}

static void a_flush_is_good_for_what_began_before_it(void)
{
    struct intents *intents = new_intents();

    (void)write_to(intents, 1);
    (void)write_to(intents, 2);
    (void)intents_age(intents);
    intents_settle(intents, 0, REGIONS);
    (void)write_to(intents, 2); /* while it is under way */
    (void)write_to(intents, 3);
    intents_flushed(intents, true);
    CU_ASSERT(intents_are_settled(intents, 1, 2));
    CU_ASSERT_FALSE(intents_are_settled(intents, 2, 3));
    CU_ASSERT_FALSE(intents_are_settled(intents, 3, 4));
    CU_ASSERT_FALSE(intents_drop(intents, 2));
    CU_ASSERT_FALSE(intents_drop(intents, 3));
    intents_free(intents);
}

static void a_flush_that_failed_is_good_for_nothing(void)
{
    struct intents *intents = new_intents();

    (void)write_to(intents, 1);
    (void)intents_age(intents);
    settle_all(intents, false);
    CU_ASSERT_FALSE(intents_are_settled(intents, 1, 2));
    CU_ASSERT_FALSE(intents_drop(intents, 1));
    CU_ASSERT_EQUAL(intents_next_cold(intents, 0), 1); /* it is tried again */
    intents_free(intents);
}

static void where_a_write_failed_nothing_rests_until_an_orderly_end(void)
{
    struct intents *intents = new_intents();
    uint64_t *keep = calloc(intents->words, sizeof *keep);

    CU_ASSERT_FATAL(keep != NULL);
    (void)write_to(intents, 9);
    (void)intents_age(intents);
    intents_hold(intents, 9 * MIB, 512);
    for (uint32_t i = 0; i < 3; i++)
        (void)intents_age(intents);
    CU_ASSERT_FALSE(intents_rest(intents, 9, 10));
    CU_ASSERT_EQUAL(intents_next_cold(intents, 0), REGIONS);
    intents_end(intents, keep, INTENTS_STATES_ALL);
    CU_ASSERT_FALSE(is_meant(intents->image, 9));
    intents_free(intents);
    free(keep);
}

/* They were durable when that state was written; others are left as they are, state and all. */
static void what_was_kept_of_earlier_times_goes_too(void)
{
    struct intents *intents = new_intents(), *next = new_intents();
    uint64_t *keep = calloc(intents->words, sizeof *keep);

    CU_ASSERT_FATAL(keep != NULL);
    memset(keep, 0xff, intents->words * sizeof *keep);
    (void)write_to(intents, 3);
    (void)write_to(intents, 70);
    intents_end(intents, keep, INTENTS_CHECKSUMS_RIGHT);
    memcpy(next->image, intents->image, intents->image_bytes);
    intents_load(next);
    CU_ASSERT(intents_age(next));
    CU_ASSERT_EQUAL(intents_next_cold(next, 0), 3);
    CU_ASSERT(intents_are_settled(next, 3, 4));
    CU_ASSERT(intents_drop(next, 3));
    write_image(next);
    CU_ASSERT_FALSE(is_meant(next->image, 3));
    CU_ASSERT(is_meant(next->image, 70));
    CU_ASSERT_FALSE(intents_doubt(next, 70, INTENTS_CHECKSUMS_RIGHT));
    CU_ASSERT(write_to(next, 70)); /* its state must go first */
    CU_ASSERT(intents_doubt(next, 70, INTENTS_CHECKSUMS_RIGHT));
    intents_free(next);
    intents_free(intents);
    free(keep);
}

/* A model says which regions hold something that is not durable, or was written since the look
 * before; their bits stand on every image that a crash may leave, whichever sectors reached it. */
static void whatever_goes_what_is_needed_stays(void)
{
    enum { STEPS = 4000, USED = 40 };
    struct intents *intents = new_intents();
    uint32_t bytes = intents->image_bytes;
    uint8_t *disk = calloc(1, bytes), *torn = malloc(bytes);
    bool needed[USED] = {false};
    uint32_t dropped = 0;

    CU_ASSERT_FATAL(disk != NULL && torn != NULL);
    srand(11);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t one = (uint32_t)rand() % USED;
        uint64_t region = one + (one % 2) * (REGIONS - USED); /* in both sectors */
        switch (rand() % 6) {
        case 0:
        case 1:
            (void)write_to(intents, region);
            needed[one] = true;
            break;
        case 2:
            (void)intents_age(intents);
            break;
        case 3:
            intents_settle(intents, 0, REGIONS);
            if (rand() % 2) {
                (void)write_to(intents, region);
                needed[one] = true;
            }
            intents_flushed(intents, rand() % 3 != 0);
            break;
        case 4:
            if (intents_are_settled(intents, region, region + 1)) {
                needed[one] = false;
                dropped += intents_drop(intents, region);
                intents_begin(intents);
                memcpy(torn, disk, bytes);
                uint32_t sector = (uint32_t)rand() % 2 * INTENT_SECTOR_BYTES;
                memcpy(torn + sector, intents->image + sector, INTENT_SECTOR_BYTES);
                intents_written(intents);
                for (uint32_t i = 0; i < USED; i++)
                    CU_ASSERT(!needed[i] || is_meant(torn, i + (i % 2) * (REGIONS - USED)));
            }
            break;
        default:
            break;
        }
        memcpy(disk, intents->image, bytes);
        for (uint32_t i = 0; step % 50 == 0 && i < USED; i++)
            CU_ASSERT(!needed[i] || is_meant(disk, i + (i % 2) * (REGIONS - USED)));
    }
    CU_ASSERT(dropped > 20);
    intents_free(intents);
    free(disk);
    free(torn);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what rests and is flushed goes", what_rests_and_is_flushed_goes},
        {"a write takes its region back without any writing",
         a_write_takes_its_region_back_without_any_writing},
        {"a flush is good for what began before it", a_flush_is_good_for_what_began_before_it},
        {"a flush that failed is good for nothing", a_flush_that_failed_is_good_for_nothing},
        {"where a write failed nothing rests until an orderly end",
         where_a_write_failed_nothing_rests_until_an_orderly_end},
        {"what was kept of earlier times goes too", what_was_kept_of_earlier_times_goes_too},
        {"whatever goes what is needed stays", whatever_goes_what_is_needed_stays},
    };
    return UNIT_RUN("intents at rest", tests);
}
