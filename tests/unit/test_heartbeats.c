/*
 * Who is stuck, as far as it is a rule: what a process looks like, how long it has been silent, and
 * what it has used meanwhile.
 */
#include "controller/config/heartbeats.h"
#include "tests/unit/unit.h"

#define SECOND_NS 1000000000ull

static enum heartbeat_verdict judge(char state, uint64_t silent_s, uint64_t used_ms)
{
    return heartbeat_judge(state, silent_s * SECOND_NS, used_ms * 1000000, 2 * SECOND_NS);
}

static void nobody_is_stuck_before_a_heartbeat(void)
{
    for (const char *state = "TRSDt"; *state != '\0'; state++)
        CU_ASSERT_EQUAL(judge(*state, 1, 1000), HEARTBEAT_WAIT);
}

static void one_that_is_stopped_is_stuck(void)
{
    CU_ASSERT_EQUAL(judge('T', 2, 0), HEARTBEAT_STOPPED);
}

static void one_under_a_debugger_is_not(void)
{
    CU_ASSERT_EQUAL(judge('t', 3600, 0), HEARTBEAT_WAIT);
}

static void one_that_gets_no_processor_is_not(void)
{
    CU_ASSERT_EQUAL(judge('R', 3600, 499), HEARTBEAT_WAIT);
    CU_ASSERT_EQUAL(judge('R', 2, 500), HEARTBEAT_LOOPS);
}

static void what_waits_in_the_kernel_gets_longer(void)
{
    for (const char *state = "SD"; *state != '\0'; state++) {
        CU_ASSERT_EQUAL(judge(*state, 19, 0), HEARTBEAT_WAIT);
        CU_ASSERT_EQUAL(judge(*state, 20, 0), HEARTBEAT_WAITS);
    }
}

static void one_that_ends_is_heard_of_otherwise(void)
{
    CU_ASSERT_EQUAL(judge('Z', 100, 0), HEARTBEAT_WAIT);
    CU_ASSERT_EQUAL(judge('X', 100, 0), HEARTBEAT_WAIT);
}

static void a_process_is_read_whatever_its_name(void)
{
    char state = '?';
    uint64_t ticks = 0;

    CU_ASSERT_TRUE(heartbeat_parse_stat("7 (anyport-c1) T 1 2 3 0 -1 4194304 5 6 7 8 30 12 9 9 20 "
                                        "0 1 0 1234 5678 90",
                                        &state, &ticks));
    CU_ASSERT_EQUAL(state, 'T');
    CU_ASSERT_EQUAL(ticks, 42);
    CU_ASSERT_TRUE(
        heartbeat_parse_stat("7 (a) R 1 (b) S 1 2 3 0 -1 4 5 6 7 8 1 1 9", &state, &ticks));
    CU_ASSERT_EQUAL(state, 'S');
    CU_ASSERT_EQUAL(ticks, 2);
}

static void what_is_no_process_is_told(void)
{
    char state = '?';
    uint64_t ticks = 99;

    CU_ASSERT_FALSE(heartbeat_parse_stat("", &state, &ticks));
    CU_ASSERT_FALSE(heartbeat_parse_stat("7 anyport R 1 2", &state, &ticks));
    CU_ASSERT_FALSE(heartbeat_parse_stat("7 (anyport) R 1 2", &state, &ticks));
    CU_ASSERT_EQUAL(state, '?');
    CU_ASSERT_EQUAL(ticks, 99);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"nobody is stuck before a heartbeat", nobody_is_stuck_before_a_heartbeat},
        {"one that is stopped is stuck", one_that_is_stopped_is_stuck},
        {"one under a debugger is not", one_under_a_debugger_is_not},
        {"one that gets no processor is not", one_that_gets_no_processor_is_not},
        {"what waits in the kernel gets longer", what_waits_in_the_kernel_gets_longer},
        {"one that ends is heard of otherwise", one_that_ends_is_heard_of_otherwise},
        {"a process is read whatever its name", a_process_is_read_whatever_its_name},
        {"what is no process is told", what_is_no_process_is_told},
    };
    return UNIT_RUN("heartbeats", tests);
}
