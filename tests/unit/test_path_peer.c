/*
 * A peer that is dead, damaged or hostile: the last seat has no controller, and the test writes
 * into its shared memory whatever it likes. The others must not suffer, and nobody may hang.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/puppet.h"
#include "tests/unit/unit.h"

static const struct array_wanted with_one_puppet = {
    .controllers = 3, .puppets = 1, .slots = 8, .ring_entries = 16, .buffers_bytes = 64 << 10};

static struct job job_of(uint8_t op, uint32_t volume, uint64_t bytes)
{
    return (struct job){.op = op, .volume = volume, .bytes = bytes};
}

static int32_t status_of(struct array *array, uint32_t host, uint32_t job)
{
    return array->hosts[host]->jobs[job].status;
}

/* Controllers 0 and 1 work with each other as ever. */
static void check_the_others(struct array *array)
{
    for (uint32_t host = 0; host < 2; host++) {
        uint32_t first = host_submit(array, host, job_of(COMMAND_WRITE, 1 - host, 4096));
        host_submit(array, host, job_of(COMMAND_READ, 1 - host, 4096));
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
        CU_ASSERT_EQUAL(status_of(array, host, first), 0);
        CU_ASSERT_EQUAL(status_of(array, host, first + 1), 0);
    }
}

/* --- hostile requests --- */

static void hostile_requests_are_answered_with_an_error(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    const uint64_t mine = segment_buffers_offset(&array->segment, PUPPET);
    const uint64_t pool = array->segment.geometry.buffers_bytes;
    const struct slot_request good = {
        .op = COMMAND_WRITE, .length_bytes = 4096, .buffer = mine, .volume = 0, .element = 0};
#define WITH(...)                                                                                  \
    ((struct slot_request){.op = COMMAND_WRITE, .length_bytes = 4096, .buffer = mine, __VA_ARGS__})
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
    const struct slot_request hostile[] = {
        WITH(.op = 0),
        WITH(.op = COMMAND_OPS_END),
        WITH(.op = UINT8_MAX),
        WITH(.flags = COMMAND_FLAGS_ALL + 1),
        WITH(.flags = UINT8_MAX),
        WITH(.target = 1),
        WITH(.target = UINT8_MAX),
        WITH(.volume = 3),
        WITH(.volume = UINT32_MAX),
        WITH(.element = 3),
        WITH(.element = UINT32_MAX),
        WITH(.offset_bytes = ARRAY_ELEMENT_BYTES),
        WITH(.offset_bytes = UINT64_MAX - 4095),
        WITH(.offset_bytes = 1),
        WITH(.length_bytes = UINT64_MAX),
        WITH(.length_bytes = (uint64_t)PAYLOAD_BYTES_MAX + 1),
        WITH(.length_bytes = pool + 1),
        WITH(.buffer = 0),
        WITH(.buffer = 4096),
        WITH(.buffer = UINT64_MAX),
        WITH(.buffer = UINT64_MAX - 4095),
        WITH(.buffer = mine + 1),
        WITH(.buffer = mine + pool),
        WITH(.buffer = mine - 4096),
        WITH(.buffer = segment_buffers_offset(&array->segment, 0)),
        WITH(.first_bytes = 4096),
        WITH(.first_bytes = 4096, .chunk_bytes = 4097, .stride_bytes = 8192),
        WITH(.first_bytes = 4096, .chunk_bytes = 8192, .stride_bytes = 4096),
        WITH(.first_bytes = 100, .chunk_bytes = 4096, .stride_bytes = 4096),
        WITH(.length_bytes = 8192, .first_bytes = 4096, .chunk_bytes = 4096,
             .stride_bytes = (uint32_t)pool),
        WITH(.length_bytes = 8192, .first_bytes = 4096, .chunk_bytes = 4096,
             .stride_bytes = UINT32_MAX - 4095),
        WITH(.op = COMMAND_EXTENTS, .length_bytes = 0),
        WITH(.op = COMMAND_EXTENTS, .buffer = mine + 1),
        WITH(.op = COMMAND_EXTENTS, .buffer = mine + pool - 4096),
        WITH(.op = COMMAND_TRIM, .length_bytes = UINT64_MAX),
        WITH(.op = COMMAND_MARK),
        WITH(.op = COMMAND_MARK, .length_bytes = 0, .flags = COMMAND_FUA),
        WITH(.op = COMMAND_PREFETCH, .offset_bytes = ARRAY_ELEMENT_BYTES + 1, .length_bytes = 0),
    };
#pragma GCC diagnostic pop
#undef WITH

    CU_ASSERT_EQUAL(ask(&puppet, &good), 0);
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        int32_t status = ask(&puppet, &hostile[i]);
        if (status != -EPROTO)
            printf("request %zu: %d\n", i, status);
        CU_ASSERT_EQUAL(status, -EPROTO);
    }
    struct slot_request scattered = good;
    scattered.length_bytes = 8192;
    scattered.first_bytes = scattered.chunk_bytes = 4096;
    scattered.stride_bytes = (uint32_t)pool - 4096; /* the last block there is */
    CU_ASSERT_EQUAL(ask(&puppet, &scattered), 0);
    struct slot_request elsewhere = good;
    elsewhere.element = 1; /* controller 1's */
    CU_ASSERT_EQUAL(ask(&puppet, &elsewhere), -ESTALE);
    CU_ASSERT_EQUAL(ask(&puppet, &good), 0);
    check_the_others(array);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void damaged_entries_are_passed_over(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct doorbell far = {.index = SLOTS_MAX - 1, .kind = DOORBELL_ANSWER};

    send_entry(&puppet, 0);
    send_entry(&puppet, UINT64_MAX);
    send_doorbell(&puppet, far);
    for (uint32_t index = 0; index < 8; index++)
        for (int kind = DOORBELL_REQUEST; kind <= DOORBELL_ANSWER; kind++) {
            send_doorbell(&puppet, (struct doorbell){.generation = 77,
                                                     .index = index,
                                                     .kind = (enum doorbell_kind)kind});
            check_the_others(array);
        }
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_damaged_ring_isolates_its_peer(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 4096));
    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 4096));
    claim(&puppet, &request);
    /* pairs with the consumer's load */
    store_release(&puppet.to.ring->tail, puppet.to.tail + 17);
    array_ring(array, 0);
    CU_ASSERT_TRUE(host_wait(array, 0, 2));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), -EIO);
    host_submit(array, 0, job_of(COMMAND_FLUSH, PUPPET, 0)); /* at once from now on */
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 2), -EIO);
    check_the_others(array);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Two turns of a controller, so that it has looked at its rings since this was called. */
