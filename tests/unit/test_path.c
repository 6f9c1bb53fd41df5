/*
 * The way of commands between controllers: redirect, rings and slots that are full, doorbells that
 * are lost or come twice, and the orderly end.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/array.h"
#include "tests/unit/unit.h"

static const struct array_wanted roomy = {
    .controllers = 4, .slots = 64, .ring_entries = 64, .buffers_bytes = 4 << 20};
/* Everything is short: one slot, two entries, a pool of 16 blocks. */
static const struct array_wanted tight = {
    .controllers = 3, .slots = 1, .ring_entries = 2, .buffers_bytes = 64 << 10};

/* Each host has a stripe of its own of every volume, and a byte to write there. */
static struct job stripe(uint8_t op, uint32_t host, uint32_t volume, uint32_t number)
{
    return (struct job){.op = op,
                        .volume = volume,
                        .offset_bytes = host * (512 << 10) + (uint64_t)number * 4096,
                        .bytes = 4096,
                        .fill = (uint8_t)(1 + host * 60 + number)};
}

static void submit_all(struct array *array, uint8_t op, uint32_t numbers)
{
    uint32_t controllers = array->wanted.controllers;

    for (uint32_t number = 0; number < numbers; number++)
        for (uint32_t host = 0; host < controllers; host++)
            for (uint32_t volume = 0; volume < controllers; volume++)
                host_submit(array, host, stripe(op, host, volume, number));
}

