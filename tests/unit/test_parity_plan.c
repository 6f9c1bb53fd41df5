/*
 * Plans, carried out on an array in memory: random writes with every set of members failed that the
 * layout can do without, and then everything read back and compared with a plain array.
 */
#include "controller/layout/parity_plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum {
    MEMBERS = 6,    /* at most, where every set of failed members is tried */
    GUARD = 64,     /* behind the payload; nothing may change there */
    GARBAGE = 0xdb, /* what a failed member's and an unused place's bytes are */
};

struct array {
    struct layout layout;
    uint32_t failed;
    uint32_t unreadable;
    uint8_t *members[MEMBERS_MAX]; /* MEMBER_BYTES_MAX each */
    uint8_t *plain;                /* what the virtual volume should hold */
    uint8_t *payload;
    uint8_t *workspace;
};

static unsigned seed;

static uint32_t random_below(uint64_t limit)
{
    seed = seed * 1103515245 + 12345;
    uint32_t high = seed >> 16;
    seed = seed * 1103515245 + 12345;
    return (uint32_t)(((uint64_t)high << 16 | seed >> 16) % limit);
}

static void *memory(size_t bytes)
{
    void *bytes_at =
        aligned_alloc(BLOCK_BYTES, (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES);

    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes_at);
    memset(bytes_at, 0, bytes);
    return bytes_at;
}

/* `scale` makes the chunk smaller than what init allows, so that ranges meet all its edges. */
static void array_begin(struct array *array, enum layout_kind kind, uint32_t members,
                        uint32_t chunk_bytes, uint32_t scale)
{
    uint64_t sizes[MEMBERS_MAX];

    for (uint32_t i = 0; i < members; i++)
        sizes[i] = 3 * (uint64_t)chunk_bytes * scale;
    struct layout_wanted wanted = {.kind = kind,
                                   .members = members,
                                   .chunk_bytes = chunk_bytes * scale,
                                   .member_bytes = sizes};
    *array = (struct array){0};
    CU_ASSERT_EQUAL_FATAL(layout_init(&array->layout, &wanted, NULL), 0);
    array->layout.chunk_bytes /= scale;
    array->layout.member_bytes /= scale;
    array->layout.size_bytes /= scale;
    for (uint32_t i = 0; i < members; i++)
        array->members[i] = memory(array->layout.member_bytes);
    array->plain = memory(array->layout.size_bytes);
    array->payload = memory(array->layout.size_bytes + GUARD);
    array->workspace = memory(PARITY_WORKSPACE_BYTES_MAX);
}

static void array_end(struct array *array)
{
    for (uint32_t i = 0; i < array->layout.members; i++)
        free(array->members[i]);
    free(array->plain);
    free(array->payload);
    free(array->workspace);
}

/* --- the executor --- */

static bool allowed(const struct array *array, const struct parity_plan *plan,
                    const struct parity_transfer *transfer)
{
    uint64_t room = transfer->place.payload ? array->layout.size_bytes : plan->workspace_bytes;
    bool block_place = transfer->place.payload || transfer->place.at_bytes % BLOCK_BYTES ==
                                                      plan->member_offset_bytes % BLOCK_BYTES;

    return transfer->member < array->layout.members && block_place &&
           plan->workspace_bytes <= PARITY_WORKSPACE_BYTES_MAX &&
           plan->member_offset_bytes + plan->length_bytes <= array->layout.member_bytes &&
           transfer->place.at_bytes + plan->length_bytes <= room;
}

static uint8_t *memory_of(struct array *array, const struct parity_transfer *transfer)
{
    return (transfer->place.payload ? array->payload : array->workspace) + transfer->place.at_bytes;
}

static uint8_t *member_at(struct array *array, const struct parity_plan *plan, uint32_t member)
{
    return array->members[member] + plan->member_offset_bytes;
}

