/* Which controller an element goes to, by where its commands came from. */
#include "controller/config/follow_traffic.h"
#include "tests/unit/unit.h"

enum { OWNER = 1, CONTROLLERS = 4 };

static uint32_t judge(uint64_t c0, uint64_t c1, uint64_t c2, uint64_t c3)
{
    const uint64_t commands[CONTROLLERS] = {c0, c1, c2, c3};

    return follow_traffic_judge(commands, CONTROLLERS, OWNER);
}

static void it_goes_where_most_commands_come(void)
{
    CU_ASSERT_EQUAL(judge(0, 0, FOLLOW_COMMANDS_MIN, 0), 2);
    CU_ASSERT_EQUAL(judge(3 * FOLLOW_COMMANDS_MIN, FOLLOW_COMMANDS_MIN, 0, 0), 0);
    CU_ASSERT_EQUAL(judge(100, 100, 100, 900), 3);
}

static void it_stays_where_no_controller_has_three_quarters(void)
{
    CU_ASSERT_EQUAL(judge(2999, 0, 1001, 0), FOLLOW_STAYS);
    CU_ASSERT_EQUAL(judge(3000, 0, 1000, 0), 0);
    CU_ASSERT_EQUAL(judge(1000, 1000, 1000, 1000), FOLLOW_STAYS);
}

static void it_stays_where_it_is_right(void)
{
    CU_ASSERT_EQUAL(judge(0, 1000000, 0, 0), FOLLOW_STAYS);
}

static void a_quiet_one_stays(void)
{
    CU_ASSERT_EQUAL(judge(0, 0, FOLLOW_COMMANDS_MIN - 1, 0), FOLLOW_STAYS);
    CU_ASSERT_EQUAL(judge(0, 0, 0, 0), FOLLOW_STAYS);
}

static void counts_may_be_huge(void)
{
    CU_ASSERT_EQUAL(judge(UINT64_MAX / 4 * 3, 0, UINT64_MAX / 4 - 8, 0), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"it goes where most commands come", it_goes_where_most_commands_come},
        {"it stays where no controller has three quarters",
         it_stays_where_no_controller_has_three_quarters},
        {"it stays where it is right", it_stays_where_it_is_right},
        {"a quiet one stays", a_quiet_one_stays},
        {"counts may be huge", counts_may_be_huge},
    };
    return UNIT_RUN("follow traffic", tests);
}
