/*
 * Commands for an element that changes hands: they wait in the controller that received them, and
 * go on to whoever owns it then. The last seat's owner is played by the test.
 */
#include <errno.h>
#include <unistd.h>

#include "tests/unit/puppet.h"
#include "tests/unit/unit.h"

static const struct array_wanted with_one_puppet = {.controllers = 3,
                                                    .puppets = 1,
                                                    .slots = 1,
                                                    .ring_entries = 64,
                                                    .buffers_bytes = BUFFERS_BYTES_MIN};

static const struct array_wanted with_two_puppets = {.controllers = 4,
                                                     .puppets = 2,
                                                     .slots = 1,
                                                     .ring_entries = 64,
                                                     .buffers_bytes = BUFFERS_BYTES_MIN};

static struct array *start(bool takeover)
{
    struct array *array = array_start(&with_one_puppet);

    segment_header(&array->segment)->takeover = takeover; /* before anybody can die */
    return array;
}

static int32_t status_of(struct array *array, uint32_t host, uint32_t job)
{
    return array->hosts[host]->jobs[job].status;
}

static struct job write_to(uint32_t volume, uint8_t fill)
{
    return (struct job){.op = COMMAND_WRITE, .volume = volume, .fill = fill, .bytes = 8192};
}

static struct job read_of(uint32_t volume, uint8_t fill)
{
    return (struct job){.op = COMMAND_READ, .volume = volume, .fill = fill, .bytes = 8192};
}

static void change_owner(struct array *array, uint32_t element, enum owner_state state,
                         uint32_t seat)
{
    _Atomic uint64_t *word = &segment_element(&array->segment, element)->owner;
    struct owner now = owner_load(word);
    uint16_t epoch = seat_epoch(segment_seat(&array->segment, seat));

    CU_ASSERT_TRUE(owner_change(word, now, owner_next(now, state, seat, epoch)));
    array_publish(array);
}

static void check_owner(struct array *array, uint32_t element, uint32_t seat)
{
    struct owner owner = owner_load(&segment_element(&array->segment, element)->owner);

    CU_ASSERT_TRUE(owner_is(owner, seat, EPOCH));
}

static bool somebody_waits_for_an_owner(struct array *array)
{
    /* relaxed: a counter */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.waits_for_owner) > 0;
}

/* A command of another element goes through, with the only slot there is. */
static void check_others_go_on(struct array *array, uint32_t answered_before)
{
    host_submit(array, 0, write_to(1, 9));
    CU_ASSERT_TRUE_FATAL(host_wait(array, 0, answered_before + 1));
}

static void commands_wait_while_an_element_is_moved(void)
{
    struct array *array = start(false);

    change_owner(array, 1, OWNER_MOVING, 1);
    host_submit(array, 0, write_to(1, 5));
    CU_ASSERT_TRUE(array_wait_until(array, somebody_waits_for_an_owner));
    host_submit(array, 0, write_to(0, 6));
    CU_ASSERT_TRUE_FATAL(host_wait(array, 0, 1));
    CU_ASSERT_FALSE(array->hosts[0]->jobs[0].replied);
    change_owner(array, 1, OWNER_TAKING, 1);
    change_owner(array, 1, OWNER_OWNED, 1);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    host_submit(array, 0, read_of(1, 5));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_FALSE(array->hosts[0]->jobs[2].wrong);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Claimed, and one in line behind it for the slot: both wait, and the slot is free for others. */
static void what_was_sent_to_the_dead_waits_without_a_slot(void)
{
    struct array *array = start(true);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, write_to(PUPPET, 5));
    (void)claim(&puppet, &request);
    host_submit(array, 0, write_to(PUPPET, 6));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE(array_wait_until(array, somebody_waits_for_an_owner));
    check_others_go_on(array, 0);
    CU_ASSERT_FALSE(array->hosts[0]->jobs[0].replied);
    CU_ASSERT_FALSE(array->hosts[0]->jobs[1].replied);
    element_close(&array->elements[PUPPET]); /* its I/O has landed: somebody can take it */
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), 0);
    host_submit(array, 1, read_of(PUPPET, 6));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 1));
    CU_ASSERT_EQUAL(status_of(array, 1, 0), 0);
    CU_ASSERT_FALSE(array->hosts[1]->jobs[0].wrong);
    check_owner(array, PUPPET, PUPPET % 2); /* the first in turn */
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* What it had claimed to read into may be written by the kernel yet: that buffer is kept aside. */
static void what_nobody_can_open_fails(void)
{
    struct array *array = start(true);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, read_of(PUPPET, 5));
    (void)claim(&puppet, &request);
    CU_ASSERT_EQUAL(ftruncate(array->images[PUPPET], 4096), 0);
    element_close(&array->elements[PUPPET]);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    host_submit(array, 1, read_of(PUPPET, 5));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 1));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_EQUAL(status_of(array, 1, 0), -EIO);
    check_owner(array, PUPPET, PUPPET % 2);
    /* relaxed: nobody else is there */
    CU_ASSERT_EQUAL(load_relaxed(&segment_element(&array->segment, PUPPET)->state), ELEMENT_FAILED);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static uint64_t buffers_of_the_first(struct array *array)
{
    /* relaxed: a look from outside */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.buffers_bytes);
}