/* `zeros`: the payload is not there and what would be written from it are zeros. */
static bool execute(struct array *array, const struct parity_plan *plan, uint32_t writable,
                    bool zeros)
{
    bool right = true;

    memset(array->workspace, GARBAGE, plan->workspace_bytes);
    for (uint32_t i = 0; right && i < plan->reads; i++) {
        const struct parity_transfer *read = &plan->read[i];
        right = allowed(array, plan, read) &&
                ((array->failed | array->unreadable) >> read->member & 1) == 0;
        if (right)
            memcpy(memory_of(array, read), member_at(array, plan, read->member),
                   plan->length_bytes);
    }
    if (right)
        parity_plan_compute(plan, zeros ? NULL : array->payload,
                            plan->workspace_bytes == 0 ? NULL : array->workspace);
    for (uint32_t i = 0; right && i < plan->writes; i++) {
        const struct parity_transfer *write = &plan->write[i];
        right = allowed(array, plan, write) && (writable >> write->member & 1) != 0;
        if (right && zeros && write->place.payload)
            memset(member_at(array, plan, write->member), 0, plan->length_bytes);
        else if (right)
            memcpy(member_at(array, plan, write->member), memory_of(array, write),
                   plan->length_bytes);
    }
    return right;
}

/* How often each method was used: every test says which it means to have seen. */
static unsigned used[PARITY_WRITE_RECOVER + 1];

static bool write_range(struct array *array, uint64_t offset, uint64_t length, bool zeros)
{
    struct parity_walk walk;
    struct parity_slice slice;
    struct parity_plan plan;
    bool right = true;

    /* Each write differs from what was there nearly everywhere, and columns from each other. */
    uint32_t first = random_below(256), step = 1 + 2 * random_below(128);
    for (uint64_t i = 0; i < length; i++)
        array->payload[i] = (uint8_t)(first + i * step + (i >> 8) * 31);
    if (zeros)
        memset(array->plain + offset, 0, length);
    else
        memcpy(array->plain + offset, array->payload, length);
    parity_walk_begin(&walk, &array->layout, offset, length);
    while (right && parity_walk_next(&walk, &slice)) {
        right = parity_plan_write(&plan, &array->layout, &slice, array->failed,
                                  array->unreadable) == 0 &&
                execute(array, &plan, ~array->failed, zeros);
        used[plan.method]++;
    }
    return right;
}

static bool read_range(struct array *array, uint64_t offset, uint64_t length)
{
    struct parity_walk walk;
    struct parity_slice slice;
    struct parity_plan plan;
    bool right = true;

    memset(array->payload, GARBAGE, length + GUARD);
    parity_walk_begin(&walk, &array->layout, offset, length);
    while (right && parity_walk_next(&walk, &slice)) {
        right = parity_plan_read(&plan, &array->layout, &slice, array->failed) == 0 &&
                plan.writes == 0 && execute(array, &plan, 0, false);
        used[plan.method]++;
    }
    for (uint64_t i = length; i < length + GUARD; i++)
        right = right && array->payload[i] == GARBAGE;
    return right && memcmp(array->payload, array->plain + offset, length) == 0;
}

static bool rebuild(struct array *array, uint32_t targets)
{
    struct parity_walk walk;
    struct parity_slice slice;
    struct parity_plan plan;
    bool right = true;

    parity_walk_begin(&walk, &array->layout, 0, array->layout.size_bytes);
    while (right && parity_walk_next(&walk, &slice)) {
        right = parity_plan_rebuild(&plan, &array->layout, &slice, array->failed, targets) == 0 &&
                execute(array, &plan, targets, false);
        used[plan.method]++;
    }
    array->failed &= ~targets;
    return right;
}

static void fail(struct array *array, uint32_t members)
{
    for (uint32_t i = 0; i < array->layout.members; i++)
        if (members >> i & 1)
            memset(array->members[i], GARBAGE, array->layout.member_bytes);
    array->failed |= members;
}

/* --- what must hold --- */

