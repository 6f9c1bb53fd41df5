/*
 * The death of a peer in the middle of commands on virtual volumes: what it had answered counts,
 * what it had reserved and claimed is kept until nobody can write there any more, and then comes
 * back.
 */
#include <errno.h>

#include "shm/member_states.h"
#include "shm/reserve.h"
#include "tests/unit/puppet.h"
#include "tests/unit/unit.h"

static int32_t status_of(struct array *array, uint32_t host, uint32_t job)
{
    return array->hosts[host]->jobs[job].status;
}

static bool replied(struct array *array, uint32_t host, uint32_t job)
{
    return array->hosts[host]->jobs[job].replied;
}

/* A command of its own volume goes through all turns of a controller that were begun before. */
static void let_turn(struct array *array, uint32_t host, uint32_t answered_before)
{
    host_submit(array, host, (struct job){.op = COMMAND_FLUSH, .volume = host});
    CU_ASSERT_TRUE_FATAL(host_wait(array, host, answered_before + 1));
}

static struct array_wanted raid5_with_a_puppet(uint32_t slots, uint32_t chunk_bytes)
{
    return (struct array_wanted){.controllers = 3,
                                 .puppets = 1,
                                 .slots = slots,
                                 .ring_entries = 64,
                                 .buffers_bytes = BUFFERS_BYTES_MIN,
                                 .layout = LAYOUT_RAID5,
                                 .chunk_bytes = chunk_bytes};
}

/* The chunk of a row that lies neither on the puppet nor beside its parity: to write it, the
 * puppet's chunk of that row is read. Rows whose parity the puppet has are left out. */
static struct job write_beside_puppet(struct array *array, uint32_t row, uint64_t chunk_bytes)
{
    assert(row % 3 != 0);
    return (struct job){.op = COMMAND_WRITE,
                        .fill = 7,
                        .volume = array_virtual(array),
                        .offset_bytes = (2 * row + (row % 3 == 1)) * chunk_bytes,
                        .bytes = chunk_bytes};
}

/* --- an answer that comes while slots are taken back --- */