static void let_turn(struct array *array, uint32_t host)
{
    for (int i = 0; i < 2; i++) {
        host_submit(array, host, job_of(COMMAND_FLUSH, host, 0));
        assert(host_wait_all(array, host));
    }
}

static void who_is_isolated_is_told(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct ring *ring = &segment_link(&array->segment, 1, 0, 0)->ring;

    check_the_others(array);
    /* pairs with the consumer's load */
    store_release(&ring->tail, load_acquire(&ring->tail) + 17);
    array_ring(array, 0);
    let_turn(array, 0);
    host_submit(array, 1, job_of(COMMAND_WRITE, 0, 4096));
    host_submit(array, 1, job_of(COMMAND_READ, 0, 4096));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 1));
    CU_ASSERT_EQUAL(status_of(array, 1, 2), -EIO);
    CU_ASSERT_EQUAL(status_of(array, 1, 3), -EIO);
    host_submit(array, 1, job_of(COMMAND_WRITE, 1, 4096)); /* its own work goes on */
    CU_ASSERT_TRUE(host_wait_all(array, 1));
    CU_ASSERT_EQUAL(status_of(array, 1, 4), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_damaged_ring_of_our_own_isolates_as_well(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);

    /* pairs with the producer's load: it looks when its own count says that there is no room */
    store_release(&puppet.from.ring->head, 1000);
    for (uint32_t i = 0; i < 32; i++)
        host_submit(array, 0, job_of(COMMAND_FLUSH, PUPPET, 0));
    for (uint32_t i = 0; i < 8; i++)
        host_submit(array, 0, job_of(COMMAND_FLUSH, 1, 0));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    for (uint32_t i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(status_of(array, 0, i), i < 32 ? -EIO : 0);
    check_the_others(array);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- lost doorbells --- */

/* The consumer makes room between a producer's last look at a full ring and its falling asleep: it
 * rings nobody, for the producer is awake, so the producer has to see it by itself. */
static void room_made_just_before_falling_asleep_is_seen(void)
{
    struct array_wanted wanted = with_one_puppet;

    wanted.puppets = wanted.controllers;
    wanted.ring_entries = 2;
    struct array *array = array_start(&wanted);
    struct element none[ARRAY_CONTROLLERS_MAX] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct controller_start start = {.segment = array->segment,
                                     .elements = none,
                                     .doorbells = array->doorbells,
                                     .notice_fd = array->notice_fd};
    struct link *link = segment_link(&array->segment, 0, PUPPET, 0);
    struct controller *controller;
    const char *what;

    CU_ASSERT_EQUAL_FATAL(controller_new(&controller, &start, &what), 0);
    for (uint32_t i = 0; i < 3; i++)
        peer_post(controller, PUPPET, (struct doorbell){.index = i, .kind = DOORBELL_ANSWER});
    peers_flush(controller);
    CU_ASSERT_EQUAL(load_acquire(&link->blocked), 1);
    seat_fall_asleep(controller->seat);
    CU_ASSERT_FALSE(peers_have_entries(controller));
    struct puppet puppet = attach(array);
    (void)next_doorbell(&puppet);
    store_relaxed(&link->blocked, 0); /* relaxed: one thread here */
    CU_ASSERT_TRUE(peers_have_entries(controller));
    peers_flush(controller);
    CU_ASSERT_FALSE(peers_have_entries(controller));
    CU_ASSERT_EQUAL(next_doorbell(&puppet).index, 1);
    CU_ASSERT_EQUAL(next_doorbell(&puppet).index, 2);
    controller_free(controller);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_lost_request_and_a_lost_answer_are_found(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, job_of(COMMAND_FLUSH, PUPPET, 0));
    (void)next_doorbell(&puppet); /* lost */
    CU_ASSERT_TRUE(
        complete(&puppet, claim(&puppet, &request), 0)); /* answered without a doorbell */
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void impossible_answers_are_errors(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    static const struct slot_answer answers[] = {{.status = 1},
                                                 {.status = INT32_MIN},
                                                 {.count = EXTENTS_MAX + 1},
                                                 {.count = UINT32_MAX},
                                                 {.count = 0}};

    for (uint32_t i = 0; i < 5; i++) {
        struct slot_request request;
        host_submit(array, 0, job_of(COMMAND_EXTENTS, PUPPET, 4096));
        struct doorbell doorbell = claim(&puppet, &request);
        assert(slot_complete(&puppet.theirs[doorbell.index], doorbell.generation, PUPPET, EPOCH,
                             &answers[i]));
        doorbell.kind = DOORBELL_ANSWER;
        send_doorbell(&puppet, doorbell);
        CU_ASSERT_TRUE(host_wait_all(array, 0));
        CU_ASSERT_EQUAL(status_of(array, 0, i), -EIO);
    }
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- death --- */

static uint64_t buffers_of(struct array *array, uint32_t id)
{
    /* relaxed: a look from outside */
    return load_relaxed(&segment_seat(&array->segment, id)->counters.buffers_bytes);
}

static bool buffers_are_given_back(struct array *array)
{
    return buffers_of(array, 0) == 0;
}

static void what_the_dead_claimed_is_kept_until_it_has_drained(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 8192));
    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 4096)); /* posted, never claimed */
    struct doorbell claimed = claim(&puppet, &request);
    CU_ASSERT_EQUAL(segment_buffers_seat(&array->segment, request.buffer, 8192), 0);
    (void)next_doorbell(&puppet);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), -EIO);
    CU_ASSERT_FALSE(complete(&puppet, claimed, 0)); /* too late: nothing of it counts */
    check_the_others(array);
    CU_ASSERT_EQUAL(buffers_of(array, 0), 8192);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE(array_wait_until(array, buffers_are_given_back));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void who_waits_for_a_kept_buffer_is_woken_when_it_comes_back(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 64 << 10)); /* the whole pool */
    claim(&puppet, &request);
    host_submit(array, 0, job_of(COMMAND_READ, 0, 4096));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE(host_wait(array, 0, 1));
    CU_ASSERT_EQUAL(buffers_of(array, 0), 64 << 10);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 1), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void who_waits_for_a_slot_behind_the_dead_goes_on(void)
{
    struct array_wanted wanted = with_one_puppet;

    wanted.slots = 1;
    struct array *array = array_start(&wanted);
    struct puppet puppet = attach(array);
    struct slot_request request;

    for (uint32_t i = 0; i < 4; i++) /* one has the slot, three wait for it */
        host_submit(array, 0, job_of(COMMAND_FLUSH, PUPPET, 0));
    for (uint32_t i = 0; i < 4; i++)
        host_submit(array, 0, job_of(COMMAND_FLUSH, 1, 0));
    claim(&puppet, &request);
    host_submit(array, 0, job_of(COMMAND_FLUSH, 0, 0)); /* answered: all before it are in line */
    CU_ASSERT_TRUE(host_wait(array, 0, 1));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    for (uint32_t i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(status_of(array, 0, i), i < 4 ? -EIO : 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_stop_that_nobody_tells_of_is_found(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 4096));
    claim(&puppet, &request);
    seat_set_state(segment_seat(&array->segment, PUPPET), SEAT_STOPPED);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    CU_ASSERT_TRUE(array_wait_until(array, buffers_are_given_back));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- scribbling --- */

/* The word of controller 0's slot after it was posted to the puppet, scribbled over; then the
 * puppet dies. The command ends, and the slots go on being used. */
static void scribble_and_die(uint64_t keep_mask, uint64_t set)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);

    host_submit(array, 0, job_of(COMMAND_READ, PUPPET, 4096));
    struct doorbell doorbell = next_doorbell(&puppet);
    struct slot *slot = &puppet.theirs[doorbell.index];
    /* pairs with nothing: this is damage */
    store_release(&slot->state, (load_acquire(&slot->state) & keep_mask) | set);
    doorbell.kind = DOORBELL_ANSWER;
    send_doorbell(&puppet, doorbell);
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_TRUE(status_of(array, 0, 0) == -EIO || status_of(array, 0, 0) == 0);
    for (int i = 0; i < 16; i++)
        check_the_others(array);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE(array_wait_until(array, buffers_are_given_back));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_scribbled_slot_ends_with_its_peer(void)
{
    for (uint64_t state = 0; state < 8; state++) {
        scribble_and_die(~(uint64_t)0xff, state);
        scribble_and_die(0, state | 0x1234567800000000);
    }
    scribble_and_die(0, UINT64_MAX);
}

static void a_scribbled_free_slot_is_used_all_the_same(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct puppet puppet = attach(array);

    for (uint32_t i = 0; i < 8; i++)
        /* pairs with nothing: this is damage */
        store_release(&puppet.theirs[i].state, 0x0102030405060700 + i);
    for (int i = 0; i < 16; i++)
        check_the_others(array);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_scribbled_mapping_table_is_an_error(void)
{
    struct array *array = array_start(&with_one_puppet);
    struct element_record *element = segment_element(&array->segment, 1);

    owner_enter(&element->owner, 0, 1); /* damage: controller 0 has no such element */
    host_submit(array, 0, job_of(COMMAND_READ, 1, 4096));
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), -EIO);
    owner_enter(&element->owner, 1, 1); /* good again */
    segment_volume(&array->segment, 0)->offset_bytes = ARRAY_ELEMENT_BYTES - 4096;
    host_submit(array, 0, job_of(COMMAND_READ, 0, 8192));
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 1), -EIO);
    segment_volume(&array->segment, 0)->offset_bytes = UINT64_MAX - 4095;
    host_submit(array, 0, job_of(COMMAND_WRITE, 0, 8192));
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 2), -EIO);
    segment_volume(&array->segment, 0)->offset_bytes = 0;
    check_the_others(array);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"hostile requests are answered with an error",
         hostile_requests_are_answered_with_an_error},
        {"damaged entries are passed over", damaged_entries_are_passed_over},
        {"a damaged ring isolates its peer", a_damaged_ring_isolates_its_peer},
        {"who is isolated is told", who_is_isolated_is_told},
        {"a damaged ring of our own isolates as well", a_damaged_ring_of_our_own_isolates_as_well},
        {"room made just before falling asleep is seen",
         room_made_just_before_falling_asleep_is_seen},
        {"a lost request and a lost answer are found", a_lost_request_and_a_lost_answer_are_found},
        {"impossible answers are errors", impossible_answers_are_errors},
        {"what the dead claimed is kept until it has drained",
         what_the_dead_claimed_is_kept_until_it_has_drained},
        {"who waits for a kept buffer is woken when it comes back",
         who_waits_for_a_kept_buffer_is_woken_when_it_comes_back},
        {"who waits for a slot behind the dead goes on",
         who_waits_for_a_slot_behind_the_dead_goes_on},
        {"a stop that nobody tells of is found", a_stop_that_nobody_tells_of_is_found},
        {"a scribbled slot ends with its peer", a_scribbled_slot_ends_with_its_peer},
        {"a scribbled free slot is used all the same", a_scribbled_free_slot_is_used_all_the_same},
        {"a scribbled mapping table is an error", a_scribbled_mapping_table_is_an_error},
    };
    return UNIT_RUN("path, peer", tests);
}
