/*
 * Rebuilding, through the whole path: four controllers, hosts that write all the while, members
 * that failed and are made anew by one of the controllers; the test plays the configuration
 * controller. Then members that were good are left out, so that what was rebuilt is what is read.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/path/virtual.h"
#include "controller/recovery/rebuild.h"
#include "tests/unit/array.h"
#include "tests/unit/unit.h"

enum { MEMBERS = 4, CHUNK_BYTES = 32 << 10, BLOCK = 4096, BLOCKS = 512 };

/* What the blocks of the volume hold, one byte each. */
struct model {
    struct array *array;
    enum layout_kind kind;
    uint8_t fill[BLOCKS];
    uint32_t seed;
};

static uint32_t below(struct model *model, uint32_t limit)
{
    return (uint32_t)rand_r(&model->seed) % limit;
}

static struct volume_record *volume_of(const struct model *model)
{
    return array_virtual_record(model->array);
}

static struct model start(enum layout_kind kind, uint32_t copies, enum coordination_policy policy)
{
    const struct array_wanted wanted = {.controllers = MEMBERS,
                                        .slots = 32,
                                        .ring_entries = 32,
                                        .buffers_bytes = BUFFERS_BYTES_MIN,
                                        .layout = kind,
                                        .copies = copies,
                                        .policy = policy,
                                        .chunk_bytes = kind == LAYOUT_MIRROR ? 0 : CHUNK_BYTES,
                                        .superblocks = true};

    return (struct model){.array = array_start(&wanted), .kind = kind, .seed = (uint32_t)kind + 1};
}

/* Spread over all of the volume. */
static uint64_t place_of(const struct model *model, uint32_t block)
{
    uint64_t blocks = volume_of(model)->size_bytes / BLOCK;

    return blocks * block / BLOCKS * BLOCK;
}

static void submit(struct model *model, uint32_t host, uint8_t op, uint32_t block)
{
    struct job job = {.op = op,
                      .volume = array_virtual(model->array),
                      .offset_bytes = place_of(model, block),
                      .bytes = BLOCK};

    if (op != COMMAND_READ)
        model->fill[block] = op == COMMAND_WRITE ? (uint8_t)(1 + below(model, 255)) : 0;
    job.fill = model->fill[block];
    host_submit(model->array, host, job);
}

static void wait_for_all(struct model *model, bool may_fail)
{
    for (uint32_t host = 0; host < MEMBERS; host++) {
        uint32_t wrong = 0, count = 0;
        CU_ASSERT_TRUE_FATAL(host_wait_all(model->array, host));
        count = load_acquire(&model->array->hosts[host]->answered);
        for (uint32_t i = 0; i < count; i++) {
            const struct job *job = &model->array->hosts[host]->jobs[i];
            wrong += job->wrong || (job->status != 0 && !may_fail);
        }
        CU_ASSERT_EQUAL(wrong, 0);
    }
}

/* Each block once: where writes reserve nothing, two of one block at once are in no order. */
static void write_some(struct model *model, uint32_t writes)
{
    uint32_t first = below(model, BLOCKS), stride = 1 + 2 * below(model, BLOCKS / 2);

    assert(writes <= BLOCKS);
    for (uint32_t i = 0; i < writes; i++) {
        uint32_t block = (first + i * stride) % BLOCKS;
        submit(model, block % MEMBERS, below(model, 8) == 0 ? COMMAND_ZERO : COMMAND_WRITE, block);
    }
}

static void write_all(struct model *model)
{
    for (uint32_t block = 0; block < BLOCKS; block++)
        submit(model, block % MEMBERS, COMMAND_WRITE, block);
    wait_for_all(model, false);
}

static void compare(struct model *model)
{
    for (uint32_t block = 0; block < BLOCKS; block++)
        submit(model, below(model, MEMBERS), COMMAND_READ, block);
    wait_for_all(model, false);
}

/* --- the configuration controller's part --- */