static bool bearable(const struct layout *layout, uint32_t failed)
{
    return (uint32_t)__builtin_popcount(failed) <= layout->parities;
}

/* Everything can be read whichever members fail besides, as long as that is allowed. */
static bool redundant(struct array *array)
{
    uint32_t failed = array->failed;
    bool right = true;

    for (uint32_t more = 0; right && more < 1u << array->layout.members; more++) {
        array->failed = failed | more;
        if (bearable(&array->layout, array->failed))
            right = read_range(array, 0, array->layout.size_bytes);
    }
    array->failed = failed;
    return right;
}

static void check_array(enum layout_kind kind, uint32_t members, uint32_t chunk_bytes,
                        uint32_t scale, uint32_t writes)
{
    struct array array;
    int wrong = 0;

    array_begin(&array, kind, members, chunk_bytes, scale);
    uint64_t size = array.layout.size_bytes;
    for (uint32_t failed = 0; failed < 1u << members; failed++) {
        if (!bearable(&array.layout, failed))
            continue;
        bool right = write_range(&array, 0, size, false);
        fail(&array, failed);
        for (uint32_t i = 0; right && i < writes; i++) {
            uint64_t offset = random_below(size), length = 1 + random_below(size - offset);
            right = write_range(&array, offset, length, random_below(8) == 0);
            offset = random_below(size);
            right = right && read_range(&array, offset, 1 + random_below(size - offset));
        }
        right = right && redundant(&array);
        right = right && (failed == 0 || rebuild(&array, failed & -failed));
        right = right && redundant(&array);
        right = right && (array.failed == 0 || rebuild(&array, array.failed));
        right = right && redundant(&array);
        if (!right && wrong++ == 0)
            printf("\n%s of %u, members %x failed\n", layout_name(kind), members, failed);
        array.failed = 0;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    array_end(&array);
}

static void check_arrays(uint32_t chunk_bytes, uint32_t scale, uint32_t writes)
{
    for (uint32_t members = RAID5_MEMBERS_MIN; members <= MEMBERS; members++)
        check_array(LAYOUT_RAID5, members, chunk_bytes, scale, writes);
    for (uint32_t members = RAID6_MEMBERS_MIN; members <= MEMBERS; members++)
        check_array(LAYOUT_RAID6, members, chunk_bytes, scale, writes);
}

static void what_was_written_is_read_whoever_failed(void)
{
    memset(used, 0, sizeof used);
    check_arrays(8, CHUNK_BYTES_MIN / 8, getenv("ANYPORT_TEST_LONG") != NULL ? 20000 : 500);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        CU_ASSERT(used[i] > 0);
}

static void the_same_with_real_chunks(void)
{
    check_arrays(CHUNK_BYTES_MIN, 1, 10);
    check_array(LAYOUT_RAID6, 4, 2 * PARITY_COLUMN_BYTES, 1, 1);
}

/* Masks of members and of columns are full here, and a plan has all the transfers it can have. */
static void check_widest(enum layout_kind kind, uint32_t failed)
{
    struct array array;
    int wrong = 0;

    array_begin(&array, kind, MEMBERS_MAX, 8, CHUNK_BYTES_MIN / 8);
    uint64_t size = array.layout.size_bytes;
    wrong += !write_range(&array, 0, size, false);
    fail(&array, failed);
    for (int i = 0; i < 50; i++) {
        uint64_t offset = random_below(size);
        wrong += !write_range(&array, offset, 1 + random_below(size - offset), false);
        wrong += !read_range(&array, 0, size);
    }
    wrong += failed != 0 && !rebuild(&array, failed);
    wrong += !read_range(&array, 0, size);
    CU_ASSERT_EQUAL(wrong, 0);
    array_end(&array);
}

static void the_widest_work_too(void)
{
    const uint32_t first = 1, last = (uint32_t)1 << (MEMBERS_MAX - 1), middle = 1 << 16;
    const uint32_t failed[] = {0, first, middle, last};

    for (size_t i = 0; i < sizeof failed / sizeof *failed; i++) {
        check_widest(LAYOUT_RAID5, failed[i]);
        for (size_t k = 0; k < sizeof failed / sizeof *failed; k++)
            check_widest(LAYOUT_RAID6, failed[i] | failed[k]);
    }
}

/* Every range of a small volume, with each member failed in turn. */
static void every_range_can_be_written(void)
{
    struct array array;
    int wrong = 0;

    array_begin(&array, LAYOUT_RAID5, 4, 2, CHUNK_BYTES_MIN / 2);
    uint64_t size = array.layout.size_bytes;
    for (uint32_t failed = 0; failed < 1u << 4; failed = failed == 0 ? 1 : failed << 1) {
        wrong += !write_range(&array, 0, size, false);
        fail(&array, failed);
        for (uint64_t offset = 0; offset < size; offset++)
            for (uint64_t length = 1; length <= size - offset; length++)
                wrong += !write_range(&array, offset, length, false) ||
                         !read_range(&array, offset, length) || !read_range(&array, 0, size);
        wrong += failed != 0 && !rebuild(&array, failed);
        wrong += !redundant(&array);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    array_end(&array);
}

/* --- a member with bad blocks --- */

/* Any one of them is not read, and written like the others. */
static void one_that_cannot_be_read_need_not_be(void)
{
    static const enum layout_kind kinds[] = {LAYOUT_RAID5, LAYOUT_RAID6};
    bool right = true;

    for (uint32_t kind = 0; kind < 2; kind++) {
        struct array array;
        array_begin(&array, kinds[kind], 5, CHUNK_BYTES_MIN, 16);
        uint64_t size = array.layout.size_bytes;
        right = right && write_range(&array, 0, size, false);
        for (uint32_t i = 0; right && i < 2000; i++) {
            uint64_t offset = random_below(size), length = 1 + random_below(size - offset);
            array.unreadable = 1u << random_below(array.layout.members);
            right = write_range(&array, offset, length, random_below(8) == 0);
            array.unreadable = 0;
            right = right && (i % 100 != 0 || redundant(&array));
        }
        CU_ASSERT(right && redundant(&array));
        array_end(&array);
    }
}

/* P of row 0 is on member 5 of 6, Q of raid6 on 0: no plan goes without the first column, which is
 * written, and the second one. */
static void where_none_can_be_done_without_it_is_an_error(void)
{
    struct array array;
    struct parity_plan plan;

    array_begin(&array, LAYOUT_RAID6, 6, CHUNK_BYTES_MIN, 1);
    struct parity_slice slice = {.length_bytes = 4096, .columns = 1};
    const struct layout *layout = &array.layout;
    CU_ASSERT_EQUAL(parity_plan_write(&plan, layout, &slice, 0, 0x06), -EIO);
    CU_ASSERT_EQUAL(parity_plan_write(&plan, layout, &slice, 0x08, 0x02), -EIO);
    CU_ASSERT_EQUAL(parity_plan_write(&plan, layout, &slice, 0, 0x23), 0);
    CU_ASSERT_EQUAL(parity_plan_write(&plan, layout, &slice, 0, 0x1c), 0);
    array_end(&array);
}

/* --- what it costs --- */

static void check_cost(enum layout_kind kind, uint32_t failed, uint32_t columns,
                       enum parity_method method, uint32_t reads, uint32_t writes)
{
    struct array array;
    struct parity_plan plan;

    array_begin(&array, kind, 6, CHUNK_BYTES_MIN, 1);
    struct parity_slice slice = {.length_bytes = 4096, .columns = columns};
    CU_ASSERT_EQUAL_FATAL(parity_plan_write(&plan, &array.layout, &slice, failed, 0), 0);
    CU_ASSERT_EQUAL(plan.method, method);
    CU_ASSERT_EQUAL(plan.reads, reads);
    CU_ASSERT_EQUAL(plan.writes, writes);
    array_end(&array);
}

/* Row 0 of raid5 of 6: data on members 0 to 4, P on 5; of raid6: Q on 0, data on 1 to 4, P on 5. */
static void a_write_reads_as_little_as_it_can(void)
{
    check_cost(LAYOUT_RAID5, 0, 0x01, PARITY_WRITE_MODIFY, 2, 2);
    check_cost(LAYOUT_RAID5, 0, 0x03, PARITY_WRITE_RECONSTRUCT, 3, 3);
    check_cost(LAYOUT_RAID5, 0, 0x0f, PARITY_WRITE_RECONSTRUCT, 1, 5);
    check_cost(LAYOUT_RAID5, 0, 0x1f, PARITY_WRITE_RECONSTRUCT, 0, 6);
    check_cost(LAYOUT_RAID6, 0, 0x01, PARITY_WRITE_RECONSTRUCT, 3, 3);
    check_cost(LAYOUT_RAID6, 0, 0x0f, PARITY_WRITE_RECONSTRUCT, 0, 6);
    /* the column that is written has failed: all others are needed */
    check_cost(LAYOUT_RAID5, 0x01, 0x01, PARITY_WRITE_RECONSTRUCT, 4, 1);
    /* one that is not written: its new parity comes from its old */
    check_cost(LAYOUT_RAID5, 0x10, 0x0f, PARITY_WRITE_MODIFY, 5, 5);
    check_cost(LAYOUT_RAID6, 0x30, 0x01, PARITY_WRITE_MODIFY, 2, 2);
    check_cost(LAYOUT_RAID6, 0x06, 0x01, PARITY_WRITE_RECOVER, 4, 2);
    check_cost(LAYOUT_RAID5, 0x20, 0x01, PARITY_WRITE_PLAIN, 0, 1);
    check_cost(LAYOUT_RAID6, 0x21, 0x03, PARITY_WRITE_PLAIN, 0, 2);
}

static void too_many_failed_members_are_an_error(void)
{
    struct array array;
    struct parity_plan plan = {.reads = 77};

    array_begin(&array, LAYOUT_RAID6, 6, CHUNK_BYTES_MIN, 1);
    struct parity_slice slice = {.length_bytes = 4096, .columns = 1};
    CU_ASSERT_EQUAL(parity_plan_write(&plan, &array.layout, &slice, 0x1c, 0), -EIO);
    CU_ASSERT_EQUAL(parity_plan_read(&plan, &array.layout, &slice, 0x07), -EIO);
    CU_ASSERT_EQUAL(parity_plan_read(&plan, &array.layout, &slice, 0x23), -EIO);
    CU_ASSERT_EQUAL(parity_plan_rebuild(&plan, &array.layout, &slice, 0x03, 0x08), -EIO);
    CU_ASSERT_EQUAL(plan.reads, 77);
    /* what is wanted is there, whatever else is not */
    CU_ASSERT_EQUAL(parity_plan_read(&plan, &array.layout, &slice, 0x1c), 0);
    CU_ASSERT_EQUAL(plan.reads, 1);
    array_end(&array);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what was written is read, whoever failed", what_was_written_is_read_whoever_failed},
        {"the same with real chunks", the_same_with_real_chunks},
        {"the widest work too", the_widest_work_too},
        {"every range can be written", every_range_can_be_written},
        {"one that cannot be read need not be", one_that_cannot_be_read_need_not_be},
        {"where none can be done without it is an error",
         where_none_can_be_done_without_it_is_an_error},
        {"a write reads as little as it can", a_write_reads_as_little_as_it_can},
        {"too many failed members are an error", too_many_failed_members_are_an_error},
    };
    const char *given = getenv("ANYPORT_TEST_SEED");

    seed = given != NULL ? (unsigned)strtoul(given, NULL, 0) : 1;
    printf("seed %u\n", seed);
    return UNIT_RUN("parity plan", tests);
}