static bool the_first_has_no_buffers(struct array *array)
{
    return buffers_of_the_first(array) == 0;
}

/* Nobody waits for the I/O of its last owner, which may reach that buffer when the host has its
 * answer. The FLUSH comes after the end of that command, and has no buffer. */
static void what_the_dead_claimed_of_a_failed_element_is_kept_aside(void)
{
    struct array *array = start(true);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, read_of(PUPPET, 5));
    (void)claim(&puppet, &request);
    /* relaxed: nobody else writes it, and the death is published after it */
    store_relaxed(&segment_element(&array->segment, PUPPET)->state, ELEMENT_FAILED);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH});
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(buffers_of_the_first(array), request.length_bytes);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE(array_wait_until(array, the_first_has_no_buffers));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* The first in turn died while it took it. */
static void who_died_taking_it_is_followed_by_another(void)
{
    struct array *array = array_start(&with_two_puppets);

    segment_header(&array->segment)->takeover = 1;
    change_owner(array, PUPPET + 1, OWNER_TAKING, PUPPET);
    host_submit(array, 0, write_to(PUPPET + 1, 6));
    CU_ASSERT_TRUE(array_wait_until(array, somebody_waits_for_an_owner));
    element_close(&array->elements[PUPPET]);
    element_close(&array->elements[PUPPET + 1]);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    check_owner(array, PUPPET + 1, 0); /* 3 modulo the three that run */
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* It runs, and does nothing: the next one takes it after a while. */
static void who_does_not_come_to_it_is_not_waited_for(void)
{
    struct array *array = array_start(&with_two_puppets);

    segment_header(&array->segment)->takeover = 1;
    element_close(&array->elements[2]);
    host_submit(array, 0, write_to(2, 6));
    array_set_seat(array, PUPPET, SEAT_DEAD); /* 2 modulo three: the other puppet is the first */
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    check_owner(array, 2, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void put_dirty_block(struct array *array, uint32_t seat, uint32_t element, uint8_t fill)
{
    struct cache_region region = segment_cache_region(&array->segment, seat);

    cache_region_open(&region, 0);
    memset(cache_region_block(&region, 0), fill, BLOCK_BYTES);
    cache_region_publish(&region, 0, element, 0, EPOCH, CACHE_DIRTY);
}

/* Whoever declared its death was killed when it had raised the epoch, and before it said DEAD. */
static void what_a_cache_holds_is_adopted_from_a_death_half_declared(void)
{
    struct array_wanted wanted = with_one_puppet;

    wanted.cache_bytes = CACHE_BYTES_MIN;
    wanted.cache_mode = CACHE_WRITE_BACK;
    struct array *array = array_start(&wanted);
    struct seat *seat = segment_seat(&array->segment, PUPPET);
    segment_header(&array->segment)->takeover = 1;
    put_dirty_block(array, PUPPET, PUPPET, 5);
    element_close(&array->elements[PUPPET]);
    /* pairs with seat_epoch */
    store_release(&seat->epoch, EPOCH + 1);
    array_publish(array);
    host_submit(array, 0,
                (struct job){.op = COMMAND_READ, .volume = PUPPET, .fill = 5, .bytes = 4096});
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_FALSE(array->hosts[0]->jobs[0].wrong);
    CU_ASSERT_EQUAL(seat_state(seat), SEAT_DEAD);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void without_takeover_they_end_at_once(void)
{
    struct array *array = start(false);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, write_to(PUPPET, 5));
    (void)claim(&puppet, &request);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    host_submit(array, 0, read_of(PUPPET, 5));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), -EIO);
    CU_ASSERT_FALSE(somebody_waits_for_an_owner(array));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static bool is_asked(struct array *array, uint32_t target)
{
    const struct slot *slots = segment_slots(&array->segment, 0);

    for (uint32_t i = 0; i < array->segment.geometry.slots; i++) {
        if (slot_word_state(load_acquire(&slots[i].state)) == SLOT_POSTED &&
            slots[i].request.target == target)
            return true;
    }
    return false;
}

static bool the_puppet_is_asked(struct array *array)
{
    return is_asked(array, PUPPET);
}

static bool the_other_copy_is_asked(struct array *array)
{
    return is_asked(array, PUPPET + 1);
}

/* Its doorbell was lost, say: the request lies there when its target has let the element go, and
 * has stopped in order. */
static void what_who_has_stopped_never_took_goes_to_the_next_owner(void)
{
    struct array *array = start(true);

    host_submit(array, 0, write_to(PUPPET, 5));
    CU_ASSERT_TRUE(array_wait_until(array, the_puppet_is_asked));
    element_close(&array->elements[PUPPET]);
    change_owner(array, PUPPET, OWNER_TAKING, 1);
    array_set_seat(array, PUPPET, SEAT_STOPPED);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    check_owner(array, PUPPET, 1);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Of a stripe over mirrors the second set is the puppets'. The image of the dead one is locked, so
 * that nobody can take it. */
static void another_copy_is_read_while_nobody_owns_one(void)
{
    struct array_wanted wanted = with_two_puppets;

    wanted.layout = LAYOUT_RAID10;
    wanted.copies = 2;
    wanted.chunk_bytes = 64 << 10;
    wanted.slots = 8;
    struct array *array = array_start(&wanted);
    segment_header(&array->segment)->takeover = 1;
    array_set_seat(array, PUPPET, SEAT_DEAD);
    for (uint32_t i = 0; i < 2; i++) /* whichever copy is preferred */
        host_submit(array, 0,
                    (struct job){.op = COMMAND_READ,
                                 .volume = array_virtual(array),
                                 .offset_bytes = wanted.chunk_bytes * (1 + 2 * i),
                                 .bytes = 4096});
    CU_ASSERT_TRUE(array_wait_until(array, the_other_copy_is_asked));
    CU_ASSERT_FALSE(somebody_waits_for_an_owner(array));
    element_close(&array->elements[PUPPET]);
    element_close(&array->elements[PUPPET + 1]);
    array_set_seat(array, PUPPET + 1, SEAT_DEAD); /* and now it is waited for */
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void answer(struct puppet *puppet, struct doorbell doorbell, int32_t status)
{
    CU_ASSERT_TRUE(complete(puppet, doorbell, status));
    doorbell.kind = DOORBELL_ANSWER;
    send_doorbell(puppet, doorbell);
}

/* It has let the element go meanwhile; then has it again. */
static void who_says_not_mine_is_believed_where_it_changed(void)
{
    struct array *array = start(false);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, write_to(PUPPET, 5));
    struct doorbell doorbell = claim(&puppet, &request);
    change_owner(array, PUPPET, OWNER_MOVING, PUPPET);
    answer(&puppet, doorbell, -ESTALE);
    CU_ASSERT_TRUE(array_wait_until(array, somebody_waits_for_an_owner));
    change_owner(array, PUPPET, OWNER_OWNED, PUPPET);
    answer(&puppet, claim(&puppet, &request), 0);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void who_says_not_mine_and_owns_it_is_not_asked_for_ever(void)
{
    struct array *array = start(false);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, write_to(PUPPET, 5));
    answer(&puppet, claim(&puppet, &request), -ESTALE);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"commands wait while an element is moved", commands_wait_while_an_element_is_moved},
        {"what was sent to the dead waits without a slot",
         what_was_sent_to_the_dead_waits_without_a_slot},
        {"what nobody can open fails", what_nobody_can_open_fails},
        {"what the dead claimed of a failed element is kept aside",
         what_the_dead_claimed_of_a_failed_element_is_kept_aside},
        {"who died taking it is followed by another", who_died_taking_it_is_followed_by_another},
        {"who does not come to it is not waited for", who_does_not_come_to_it_is_not_waited_for},
        {"what a cache holds is adopted from a death half declared",
         what_a_cache_holds_is_adopted_from_a_death_half_declared},
        {"without takeover they end at once", without_takeover_they_end_at_once},
        {"what who has stopped never took goes to the next owner",
         what_who_has_stopped_never_took_goes_to_the_next_owner},
        {"another copy is read while nobody owns one", another_copy_is_read_while_nobody_owns_one},
        {"who says not mine is believed where it changed",
         who_says_not_mine_is_believed_where_it_changed},
        {"who says not mine and owns it is not asked for ever",
         who_says_not_mine_and_owns_it_is_not_asked_for_ever},
    };
    return UNIT_RUN("path_owner", tests);
}