/* It is taken, and the slot that it frees is used at once by the next in line. */
static void an_answer_of_the_dead_frees_its_slot_for_another(void)
{
    const struct array_wanted wanted = raid5_with_a_puppet(1, 8192);
    struct array *array = array_start(&wanted);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET});
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = 1}); /* waits for the slot */
    struct doorbell doorbell = claim(&puppet, &request);
    let_turn(array, 0, 0);
    CU_ASSERT_TRUE(complete(&puppet, doorbell, 0));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(status_of(array, 0, 1), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* The answer to a read moves its host command on to its writes, of which one gets the same command
 * and the same slot: only the generation tells that it is another. */
static void an_answer_of_the_dead_starts_what_comes_after(void)
{
    const struct array_wanted wanted = raid5_with_a_puppet(1, 8192);
    struct array *array = array_start(&wanted);
    struct puppet puppet = attach(array);
    struct slot_request request;

    host_submit(array, 0, write_beside_puppet(array, 1, 8192));
    struct doorbell doorbell = claim(&puppet, &request);
    CU_ASSERT_EQUAL(request.op, COMMAND_READ);
    CU_ASSERT_TRUE(complete(&puppet, doorbell, 0));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(member_states_now(array_virtual_record(array)).failed, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- what it had reserved --- */

static void ignore(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    (void)context, (void)seat, (void)cookie, (void)generation;
}

/* Two controllers, and so many that the test plays. */
static struct array *start_over_a_stripe(uint32_t puppets)
{
    const struct array_wanted wanted = {.controllers = 2 + puppets,
                                        .puppets = puppets,
                                        .slots = 8,
                                        .ring_entries = 16,
                                        .buffers_bytes = BUFFERS_BYTES_MIN,
                                        .layout = LAYOUT_STRIPE,
                                        .chunk_bytes = 8192};

    return array_start(&wanted);
}

/* The beginning of the virtual volume, and a command that has to wait for it. */
static void reserve_as_puppet(struct array *array, struct coordination *ret_table)
{
    struct reservation reservation = {
        .volume = array_virtual(array), .length_bytes = 4096, .exclusive = true};

    coordination_init(ret_table, &array->segment, PUPPET, EPOCH, ignore, NULL,
                      &segment_seat(&array->segment, PUPPET)->coordination);
    CU_ASSERT_EQUAL(reserve_start(ret_table, &reservation, 0), RESERVE_GRANTED);
}

static struct job read_of_it(struct array *array)
{
    return (struct job){.op = COMMAND_READ, .volume = array_virtual(array), .bytes = 512};
}

static bool the_others_are_done_with_it(struct array *array)
{
    return seat_is_done_with(segment_seat(&array->segment, 0), PUPPET) &&
           seat_is_done_with(segment_seat(&array->segment, 1), PUPPET);
}

/* Somebody may still write what the dead one had asked for: seat 3 says nothing, at first. */
static void what_the_dead_reserved_is_kept_until_all_are_done_with_it(void)
{
    enum { SLOW = 3 };
    struct array *array = start_over_a_stripe(2);
    struct coordination dead;

    reserve_as_puppet(array, &dead);
    host_submit(array, 0, read_of_it(array));
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(array_wait_until(array, the_others_are_done_with_it));
    let_turn(array, 0, 0);
    let_turn(array, 1, 0);
    CU_ASSERT_FALSE(replied(array, 0, 0));
    seat_set_done_with(segment_seat(&array->segment, SLOW), PUPPET);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* One that was told to stop when no configuration controller was left: nobody raised its epoch. */
static void what_a_stopped_one_had_reserved_is_given_up(void)
{
    struct array *array = start_over_a_stripe(1);
    struct coordination stopped;

    reserve_as_puppet(array, &stopped);
    host_submit(array, 0, read_of_it(array));
    let_turn(array, 0, 0);
    CU_ASSERT_FALSE(replied(array, 0, 0));
    array_set_seat(array, PUPPET, SEAT_STOPPED);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(status_of(array, 0, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- workspaces --- */

static bool buffers_are_given_back(struct array *array)
{
    /* relaxed: a look from outside */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.buffers_bytes) == 0;
}

/* More writes than there are workspaces for; the puppet reads into each, as far as anybody knows,
 * until it has drained. */
static void workspaces_that_the_dead_may_write_come_back_when_it_has_drained(void)
{
    enum { CHUNK = 64 << 10, ROWS = ARRAY_ELEMENT_BYTES / CHUNK };
    const struct array_wanted wanted = raid5_with_a_puppet(64, CHUNK);
    struct array *array = array_start(&wanted);
    struct puppet puppet = attach(array);
    struct slot_request request;
    uint32_t writes = 0, claimed = 0, early = 0, wrong = 0;

    for (uint32_t row = 0; row < ROWS; row++) {
        if (row % 3 == 0)
            continue;
        host_submit(array, 0, write_beside_puppet(array, row, CHUNK));
        writes++;
    }
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = PUPPET}); /* the last one */
    for (request.op = COMMAND_READ; request.op == COMMAND_READ; claimed++)
        claim(&puppet, &request);
    CU_ASSERT_TRUE(claimed > 1 && claimed - 1 < writes); /* workspaces ran out */
    array_set_seat(array, PUPPET, SEAT_DEAD);
    CU_ASSERT_TRUE_FATAL(host_wait(array, 0, 1)); /* the FLUSH, which nobody can do */
    let_turn(array, 0, 1);
    for (uint32_t i = 0; i < writes; i++)
        early += replied(array, 0, i);
    CU_ASSERT_EQUAL(early, 0);
    array_set_seat(array, PUPPET, SEAT_DRAINED);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    for (uint32_t i = 0; i < writes; i++)
        wrong += status_of(array, 0, i) != 0;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_TRUE(array_wait_until(array, buffers_are_given_back));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- no room --- */

/* Parity of data that neither of two members has must not be trusted to make anything of. */
static void a_row_that_two_members_refuse_leaves_its_parity_stale(void)
{
    enum { CHUNK = 8192, ROW = 2, P_MEMBER = 0 };
    const struct array_wanted wanted = raid5_with_a_puppet(16, CHUNK);
    struct array *array = array_start(&wanted);
    struct puppet puppet = attach(array);
    struct slot_request request;

    /* relaxed: its owner looks at it before each command */
    store_relaxed(&segment_element(&array->segment, 1)->state, ELEMENT_FAILED);
    host_submit(array, 0,
                (struct job){.op = COMMAND_WRITE,
                             .fill = 7,
                             .volume = array_virtual(array),
                             .offset_bytes = ROW * 2 * CHUNK,
                             .bytes = 2 * CHUNK});
    struct doorbell doorbell = claim(&puppet, &request);
    CU_ASSERT_EQUAL(request.op, COMMAND_WRITE);
    CU_ASSERT_TRUE(complete(&puppet, doorbell, -ENOSPC));
    doorbell.kind = DOORBELL_ANSWER;
    send_doorbell(&puppet, doorbell);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_TRUE(status_of(array, 0, 0) == -ENOSPC || status_of(array, 0, 0) == -EIO);
    CU_ASSERT_EQUAL(member_states_now(array_virtual_record(array)).failed, 1u << P_MEMBER);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an answer of the dead frees its slot for another",
         an_answer_of_the_dead_frees_its_slot_for_another},
        {"an answer of the dead starts what comes after",
         an_answer_of_the_dead_starts_what_comes_after},
        {"what the dead reserved is kept until all are done with it",
         what_the_dead_reserved_is_kept_until_all_are_done_with_it},
        {"what a stopped one had reserved is given up",
         what_a_stopped_one_had_reserved_is_given_up},
        {"workspaces that the dead may write come back when it has drained",
         workspaces_that_the_dead_may_write_come_back_when_it_has_drained},
        {"a row that two members refuse leaves its parity stale",
         a_row_that_two_members_refuse_leaves_its_parity_stale},
    };
    return UNIT_RUN("path_deaths", tests);
}
