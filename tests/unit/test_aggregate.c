/*
 * Aggregate status: the first error in address order wins, in whichever order components end.
 */
#include "controller/path/aggregate.h"

#include <errno.h>

#include "tests/unit/unit.h"

static void all_good_is_good_at_the_last(void)
{
    struct aggregate aggregate;

    aggregate_begin(&aggregate, 3);
    CU_ASSERT_FALSE(aggregate_add(&aggregate, 8192, 0));
    CU_ASSERT_FALSE(aggregate_add(&aggregate, 0, 0));
    CU_ASSERT_TRUE(aggregate_add(&aggregate, 4096, 0));
    CU_ASSERT_EQUAL(aggregate.status, 0);
}

static void one_error_is_the_status(void)
{
    for (int bad = 0; bad < 3; bad++) {
        struct aggregate aggregate;
        aggregate_begin(&aggregate, 3);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(aggregate_add(&aggregate, (uint64_t)i * 4096, i == bad ? -EIO : 0),
                            i == 2);
        CU_ASSERT_EQUAL(aggregate.status, -EIO);
        CU_ASSERT_EQUAL(aggregate.status_offset_bytes, (uint64_t)bad * 4096);
    }
}

static void the_lowest_address_wins_in_any_order(void)
{
    static const int32_t errors[3] = {-ENOSPC, -EIO, -EPERM};
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (int o = 0; o < 6; o++) {
        struct aggregate aggregate;
        aggregate_begin(&aggregate, 3);
        for (int i = 0; i < 3; i++) {
            int component = orders[o][i];
            aggregate_add(&aggregate, (uint64_t)component * 4096, errors[component]);
        }
        CU_ASSERT_EQUAL(aggregate.remaining, 0);
        CU_ASSERT_EQUAL(aggregate.status, -ENOSPC);
    }
}

static void beginning_forgets_what_was_before(void)
{
    struct aggregate aggregate;

    aggregate_begin(&aggregate, 1);
    CU_ASSERT_TRUE(aggregate_add(&aggregate, UINT64_MAX, -EIO));
    CU_ASSERT_EQUAL(aggregate.status, -EIO);
    aggregate_begin(&aggregate, 1);
    CU_ASSERT_TRUE(aggregate_add(&aggregate, 0, 0));
    CU_ASSERT_EQUAL(aggregate.status, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"all good is good at the last", all_good_is_good_at_the_last},
        {"one error is the status", one_error_is_the_status},
        {"the lowest address wins in any order", the_lowest_address_wins_in_any_order},
        {"beginning forgets what was before", beginning_forgets_what_was_before},
    };
    return UNIT_RUN("aggregate", tests);
}