static void set_failed(struct model *model, uint32_t members)
{
    struct member_states states = member_states_now(volume_of(model));

    states.failed |= members;
    states.rebuilding &= ~members;
    struct member_states expected = member_states_now(volume_of(model));
    CU_ASSERT_TRUE(member_states_swap(volume_of(model), &expected, states));
}

/* Nothing is on the members that the array has put there. */
static void empty(struct model *model, uint32_t members)
{
    static uint8_t noise[1 << 20];

    memset(noise, 0xee, sizeof noise);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        for (uint64_t at = 0; (members >> i & 1) != 0 && at < ARRAY_ELEMENT_BYTES;
             at += sizeof noise)
            assert(pwrite(model->array->images[i], noise, sizeof noise, (off_t)at) == sizeof noise);
    }
}

static void fence(struct model *model)
{
    const struct control_message message = {.kind = CONTROL_FENCE_VOLUME,
                                            .arguments = {array_virtual(model->array)}};

    for (uint32_t i = 0; i < MEMBERS; i++)
        CU_ASSERT_EQUAL(array_ask(model->array, i, message, -1), 0);
}

static int start_job(struct model *model, uint32_t host)
{
    const struct control_message message = {
        .kind = CONTROL_START_JOB, .arguments = {array_virtual(model->array), JOB_KIND_REBUILD}};

    return array_ask(model->array, host, message, -1);
}

static void set_rate(struct model *model, uint64_t rate_bytes)
{
    /* relaxed: a setting */
    store_relaxed(&segment_header(&model->array->segment)->job_rate_bytes, rate_bytes);
}

static void begin_rebuild(struct model *model, uint32_t members, uint32_t host)
{
    CU_ASSERT_EQUAL(member_states_begin(volume_of(model), members), members);
    /* relaxed: nobody runs it yet */
    store_relaxed(&volume_of(model)->job.phase, REBUILD_PHASE_BEGIN);
    fence(model);
    CU_ASSERT_EQUAL(start_job(model, host), 0);
}

static bool job_is_over(struct array *array)
{
    uint32_t state = load_acquire(&array_virtual_record(array)->job.state);

    return state == JOB_DONE || state == JOB_FAILED;
}

static uint32_t job_state(const struct model *model)
{
    return load_acquire(&volume_of(model)->job.state);
}

/* --- tests --- */

