/*
 * A seat: sleeping, waking, and what its states are called.
 */
#include "shm/seat.h"

#include "tests/unit/unit.h"

static void who_is_awake_needs_no_doorbell(void)
{
    struct seat seat = {0};

    CU_ASSERT_FALSE(seat_needs_doorbell(&seat));
    seat_fall_asleep(&seat);
    seat_wake_up(&seat);
    CU_ASSERT_FALSE(seat_needs_doorbell(&seat));
}

static void one_of_several_wakers_rings(void)
{
    struct seat seat = {0};

    seat_fall_asleep(&seat);
    CU_ASSERT_TRUE(seat_needs_doorbell(&seat));
    CU_ASSERT_FALSE(seat_needs_doorbell(&seat));
    seat_fall_asleep(&seat);
    CU_ASSERT_TRUE(seat_needs_doorbell(&seat));
}

static void an_epoch_is_its_low_bits(void)
{
    struct seat seat = {.epoch = 0x12345};

    CU_ASSERT_EQUAL(seat_epoch(&seat), 0x2345);
}

static void states_have_names_and_know_who_is_gone(void)
{
    struct seat seat = {0};

    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_EMPTY);
    seat_set_state(&seat, SEAT_RUNNING);
    CU_ASSERT_STRING_EQUAL(seat_state_name(seat_state(&seat)), "running");
    CU_ASSERT_STRING_EQUAL(seat_state_name((enum seat_state)99), "damaged");
    CU_ASSERT_FALSE(seat_is_gone(SEAT_STARTING));
    CU_ASSERT_FALSE(seat_is_gone(SEAT_RUNNING));
    CU_ASSERT_FALSE(seat_is_gone(SEAT_QUIESCED));
    CU_ASSERT_TRUE(seat_is_gone(SEAT_STOPPED));
    CU_ASSERT_TRUE(seat_is_gone(SEAT_DEAD));
    CU_ASSERT_TRUE(seat_is_gone(SEAT_DRAINED));
}

static void a_death_raises_the_epoch_once(void)
{
    struct seat seat = {.epoch = 7};

    seat_set_state(&seat, SEAT_RUNNING);
    seat_declare_dead(&seat, 7);
    seat_declare_dead(&seat, 7); /* another who noticed the same */
    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_DEAD);
    CU_ASSERT_EQUAL(seat_epoch(&seat), 8);
    seat_set_state(&seat, SEAT_DRAINED);
    seat_declare_dead(&seat, 7); /* and one who was late */
    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_DRAINED);
    CU_ASSERT_EQUAL(seat_epoch(&seat), 8);
}

static void a_death_half_declared_is_finished(void)
{
    struct seat seat = {.epoch = 8};

    seat_set_state(&seat, SEAT_RUNNING);
    seat_declare_dead(&seat, 7);
    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_DEAD);
    CU_ASSERT_EQUAL(seat_epoch(&seat), 8);
}

static void an_orderly_end_and_a_later_life_are_no_death(void)
{
    struct seat stopped = {.epoch = 7}, later = {.epoch = 9};

    seat_set_state(&stopped, SEAT_STOPPED);
    seat_declare_dead(&stopped, 7);
    CU_ASSERT_EQUAL(seat_state(&stopped), SEAT_STOPPED);
    seat_set_state(&later, SEAT_RUNNING);
    seat_declare_dead(&later, 7);
    CU_ASSERT_EQUAL(seat_state(&later), SEAT_RUNNING);
    CU_ASSERT_EQUAL(seat_epoch(&later), 9);
}

static void a_life_begins_with_nothing_said(void)
{
    struct seat seat = {.epoch = 8, .pid = 77, .sleeping = 1};

    seat_set_state(&seat, SEAT_DRAINED);
    seat_refuse(&seat, 3);
    seat_set_done_with(&seat, 4);
    store_relaxed(&seat.request, SEAT_REQUEST_STOP); /* relaxed: nobody else is here */
    seat_begin_life(&seat, 9, 1234);
    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_STARTING);
    CU_ASSERT_EQUAL(seat_life(&seat), 9);
    CU_ASSERT_FALSE(seat_refuses(&seat, 3));
    CU_ASSERT_FALSE(seat_is_done_with(&seat, 4));
    CU_ASSERT_FALSE(seat_needs_doorbell(&seat));
    CU_ASSERT_EQUAL(load_relaxed(&seat.request), SEAT_REQUEST_NONE); /* relaxed: as above */
    CU_ASSERT_EQUAL(load_relaxed(&seat.pid), 0);
    CU_ASSERT_EQUAL(load_relaxed(&seat.since_ns), 1234);
    seat_declare_dead(&seat, 7); /* somebody who is late by a whole life */
    CU_ASSERT_EQUAL(seat_state(&seat), SEAT_STARTING);
    CU_ASSERT_EQUAL(seat_life(&seat), 9);
}

static void one_is_forgotten_and_the_others_are_not(void)
{
    struct seat seat = {.epoch = 1};

    for (uint32_t peer = 3; peer < 5; peer++) {
        seat_refuse(&seat, peer);
        seat_set_done_with(&seat, peer);
    }
    seat_forget(&seat, 4);
    CU_ASSERT_TRUE(seat_refuses(&seat, 3) && seat_is_done_with(&seat, 3));
    CU_ASSERT_FALSE(seat_refuses(&seat, 4) || seat_is_done_with(&seat, 4));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"who is awake needs no doorbell", who_is_awake_needs_no_doorbell},
        {"one of several wakers rings", one_of_several_wakers_rings},
        {"an epoch is its low bits", an_epoch_is_its_low_bits},
        {"a death raises the epoch once", a_death_raises_the_epoch_once},
        {"a death half declared is finished", a_death_half_declared_is_finished},
        {"an orderly end and a later life are no death",
         an_orderly_end_and_a_later_life_are_no_death},
        {"a life begins with nothing said", a_life_begins_with_nothing_said},
        {"one is forgotten and the others are not", one_is_forgotten_and_the_others_are_not},
        {"states have names and know who is gone", states_have_names_and_know_who_is_gone},
    };
    return UNIT_RUN("seat", tests);
}
