/*
 * Virtual volumes through the whole path: four controllers, random commands from any of them
 * against a plain array in memory, every layout, with members failing on the way; and what stands
 * on the members afterwards.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/layout/parity.h"
#include "controller/path/virtual.h"
#include "tests/unit/array.h"
#include "tests/unit/unit.h"

enum {
    MEMBERS = 4,
    CHUNK_BYTES = 8192,
    UNIT_BYTES = 700, /* nothing is aligned to it */
    UNITS = 900,      /* 630,000 bytes: the tail of it is cut off somewhere */
    UNITS_PER_OPERATION = 120,
};

#ifdef __SANITIZE_THREAD__ /* ten times slower, and it looks for something else */
enum { OPERATIONS = 100 };
#else
enum { OPERATIONS = 300 };
#endif

struct model {
    struct array *array;
    uint8_t fill[UNITS];
    uint32_t seed;
};

static uint32_t below(struct model *model, uint32_t limit)
{
    return (uint32_t)rand_r(&model->seed) % limit;
}

static struct model start(enum layout_kind layout, uint32_t copies, bool direct)
{
    const bool chunks = layout != LAYOUT_CONCAT && layout != LAYOUT_MIRROR;
    const struct array_wanted wanted = {.controllers = MEMBERS,
                                        .slots = 16,
                                        .ring_entries = 16,
                                        .buffers_bytes = BUFFERS_BYTES_MIN,
                                        .direct = direct,
                                        .layout = layout,
                                        .copies = copies,
                                        .chunk_bytes = chunks ? CHUNK_BYTES : 0,
                                        .superblocks = layout_kind_redundant(layout)};

    return (struct model){.array = array_start(&wanted), .seed = (uint32_t)layout};
}

static struct job job_at(const struct model *model, uint8_t op, uint32_t unit, uint32_t units)
{
    return (struct job){.op = op,
                        .volume = array_virtual(model->array),
                        .offset_bytes = (uint64_t)unit * UNIT_BYTES,
                        .bytes = (uint64_t)units * UNIT_BYTES};
}

/* One command by any host, waited for. */
static int32_t run(struct model *model, struct job job)
{
    uint32_t host = below(model, MEMBERS);
    uint32_t number = host_submit(model->array, host, job);

    CU_ASSERT_TRUE_FATAL(host_wait_all(model->array, host));
    CU_ASSERT_FALSE(model->array->hosts[host]->jobs[number].wrong);
    return model->array->hosts[host]->jobs[number].status;
}

static void change_something(struct model *model)
{
    static const uint8_t ops[] = {COMMAND_WRITE, COMMAND_WRITE, COMMAND_WRITE, COMMAND_ZERO,
                                  COMMAND_TRIM};
    uint32_t unit = below(model, UNITS), units = 1 + below(model, UNITS_PER_OPERATION);

    if (units > UNITS - unit)
        units = UNITS - unit;
    struct job job = job_at(model, ops[below(model, sizeof ops)], unit, units);
    job.fill = job.op == COMMAND_WRITE ? (uint8_t)(1 + below(model, 255)) : 0;
    job.flags = below(model, 8) == 0 ? COMMAND_FUA : 0;
    CU_ASSERT_EQUAL(run(model, job), 0);
    memset(model->fill + unit, job.fill, units);
}

static void change(struct model *model, uint32_t operations)
{
    for (uint32_t i = 0; i < operations; i++)
        change_something(model);
    CU_ASSERT_EQUAL(
        run(model, (struct job){.op = COMMAND_FLUSH, .volume = array_virtual(model->array)}), 0);
}

/* All of it, in the longest runs of one fill: every host reads some. */
static void compare(struct model *model)
{
    for (uint32_t unit = 0; unit < UNITS;) {
        uint32_t units = 1;
        while (unit + units < UNITS && model->fill[unit + units] == model->fill[unit])
            units++;
        struct job job = job_at(model, COMMAND_READ, unit, units);
        job.fill = model->fill[unit];
        CU_ASSERT_EQUAL(run(model, job), 0);
        unit += units;
    }
}

static void fail_member(struct model *model, uint32_t member)
{
    struct volume_record *record = array_virtual_record(model->array);

    /* relaxed: no command is on its way */
    store_relaxed(&record->members_now, load_relaxed(&record->members_now) | 1u << member);
}

static uint32_t failed_members(const struct model *model)
{
    return member_states_now(array_virtual_record(model->array)).failed;
}