/* All were answered, each with this status, and reads brought what was written. */
static void check_all(struct array *array, int32_t status)
{
    uint32_t bad = 0;

    for (uint32_t host = 0; host < array->wanted.controllers; host++) {
        if (array->hosts[host] == NULL)
            continue;
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
        /* relaxed: this thread is its only writer */
        for (uint32_t i = 0; i < load_relaxed(&array->hosts[host]->submitted); i++) {
            const struct job *job = &array->hosts[host]->jobs[i];
            bad += !job->replied || job->wrong || job->status != status;
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
}

static void write_and_read_everything(struct array *array, uint32_t numbers)
{
    submit_all(array, COMMAND_WRITE, numbers);
    check_all(array, 0);
    submit_all(array, COMMAND_READ, numbers);
    check_all(array, 0);
}

/* A level or sum, read while its controller runs. */
static uint64_t counted(_Atomic uint64_t *counter)
{
    return load_relaxed(counter); /* relaxed: for a look from outside */
}

static struct controller_counters *counters_of(struct array *array, uint32_t id)
{
    return &segment_seat(&array->segment, id)->counters;
}

static void a_command_goes_to_its_owner(void)
{
    struct array *array = array_start(&roomy);
    uint8_t block[4096], expected[4096];

    write_and_read_everything(array, 8);
    for (uint32_t id = 0; id < 4; id++) {
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->executed), 16);
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->redirected_out), 48);
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->redirected_in), 48);
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->failed), 0);
        /* and it lies where it should: host 3's number 5 */
        memset(expected, 1 + 3 * 60 + 5, sizeof expected);
        CU_ASSERT_EQUAL(pread(array->images[id], block, 4096, 3 * (512 << 10) + 5 * 4096), 4096);
        CU_ASSERT_EQUAL(memcmp(block, expected, 4096), 0);
    }
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void statuses_come_back(void)
{
    struct array *array = array_start(&roomy);
    struct job past = {
        .op = COMMAND_READ, .volume = 2, .offset_bytes = ARRAY_ELEMENT_BYTES - 512, .bytes = 1024};
    struct job unknown = {.op = COMMAND_READ, .volume = 99, .bytes = 512};

    host_submit(array, 0, past);
    host_submit(array, 0, unknown);
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[0].status, -EINVAL);
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[1].status, -EIO);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void every_operation_is_redirected(void)
{
    struct array *array = array_start(&roomy);
    static const struct job jobs[] = {
        {.op = COMMAND_WRITE, .volume = 1, .offset_bytes = 1, .bytes = 100000, .fill = 7},
        {.op = COMMAND_READ, .volume = 1, .offset_bytes = 1, .bytes = 100000, .fill = 7},
        {.op = COMMAND_FLUSH, .volume = 1},
        {.op = COMMAND_EXTENTS, .volume = 1, .bytes = ARRAY_ELEMENT_BYTES},
        {.op = COMMAND_PREFETCH, .volume = 1, .bytes = 65536},
        {.op = COMMAND_TRIM, .volume = 1, .offset_bytes = 4096, .bytes = 8192},
        {.op = COMMAND_READ, .volume = 1, .offset_bytes = 4096, .bytes = 8192, .fill = 0},
        {.op = COMMAND_ZERO, .flags = COMMAND_FUA, .volume = 1, .offset_bytes = 9, .bytes = 40000},
        {.op = COMMAND_READ, .volume = 1, .offset_bytes = 9, .bytes = 40000, .fill = 0},
        {.op = COMMAND_READ, .volume = 1, .offset_bytes = 40009, .bytes = 100, .fill = 7},
    };

    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        host_submit(array, 0, jobs[i]);
        CU_ASSERT_TRUE(host_wait_all(array, 0));
        CU_ASSERT_EQUAL(array->hosts[0]->jobs[i].status, 0);
        CU_ASSERT_FALSE(array->hosts[0]->jobs[i].wrong);
    }
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void full_rings_and_no_slots_only_delay(void)
{
    struct array *array = array_start(&tight);
    uint64_t waits = 0, full = 0, swept = 0;

    write_and_read_everything(array, 100);
    for (uint32_t id = 0; id < 3; id++) {
        waits += counted(&counters_of(array, id)->waits_for_slot);
        full += counted(&counters_of(array, id)->waits_for_buffer);
        swept += counted(&counters_of(array, id)->doorbells_swept);
    }
    CU_ASSERT_TRUE(waits > 0);
    CU_ASSERT_TRUE(full > 0);
    printf("waits for slots %lu, for buffers %lu, swept %lu\n", waits, full, swept);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void more_slots_than_entries_only_delay(void)
{
    struct array_wanted wanted = roomy;
    uint64_t full = 0, swept = 0;

    wanted.ring_entries = 2;
    struct array *array = array_start(&wanted);
    write_and_read_everything(array, 100);
    for (uint32_t from = 0; from < 4; from++) {
        for (uint32_t to = 0; to < 4; to++)
            full += counted(&segment_link(&array->segment, from, to, 0)->counters.full);
        swept += counted(&counters_of(array, from)->doorbells_swept);
    }
    CU_ASSERT_TRUE(full > 0);
    printf("full rings %lu, swept %lu\n", full, swept);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void lost_doorbells_are_found_by_the_sweep(void)
{
    struct array_wanted wanted = roomy;
    uint64_t swept = 0;

    wanted.sabotage = SABOTAGE_DROP;
    struct array *array = array_start(&wanted);
    write_and_read_everything(array, 20);
    for (uint32_t id = 0; id < 4; id++)
        swept += counted(&counters_of(array, id)->doorbells_swept);
    CU_ASSERT_TRUE(swept > 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void doubled_doorbells_do_nothing_twice(void)
{
    struct array_wanted wanted = roomy;
    uint64_t executed = 0;

    wanted.sabotage = SABOTAGE_DOUBLE;
    struct array *array = array_start(&wanted);
    write_and_read_everything(array, 100);
    for (uint32_t id = 0; id < 4; id++)
        executed += counted(&counters_of(array, id)->redirected_in);
    CU_ASSERT_EQUAL(executed, 2 * 100 * 4 * 3);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void direct_elements_keep_partial_writes_apart(void)
{
    struct array_wanted wanted = roomy;

    wanted.direct = true;
    wanted.controllers = 2;
    struct array *array = array_start(&wanted);
    if (array->elements[0].mode != ELEMENT_MODE_DIRECT)
        printf("no direct I/O here: as buffered\n");
    /* eight pieces of 512 bytes a block, from both sides at once */
    for (uint32_t i = 0; i < 256; i++) {
        struct job job = {.op = COMMAND_WRITE,
                          .volume = 1,
                          .offset_bytes = i * 512,
                          .bytes = 512,
                          .fill = (uint8_t)(1 + i % 250)};
        host_submit(array, i % 2, job);
    }
    check_all(array, 0);
    for (uint32_t i = 0; i < 256; i++) {
        struct job job = {.op = COMMAND_READ,
                          .volume = 1,
                          .offset_bytes = i * 512,
                          .bytes = 512,
                          .fill = (uint8_t)(1 + i % 250)};
        host_submit(array, (i + 1) % 2, job);
    }
    check_all(array, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_truncated_image_is_an_error(void)
{
    struct array *array = array_start(&roomy);

    CU_ASSERT_EQUAL(ftruncate(array->images[1], 65536), 0);
    host_submit(array, 0, (struct job){.op = COMMAND_READ, .volume = 1, .bytes = 4096});
    host_submit(
        array, 0,
        (struct job){.op = COMMAND_READ, .volume = 1, .offset_bytes = 65536 - 512, .bytes = 1024});
    CU_ASSERT_TRUE(host_wait_all(array, 0));
    host_submit(array, 0, (struct job){.op = COMMAND_READ, .volume = 1, .bytes = 4096});
    host_submit(
        array, 1,
        (struct job){.op = COMMAND_WRITE, .volume = 1, .offset_bytes = 1 << 20, .bytes = 4096});
    host_submit(array, 0, (struct job){.op = COMMAND_FLUSH, .volume = 1});
    CU_ASSERT_TRUE(host_wait_all(array, 0) && host_wait_all(array, 1));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[0].status, 0);
    for (int i = 1; i < 4; i++)
        CU_ASSERT_EQUAL(array->hosts[0]->jobs[i].status, -EIO);
    CU_ASSERT_EQUAL(array->hosts[1]->jobs[0].status, -EIO);
    CU_ASSERT_EQUAL(lseek(array->images[1], 0, SEEK_END), 65536);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static bool all_quiesced(struct array *array)
{
    for (uint32_t id = 0; id < array->wanted.controllers; id++) {
        if (seat_state(segment_seat(&array->segment, id)) != SEAT_QUIESCED)
            return false;
    }
    return true;
}

static void quiesce_answers_what_is_in_flight(void)
{
    struct array *array = array_start(&roomy);
    uint32_t answered = 0, good = 0;

    submit_all(array, COMMAND_WRITE, 100);
    CU_ASSERT_TRUE(host_wait(array, 0, 1));
    array_request(array, SEAT_REQUEST_QUIESCE);
    CU_ASSERT_TRUE(array_wait_until(array, all_quiesced));
    for (uint32_t id = 0; id < 4; id++) {
        answered += load_acquire(&array->hosts[id]->answered);
        for (uint32_t i = 0; i < load_acquire(&array->hosts[id]->answered); i++)
            good += array->hosts[id]->jobs[i].replied && array->hosts[id]->jobs[i].status == 0;
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->host_in_flight), 0);
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->slots_used), 0);
        CU_ASSERT_EQUAL(counted(&counters_of(array, id)->peer_in_flight), 0);
    }
    CU_ASSERT_TRUE(answered > 0);
    CU_ASSERT_EQUAL(good, answered);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void stopping_waits_for_what_is_executing(void)
{
    struct array_wanted wanted = roomy;

    wanted.direct = true;
    wanted.controllers = 2;
    for (int round = 0; round < 5; round++) {
        struct array *array = array_start(&wanted);
        for (uint32_t i = 0; i < 64; i++)
            host_submit(array, i % 2,
                        (struct job){.op = COMMAND_WRITE,
                                     .flags = COMMAND_FUA,
                                     .volume = i / 2 % 2,
                                     .offset_bytes = i * 65536 % ARRAY_ELEMENT_BYTES,
                                     .bytes = 65536,
                                     .fill = 1});
        CU_ASSERT_TRUE(host_wait(array, 0, 1));
        CU_ASSERT_EQUAL(array_stop(array), 0); /* without asking for quiet first */
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a command goes to its owner", a_command_goes_to_its_owner},
        {"statuses come back", statuses_come_back},
        {"every operation is redirected", every_operation_is_redirected},
        {"full rings and no slots only delay", full_rings_and_no_slots_only_delay},
        {"more slots than entries only delay", more_slots_than_entries_only_delay},
        {"lost doorbells are found by the sweep", lost_doorbells_are_found_by_the_sweep},
        {"doubled doorbells do nothing twice", doubled_doorbells_do_nothing_twice},
        {"direct elements keep partial writes apart", direct_elements_keep_partial_writes_apart},
        {"a truncated image is an error", a_truncated_image_is_an_error},
        {"quiesce answers what is in flight", quiesce_answers_what_is_in_flight},
        {"stopping waits for what is executing", stopping_waits_for_what_is_executing},
    };
    return UNIT_RUN("path", tests);
}
