/*
 * The owner's word: what it says, who may change it, and that an old one is never changed.
 */
#include "shm/owner.h"

#include "shm/seat.h"
#include "tests/unit/unit.h"

static void a_word_says_what_was_packed(void)
{
    const struct owner owner = {
        .state = OWNER_MOVING, .seat = 63, .epoch = 0xfedc, .generation = 0x89abcdef};
    struct owner again = owner_unpack(owner_pack(owner));

    CU_ASSERT_EQUAL(owner_pack(owner), UINT64_C(0x89abcdeffedc3f02));
    CU_ASSERT_EQUAL(again.state, owner.state);
    CU_ASSERT_EQUAL(again.seat, owner.seat);
    CU_ASSERT_EQUAL(again.epoch, owner.epoch);
    CU_ASSERT_EQUAL(again.generation, owner.generation);
}

static void one_of_two_takes_it(void)
{
    _Atomic uint64_t word;

    owner_enter(&word, 3, 7);
    struct owner dead = owner_load(&word);
    CU_ASSERT_TRUE(owner_is(dead, 3, 7));
    CU_ASSERT_FALSE(owner_is(dead, 3, 8));
    CU_ASSERT_FALSE(owner_is(dead, 2, 7));
    CU_ASSERT_TRUE(owner_change(&word, dead, owner_next(dead, OWNER_TAKING, 1, 1)));
    CU_ASSERT_FALSE(owner_change(&word, dead, owner_next(dead, OWNER_TAKING, 2, 1)));
    struct owner taking = owner_load(&word);
    CU_ASSERT_EQUAL(taking.seat, 1);
    CU_ASSERT_FALSE(owner_is(taking, 1, 1)); /* not yet */
    CU_ASSERT_TRUE(owner_change(&word, taking, owner_next(taking, OWNER_OWNED, 1, 1)));
    CU_ASSERT_TRUE(owner_is(owner_load(&word), 1, 1));
}

/* There and back in the same life: only the generation tells it from what it was. */
static void who_has_slept_changes_nothing(void)
{
    _Atomic uint64_t word;

    owner_enter(&word, 0, 1);
    struct owner old = owner_load(&word), now = old;
    for (uint32_t i = 0; i < 4; i++) {
        struct owner next = owner_next(now, i % 2 == 0 ? OWNER_MOVING : OWNER_OWNED, 0, 1);
        CU_ASSERT_TRUE(owner_change(&word, now, next));
        now = owner_load(&word);
    }
    CU_ASSERT_TRUE(owner_is(now, 0, 1));
    CU_ASSERT_EQUAL(now.generation, old.generation + 4);
    CU_ASSERT_FALSE(owner_change(&word, old, owner_next(old, OWNER_MOVING, 0, 1)));
}

static void a_life_that_ended_owns_nothing(void)
{
    const struct segment_wanted wanted = {.controllers = 2,
                                          .elements = 1,
                                          .volumes = 1,
                                          .slots = 1,
                                          .ring_entries = 2,
                                          .buffers_bytes = BLOCK_BYTES};
    struct segment segment = {.fd = -1};

    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, &wanted, "lab"), 0);
    struct seat *seat = segment_seat(&segment, 1);
    struct element_record *record = segment_element(&segment, 0);
    store_relaxed(&seat->epoch, 1); /* relaxed: nobody else is there */
    seat_set_state(seat, SEAT_RUNNING);
    owner_enter(&record->owner, 1, 1);
    CU_ASSERT_FALSE(owner_is_gone(&segment, owner_load(&record->owner)));
    seat_declare_dead(seat, 1);
    CU_ASSERT_TRUE(owner_is_gone(&segment, owner_load(&record->owner)));
    seat_set_state(seat, SEAT_RUNNING); /* a later life in the same seat */
    CU_ASSERT_TRUE(owner_is_gone(&segment, owner_load(&record->owner)));
    owner_enter(&record->owner, 2, 1); /* damaged: there is no such seat */
    CU_ASSERT_TRUE(owner_is_gone(&segment, owner_load(&record->owner)));
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a word says what was packed", a_word_says_what_was_packed},
        {"one of two takes it", one_of_two_takes_it},
        {"who has slept changes nothing", who_has_slept_changes_nothing},
        {"a life that ended owns nothing", a_life_that_ended_owns_nothing},
    };
    return UNIT_RUN("owner", tests);
}