static void fail_element(const struct model *model, uint32_t element)
{
    /* relaxed: its owner looks at it before each command */
    store_relaxed(&segment_element(&model->array->segment, element)->state, ELEMENT_FAILED);
}

/* What a member holds of the beginning. */
static uint8_t *member_bytes(const struct model *model, uint32_t member, size_t bytes)
{
    uint8_t *memory = malloc(bytes);

    assert(memory != NULL);
    assert(pread(model->array->images[member], memory, bytes, 0) == (ssize_t)bytes);
    return memory;
}

static void check_copies(const struct model *model, uint32_t one, uint32_t other)
{
    size_t bytes = (size_t)UNITS * UNIT_BYTES;
    uint8_t *first = member_bytes(model, one, bytes), *second = member_bytes(model, other, bytes);

    CU_ASSERT_EQUAL(memcmp(first, second, bytes), 0);
    free(first);
    free(second);
}

/* Parity on the members is that of the data on them, row by row. */
static void check_parity(const struct model *model, enum layout_kind kind)
{
    size_t bytes = 64 * CHUNK_BYTES;
    uint32_t parities = kind == LAYOUT_RAID6 ? 2 : 1, wrong = 0;
    uint8_t *member[MEMBERS], p[CHUNK_BYTES], q[CHUNK_BYTES];

    for (uint32_t i = 0; i < MEMBERS; i++)
        member[i] = member_bytes(model, i, bytes);
    for (uint32_t row = 0; row < 64; row++) {
        uint32_t p_member = MEMBERS - 1 - row % MEMBERS, q_member = (p_member + 1) % MEMBERS;
        const uint8_t *data[MEMBERS];
        for (uint32_t column = 0; column < MEMBERS - parities; column++)
            data[column] =
                member[(p_member + parities + column) % MEMBERS] + (size_t)row * CHUNK_BYTES;
        parity_generate(data, MEMBERS - parities, CHUNK_BYTES, p, parities == 2 ? q : NULL);
        wrong += memcmp(p, member[p_member] + (size_t)row * CHUNK_BYTES, CHUNK_BYTES) != 0;
        if (parities == 2)
            wrong += memcmp(q, member[q_member] + (size_t)row * CHUNK_BYTES, CHUNK_BYTES) != 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        free(member[i]);
}

/* All members but the failed ones say so, durably; and those that were answered knew. */
static void check_marked(const struct model *model, uint32_t failed)
{
    CU_ASSERT_EQUAL(failed_members(model), failed);
    CU_ASSERT_EQUAL(member_states_unmarked(array_virtual_record(model->array)), 0);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if ((failed >> i & 1) == 0)
            CU_ASSERT_EQUAL(array_marked_on(model->array, i), failed);
    }
}

/* --- tests --- */

