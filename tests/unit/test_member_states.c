/*
 * The words that say which members are good, being rebuilt or absent, and what is durable of it:
 * each step of a rebuild, and what may come in between.
 */
#include "shm/member_states.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

static struct volume_record volume;

/* Member 1 is absent, of a volume in its fifth run. */
static void begin(void)
{
    memset(&volume, 0, sizeof volume);
    volume.marked = 1;
    member_states_start(&volume, &(struct member_standing){.run = 5, .failed = 2});
}

static void set_failed(uint32_t members)
{
    struct member_states old = member_states_now(&volume);
    struct member_states next = {.failed = old.failed | members,
                                 .rebuilding = old.rebuilding & ~members};

    CU_ASSERT_TRUE(member_states_swap(&volume, &old, next));
}

static void mark(void)
{
    struct member_marking marking = member_states_begin_marking(&volume);

    member_states_set_marked(&volume, &marking);
}

static void check(uint64_t run, uint64_t next_run, uint32_t failed, uint32_t rebuilding,
                  uint64_t rebuilt_bytes)
{
    struct member_standing standing = member_states_standing(&volume);

    CU_ASSERT_EQUAL(standing.run, run);
    CU_ASSERT_EQUAL(standing.next_run, next_run);
    CU_ASSERT_EQUAL(standing.failed, failed);
    CU_ASSERT_EQUAL(standing.rebuilding, rebuilding);
    CU_ASSERT_EQUAL(standing.rebuilt_bytes, rebuilt_bytes);
}

static void each_step_of_a_rebuild_says_what_it_should(void)
{
    begin();
    check(5, 0, 2, 0, 0);
    CU_ASSERT_EQUAL(member_states_unmarked(&volume), 0);
    CU_ASSERT_EQUAL(member_states_begin(&volume, 7), 2); /* 0 and 2 are good */
    check(5, 0, 2, 2, 0);
    CU_ASSERT_EQUAL(member_states_begin(&volume, 2), 0); /* one at a time */
    member_states_announce(&volume);
    member_states_announce(&volume);
    check(5, 6, 2, 2, 0);
    member_states_enter(&volume, 0);
    member_states_enter(&volume, 0);
    check(6, 0, 2, 2, 0);
    member_states_set_rebuilt(&volume, 4096);
    check(6, 0, 2, 2, 0); /* it is not flushed */
    member_states_set_flushed(&volume, 4096);
    check(6, 0, 2, 2, 4096);
    member_states_announce(&volume);
    check(6, 7, 2, 2, 4096);
    member_states_enter(&volume, 2);
    check(7, 0, 0, 0, 0);
    CU_ASSERT_EQUAL(member_states_now(&volume).failed, 2); /* not yet in memory */
    CU_ASSERT_EQUAL(member_states_complete(&volume, 2), 2);
    CU_ASSERT_EQUAL(member_states_now(&volume).failed, 0);
    check(7, 0, 0, 0, 0);
}

/* Whenever it misses a write, that must be marked before the write is answered, in the run that it
 * is by then. */
static void one_that_fails_again_is_marked_again(void)
{
    for (int step = 0; step < 5; step++) {
        begin();
        CU_ASSERT_EQUAL(member_states_begin(&volume, 2), 2);
        if (step >= 1)
            member_states_announce(&volume);
        if (step >= 2)
            member_states_enter(&volume, 0);
        if (step >= 3)
            member_states_announce(&volume);
        if (step >= 4)
            member_states_enter(&volume, 2);
        CU_ASSERT_EQUAL(member_states_unmarked(&volume), 0);
        set_failed(2);
        /* before it was entered, its position is 0: that it is being rebuilt may be durable */
        CU_ASSERT_EQUAL(member_states_unmarked(&volume), step >= 2 ? 2 : 0);
        CU_ASSERT_EQUAL(member_states_standing(&volume).failed, 2);
        CU_ASSERT_EQUAL(member_states_standing(&volume).rebuilding, 0);
        mark();
        CU_ASSERT_EQUAL(member_states_unmarked(&volume), 0);
        CU_ASSERT_EQUAL(member_states_complete(&volume, 2), 0);
        CU_ASSERT_EQUAL(member_states_now(&volume).failed, 2);
    }
}

/* A marking that began before a new run says nothing of it. */
static void a_marking_of_an_earlier_run_adds_nothing(void)
{
    begin();
    struct member_marking old = member_states_begin_marking(&volume);
    CU_ASSERT_EQUAL(old.absent, 2);
    CU_ASSERT_EQUAL(member_states_begin(&volume, 2), 2);
    member_states_announce(&volume);
    member_states_enter(&volume, 0);
    member_states_set_marked(&volume, &old);
    set_failed(2);
    CU_ASSERT_EQUAL(member_states_unmarked(&volume), 2);
    mark();
    CU_ASSERT_EQUAL(member_states_unmarked(&volume), 0);
}

static void a_rebuild_after_a_broken_one_begins_at_0(void)
{
    begin();
    CU_ASSERT_EQUAL(member_states_begin(&volume, 2), 2);
    member_states_set_rebuilt(&volume, 8192);
    member_states_set_flushed(&volume, 8192);
    set_failed(2);
    CU_ASSERT_EQUAL(member_states_begin(&volume, 2), 2);
    CU_ASSERT_EQUAL(member_states_rebuilt_bytes(&volume), 0);
    check(5, 0, 2, 2, 0);
}

static void a_start_goes_on_where_it_was(void)
{
    begin();
    member_states_start(&volume, &(struct member_standing){
                                     .run = 9, .failed = 6, .rebuilding = 4, .rebuilt_bytes = 77});
    CU_ASSERT_EQUAL(member_states_rebuilt_bytes(&volume), 77);
    CU_ASSERT_EQUAL(member_states_absent(member_states_now(&volume)), 2);
    check(9, 0, 6, 4, 77);
    set_failed(4);
    CU_ASSERT_EQUAL(member_states_unmarked(&volume), 4);
}

/* One of several fails: the others are completed. */
static void only_those_that_are_still_rebuilt_are_completed(void)
{
    begin();
    set_failed(8);
    mark();
    CU_ASSERT_EQUAL(member_states_begin(&volume, 10), 10);
    member_states_announce(&volume);
    member_states_enter(&volume, 0);
    member_states_announce(&volume);
    member_states_enter(&volume, 10);
    check(7, 0, 0, 0, 0);
    set_failed(8);
    check(7, 0, 8, 0, 0);
    CU_ASSERT_EQUAL(member_states_unmarked(&volume), 8);
    CU_ASSERT_EQUAL(member_states_complete(&volume, 10), 2);
    CU_ASSERT_EQUAL(member_states_now(&volume).failed, 8);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each step of a rebuild says what it should", each_step_of_a_rebuild_says_what_it_should},
        {"one that fails again is marked again", one_that_fails_again_is_marked_again},
        {"a marking of an earlier run adds nothing", a_marking_of_an_earlier_run_adds_nothing},
        {"a rebuild after a broken one begins at 0", a_rebuild_after_a_broken_one_begins_at_0},
        {"a start goes on where it was", a_start_goes_on_where_it_was},
        {"only those that are still rebuilt are completed",
         only_those_that_are_still_rebuilt_are_completed},
    };
    return UNIT_RUN("member_states", tests);
}