/* In the middle of it there are as many writes as there is room for. */
static void rebuild_under_load(struct model *model, uint32_t members)
{
    write_all(model);
    set_failed(model, members);
    empty(model, members);
    write_some(model, 200);
    wait_for_all(model, false);
    begin_rebuild(model, members, below(model, MEMBERS));
    for (uint32_t i = 0; i < 30 && !job_is_over(model->array); i++) {
        write_some(model, 100);
        wait_for_all(model, false);
    }
    CU_ASSERT_TRUE_FATAL(array_wait_until(model->array, job_is_over));
    CU_ASSERT_EQUAL(job_state(model), JOB_DONE);
    CU_ASSERT_EQUAL(member_states_now(volume_of(model)).failed, 0);
    CU_ASSERT_EQUAL(member_states_now(volume_of(model)).rebuilding, 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        CU_ASSERT_EQUAL(array_marked_on(model->array, i), 0);
}

/* What was rebuilt is read now, and what is written meanwhile stays right. */
static void read_without(struct model *model, uint32_t others)
{
    set_failed(model, others);
    compare(model);
    write_some(model, 200);
    wait_for_all(model, false);
    compare(model);
}

static const struct {
    enum layout_kind kind;
    uint32_t copies, members, others;
} cases[] = {
    {LAYOUT_MIRROR, 0, 1u << 2, 0xb}, {LAYOUT_MIRROR, 0, 0x7, 0x8}, {LAYOUT_RAID10, 2, 0x1, 0x2},
    {LAYOUT_RAID10, 2, 0x9, 0x6},     {LAYOUT_RAID5, 0, 0x1, 0x2},  {LAYOUT_RAID5, 0, 0x8, 0x1},
    {LAYOUT_RAID6, 0, 0x2, 0x9},      {LAYOUT_RAID6, 0, 0x6, 0x9},
};

static void every_layout(enum coordination_policy policy)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model model = start(cases[i].kind, cases[i].copies, policy);
        rebuild_under_load(&model, cases[i].members);
        read_without(&model, cases[i].others);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

static void what_is_rebuilt_under_load_is_right(void)
{
    every_layout(COORDINATION_STRICT);
}

static void and_where_reads_reserve_nothing(void)
{
    every_layout(COORDINATION_WRITES);
}

static void and_where_writes_reserve_nothing_either(void)
{
    every_layout(COORDINATION_NONE);
}

/* A member that is being rebuilt fails again: the job ends, the writes do not. */
static void a_member_that_fails_again_ends_the_job(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model model = start(cases[i].kind, cases[i].copies, COORDINATION_STRICT);
        uint32_t member = (uint32_t)__builtin_ctz(cases[i].members);
        write_all(&model);
        set_failed(&model, cases[i].members);
        empty(&model, cases[i].members);
        set_rate(&model, 16 << 20);
        begin_rebuild(&model, cases[i].members, 1);
        write_some(&model, 200);
        CU_ASSERT_EQUAL(
            array_ask(model.array, member,
                      (struct control_message){.kind = CONTROL_FAIL_ELEMENT, .arguments = {member}},
                      -1),
            0);
        wait_for_all(&model, false);
        write_some(&model, 100);
        wait_for_all(&model, false);
        set_rate(&model, 0);
        CU_ASSERT_TRUE_FATAL(array_wait_until(model.array, job_is_over));
        bool alone = cases[i].members == 1u << member;
        CU_ASSERT_EQUAL(job_state(&model), alone ? JOB_FAILED : JOB_DONE);
        CU_ASSERT_EQUAL(member_states_now(volume_of(&model)).failed, 1u << member);
        CU_ASSERT_EQUAL(member_states_now(volume_of(&model)).rebuilding, 0);
        CU_ASSERT_EQUAL(member_states_unmarked(volume_of(&model)), 0);
        compare(&model);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

/* An element fails, nobody writes, and all others know it durably when the verb is over. */
static void a_failed_element_is_marked_without_a_write(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model model = start(cases[i].kind, cases[i].copies, COORDINATION_STRICT);
        struct control_message fail = {.kind = CONTROL_FAIL_ELEMENT, .arguments = {2}};
        CU_ASSERT_EQUAL(array_ask(model.array, 2, fail, -1), 0);
        for (uint32_t j = 0; j < MEMBERS; j++)
            CU_ASSERT_EQUAL(array_marked_on(model.array, j), j == 2 ? 0 : 1u << 2);
        CU_ASSERT_EQUAL(array_ask(model.array, 2, fail, -1), 0);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

/* Only this controller is to end; the others go on. */
static void quiesce(struct model *model, uint32_t host)
{
    struct seat *seat = segment_seat(&model->array->segment, host);

    /* relaxed: published with the membership */
    store_relaxed(&seat->request, SEAT_REQUEST_QUIESCE);
    array_set_seat(model->array, MEMBERS - 1, SEAT_RUNNING);
}

static bool job_has_stopped(struct array *array)
{
    return load_acquire(&array_virtual_record(array)->job.state) != JOB_RUNNING;
}

/* One controller after the other ends in the middle of it, and the next one goes on from where the
 * volume's record says; hosts at the last one write all the while. */
static void another_controller_goes_on(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model model = start(cases[i].kind, cases[i].copies, COORDINATION_STRICT);
        uint64_t position = 0;
        write_all(&model);
        set_failed(&model, cases[i].members);
        empty(&model, cases[i].members);
        set_rate(&model, 32 << 20);
        begin_rebuild(&model, cases[i].members, 0);
        for (uint32_t host = 0; host < MEMBERS - 1; host++) {
            for (uint32_t j = 0; j < 60; j++)
                submit(&model, MEMBERS - 1, COMMAND_WRITE, (host * 60 + j) % BLOCKS);
            quiesce(&model, host);
            CU_ASSERT_TRUE_FATAL(array_wait_until(model.array, job_has_stopped));
            if (job_state(&model) == JOB_DONE)
                break;
            CU_ASSERT_EQUAL(job_state(&model), JOB_WAITING);
            CU_ASSERT_TRUE(member_states_rebuilt_bytes(volume_of(&model)) >= position);
            position = member_states_rebuilt_bytes(volume_of(&model));
            if (host + 1 == MEMBERS - 1)
                set_rate(&model, 0);
            CU_ASSERT_EQUAL(start_job(&model, host + 1), 0);
        }
        CU_ASSERT_TRUE_FATAL(array_wait_until(model.array, job_is_over));
        CU_ASSERT_EQUAL(job_state(&model), JOB_DONE);
        CU_ASSERT_EQUAL(member_states_now(volume_of(&model)).failed, 0);
        wait_for_all(&model, false);
        set_failed(&model, cases[i].others);
        for (uint32_t block = 0; block < BLOCKS; block++)
            submit(&model, MEMBERS - 1, COMMAND_READ, block);
        wait_for_all(&model, false);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

/* Who ran it died when the last piece was made, and before it said what comes next: nothing is left
 * to be restored, and the members become good. */
static void it_ends_where_only_the_end_is_missing(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct model model = start(cases[i].kind, cases[i].copies, COORDINATION_STRICT);
        const struct virtual_volume *virtual = virtual_find(model.array->hosts[0]->controller,
                                                            array_virtual(model.array));
        write_all(&model);
        set_failed(&model, cases[i].members); /* and they lack nothing */
        CU_ASSERT_EQUAL(member_states_begin(volume_of(&model), cases[i].members), cases[i].members);
        member_states_set_rebuilt(volume_of(&model), virtual->layout.member_bytes);
        /* relaxed: nobody runs it yet */
        store_relaxed(&volume_of(&model)->job.phase, REBUILD_PHASE_RESUMED);
        fence(&model);
        CU_ASSERT_EQUAL(start_job(&model, 1), 0);
        CU_ASSERT_TRUE_FATAL(array_wait_until(model.array, job_is_over));
        CU_ASSERT_EQUAL(job_state(&model), JOB_DONE);
        CU_ASSERT_EQUAL(member_states_now(volume_of(&model)).failed, 0);
        read_without(&model, cases[i].others);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

static void a_job_that_makes_no_sense_is_refused(void)
{
    struct model model = start(LAYOUT_RAID5, 0, COORDINATION_STRICT);
    struct control_message message = {.kind = CONTROL_START_JOB,
                                      .arguments = {array_virtual(model.array), 77}};

    CU_ASSERT_EQUAL(array_ask(model.array, 0, message, -1), -EPROTO);
    message.arguments[1] = JOB_KIND_REBUILD;
    CU_ASSERT_EQUAL(array_ask(model.array, 0, message, -1), -ENOENT); /* nothing to rebuild */
    message.arguments[0] = 0;
    CU_ASSERT_EQUAL(array_ask(model.array, 0, message, -1), -EPROTO); /* no virtual volume */
    message.arguments[0] = (uint64_t)1 << 32;
    CU_ASSERT_EQUAL(array_ask(model.array, 0, message, -1), -EPROTO);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what is rebuilt under load is right", what_is_rebuilt_under_load_is_right},
        {"and where reads reserve nothing", and_where_reads_reserve_nothing},
        {"and where writes reserve nothing either", and_where_writes_reserve_nothing_either},
        {"a member that fails again ends the job", a_member_that_fails_again_ends_the_job},
        {"a failed element is marked without a write", a_failed_element_is_marked_without_a_write},
        {"another controller goes on", another_controller_goes_on},
        {"it ends where only the end is missing", it_ends_where_only_the_end_is_missing},
        {"a job that makes no sense is refused", a_job_that_makes_no_sense_is_refused},
    };
    return UNIT_RUN("path_rebuild", tests);
}