static void plain_layouts(bool direct)
{
    static const enum layout_kind kinds[] = {LAYOUT_CONCAT, LAYOUT_STRIPE};

    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct model model = start(kinds[i], 0, direct);
        change(&model, OPERATIONS);
        compare(&model);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

static void concat_and_stripe_hold_what_was_written(void)
{
    plain_layouts(false);
}

static void concat_and_stripe_hold_it_on_disk(void)
{
    plain_layouts(true);
}

static void a_mirror_does_without_all_members_but_one(void)
{
    struct model model = start(LAYOUT_MIRROR, 0, true);

    change(&model, OPERATIONS);
    for (uint32_t member = 1; member < MEMBERS; member++)
        check_copies(&model, 0, member);
    for (uint32_t member = 0; member < MEMBERS - 1; member++) {
        fail_member(&model, member);
        change(&model, OPERATIONS / 4);
        compare(&model);
    }
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

static void a_raid10_does_without_one_of_each_pair(void)
{
    struct model model = start(LAYOUT_RAID10, 2, false);

    change(&model, OPERATIONS);
    check_copies(&model, 0, 1);
    check_copies(&model, 2, 3);
    fail_member(&model, 1);
    fail_member(&model, 2);
    change(&model, OPERATIONS);
    compare(&model);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

/* With each set of members that the layout can do without, failing while it works. */
static void parity_without(enum layout_kind kind, uint32_t failed, bool direct)
{
    struct model model = start(kind, 0, direct);

    change(&model, OPERATIONS / 2);
    check_parity(&model, kind);
    compare(&model);
    for (uint32_t member = 0; member < MEMBERS; member++) {
        if ((failed >> member & 1) == 0)
            continue;
        fail_member(&model, member);
        compare(&model);
        change(&model, OPERATIONS / 4);
    }
    compare(&model);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

static void a_raid5_does_without_any_one_member(void)
{
    for (uint32_t member = 0; member < MEMBERS; member++)
        parity_without(LAYOUT_RAID5, 1u << member, member == 0);
}

static void a_raid6_does_without_any_two_members(void)
{
    for (uint32_t one = 0; one < MEMBERS; one++) {
        for (uint32_t other = 0; other < one; other++)
            parity_without(LAYOUT_RAID6, 1u << one | 1u << other, one == 1);
    }
}

/* An element that fails is found by the commands themselves. */
static void a_failing_element_fails_its_member(void)
{
    static const struct {
        enum layout_kind kind;
        uint32_t copies;
    } all[] = {{LAYOUT_MIRROR, 0}, {LAYOUT_RAID10, 2}, {LAYOUT_RAID5, 0}, {LAYOUT_RAID6, 0}};

    for (uint32_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct model model = start(all[i].kind, all[i].copies, false);
        change(&model, OPERATIONS / 4);
        fail_element(&model, 1);
        compare(&model);
        change(&model, OPERATIONS / 4);
        compare(&model);
        CU_ASSERT_EQUAL(failed_members(&model), 1u << 1);
        check_marked(&model, 1u << 1);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

static bool is_in_doubt(const struct model *model)
{
    /* relaxed: the command that may have raised it has ended */
    return load_relaxed(&array_virtual_record(model->array)->resync_regions) > 0;
}

/* Some copy may have been written all the same, when its answer was lost. */
static void what_no_copy_answers_leaves_the_volume_in_doubt(void)
{
    struct model model = start(LAYOUT_MIRROR, 0, false);

    change(&model, OPERATIONS / 10);
    for (uint32_t element = 0; element < model.array->segment.geometry.elements; element++)
        fail_element(&model, element);
    CU_ASSERT_EQUAL(run(&model, job_at(&model, COMMAND_READ, 0, 60)), -EIO);
    CU_ASSERT_FALSE(is_in_doubt(&model));
    CU_ASSERT_EQUAL(run(&model, job_at(&model, COMMAND_WRITE, 0, 60)), -EIO);
    CU_ASSERT_TRUE(is_in_doubt(&model));
    CU_ASSERT_EQUAL(failed_members(&model), 0);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

/* Every write meets the failed member at about the same time, and each has it marked. */
static void many_writes_at_once_mark_it(void)
{
    enum { WRITES = 300 };
    static const enum layout_kind kinds[] = {LAYOUT_MIRROR, LAYOUT_RAID5};

    for (uint32_t i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
        struct model model = start(kinds[i / 2], 0, i % 2 == 0);
        uint32_t wrong = 0;
        for (uint32_t write = 0; write < WRITES; write++) {
            if (write == WRITES / 3)
                fail_element(&model, 2);
            for (uint32_t host = 0; host < MEMBERS; host++) {
                struct job job = job_at(&model, COMMAND_WRITE, host * 200 + below(&model, 190), 7);
                job.fill = (uint8_t)write;
                host_submit(model.array, host, job);
            }
        }
        for (uint32_t host = 0; host < MEMBERS; host++) {
            CU_ASSERT_TRUE_FATAL(host_wait_all(model.array, host));
            for (uint32_t write = 0; write < WRITES; write++)
                wrong += model.array->hosts[host]->jobs[write].status != 0;
        }
        CU_ASSERT_EQUAL(wrong, 0);
        CU_ASSERT_EQUAL(failed_members(&model), 1u << 2);
        check_marked(&model, 1u << 2);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

/* Element 2 has no superblock, so that its mark cannot be made. */
static struct model start_with_a_bare_element(enum layout_kind layout)
{
    const struct array_wanted wanted = {.controllers = MEMBERS,
                                        .slots = 16,
                                        .ring_entries = 16,
                                        .buffers_bytes = BUFFERS_BYTES_MIN,
                                        .layout = layout,
                                        .chunk_bytes = CHUNK_BYTES,
                                        .superblocks = true,
                                        .bare = 2 + 1};

    return (struct model){.array = array_start(&wanted), .seed = (uint32_t)layout};
}

static void a_member_that_cannot_be_marked_has_failed_too(void)
{
    struct model model = start_with_a_bare_element(LAYOUT_RAID6);
    change(&model, OPERATIONS / 4);
    CU_ASSERT_EQUAL(failed_members(&model), 0);
    fail_element(&model, 1);
    change(&model, OPERATIONS / 4);
    CU_ASSERT_EQUAL(failed_members(&model), 1u << 1 | 1u << 2);
    check_marked(&model, 1u << 1 | 1u << 2);
    compare(&model);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);

    model = start_with_a_bare_element(LAYOUT_RAID5); /* which bears only one of them */
    change(&model, OPERATIONS / 4);
    fail_element(&model, 1);
    struct job job = job_at(&model, COMMAND_WRITE, 0, 60);
    CU_ASSERT_EQUAL(run(&model, job), -EIO);
    CU_ASSERT_EQUAL(failed_members(&model), 1u << 1);
    CU_ASSERT_EQUAL(run(&model, job), -EIO);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

/* It might fail on one member and not on another; then a healthy one would count as stale. */
static void fast_zero_is_refused_where_members_must_agree(void)
{
    static const struct {
        enum layout_kind kind;
        uint32_t copies;
    } all[] = {{LAYOUT_MIRROR, 0}, {LAYOUT_RAID10, 2}, {LAYOUT_RAID5, 0}, {LAYOUT_RAID6, 0}};

    for (uint32_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct model model = start(all[i].kind, all[i].copies, false);
        change(&model, OPERATIONS / 10);
        struct job job = job_at(&model, COMMAND_ZERO, 3, 100);
        job.flags = COMMAND_FAST_ZERO | COMMAND_NO_HOLE;
        CU_ASSERT_EQUAL(run(&model, job), -EOPNOTSUPP);
        CU_ASSERT_EQUAL(failed_members(&model), 0);
        compare(&model);
        CU_ASSERT_EQUAL(array_stop(model.array), 0);
    }
}

static void without_redundancy_a_failing_element_is_an_error(void)
{
    struct model model = start(LAYOUT_STRIPE, 0, false);

    change(&model, OPERATIONS / 10);
    fail_element(&model, 1);
    CU_ASSERT_EQUAL(run(&model, job_at(&model, COMMAND_WRITE, 0, 60)), -EIO);
    CU_ASSERT_EQUAL(failed_members(&model), 0);
    CU_ASSERT_EQUAL(array_stop(model.array), 0);
}

static void a_volume_bears_what_its_layout_bears(void)
{
    const struct layout raid10 = {.members = 6, .copies = 3}, mirror = {.members = 2, .copies = 2};
    const struct layout stripe = {.members = 4, .copies = 1};
    const struct layout raid6 = {.members = 5, .copies = 1, .parities = 2};

    CU_ASSERT(virtual_bears(&raid10, 0) && virtual_bears(&raid10, 033));
    CU_ASSERT(!virtual_bears(&raid10, 07) && !virtual_bears(&raid10, 070));
    CU_ASSERT(virtual_bears(&mirror, 1) && virtual_bears(&mirror, 2) && !virtual_bears(&mirror, 3));
    CU_ASSERT(virtual_bears(&stripe, 0) && !virtual_bears(&stripe, 8));
    CU_ASSERT(virtual_bears(&raid6, 021) && !virtual_bears(&raid6, 023));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"concat and stripe hold what was written", concat_and_stripe_hold_what_was_written},
        {"concat and stripe hold it on disk", concat_and_stripe_hold_it_on_disk},
        {"a mirror does without all members but one", a_mirror_does_without_all_members_but_one},
        {"a raid10 does without one of each pair", a_raid10_does_without_one_of_each_pair},
        {"a raid5 does without any one member", a_raid5_does_without_any_one_member},
        {"a raid6 does without any two members", a_raid6_does_without_any_two_members},
        {"a failing element fails its member", a_failing_element_fails_its_member},
        {"what no copy answers leaves the volume in doubt",
         what_no_copy_answers_leaves_the_volume_in_doubt},
        {"many writes at once mark it", many_writes_at_once_mark_it},
        {"a member that cannot be marked has failed too",
         a_member_that_cannot_be_marked_has_failed_too},
        {"fast zero is refused where members must agree",
         fast_zero_is_refused_where_members_must_agree},
        {"without redundancy a failing element is an error",
         without_redundancy_a_failing_element_is_an_error},
        {"a volume bears what its layout bears", a_volume_bears_what_its_layout_bears},
    };
    return UNIT_RUN("path_virtual", tests);
}
