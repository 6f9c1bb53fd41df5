/*
 * The owner's cache on the way of commands: what is answered from it, what reaches the image and
 * when, and that commands on one block keep their order.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/array.h"
#include "tests/unit/unit.h"

enum { BLOCKS = 256 };

static const struct array_wanted back = {.controllers = 2,
                                         .slots = 64,
                                         .ring_entries = 64,
                                         .buffers_bytes = 4 << 20,
                                         .direct = true,
                                         .cache_bytes = BLOCKS * BLOCK_BYTES,
                                         .cache_mode = CACHE_WRITE_BACK};

static struct array *start(enum cache_mode mode)
{
    struct array_wanted wanted = back;

    wanted.cache_mode = mode;
    return array_start(&wanted);
}

static void do_one(struct array *array, uint32_t host, struct job job, int32_t status)
{
    uint32_t number = host_submit(array, host, job);

    CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
    CU_ASSERT_EQUAL(array->hosts[host]->jobs[number].status, status);
    CU_ASSERT_FALSE(array->hosts[host]->jobs[number].wrong);
}

static struct job job_of(uint8_t op, uint64_t offset_bytes, uint64_t bytes, uint8_t byte)
{
    return (struct job){.op = op, .offset_bytes = offset_bytes, .bytes = bytes, .fill = byte};
}

static uint64_t counted(_Atomic uint64_t *counter)
{
    return load_relaxed(counter); /* relaxed: for a look from outside */
}

static struct cache_counters *counters_of(struct array *array)
{
    return &segment_volume(&array->segment, 0)->cache;
}

/* What the image has at this place, behind the array. */
static bool image_is(struct array *array, uint64_t offset_bytes, uint64_t bytes, uint8_t byte)
{
    uint8_t found[BLOCK_BYTES];

    CU_ASSERT_EQUAL_FATAL(pread(array->images[0], found, bytes, (off_t)offset_bytes),
                          (ssize_t)bytes);
    for (uint64_t i = 0; i < bytes; i++)
        if (found[i] != byte)
            return false;
    return true;
}

static void what_was_read_is_read_again_from_the_cache(void)
{
    struct array *array = start(CACHE_WRITE_THROUGH);

    do_one(array, 0, job_of(COMMAND_WRITE, 100, 50000, 7), 0);
    do_one(array, 1, job_of(COMMAND_READ, 4096, 8192, 7), 0); /* written whole: kept */
    CU_ASSERT_EQUAL(counted(&counters_of(array)->hits), 1);
    do_one(array, 0, job_of(COMMAND_READ, 100, 50000, 7), 0); /* the edges were not */
    CU_ASSERT_EQUAL(counted(&counters_of(array)->misses), 1);
    do_one(array, 0, job_of(COMMAND_READ, 100, 50000, 7), 0);
    do_one(array, 0, job_of(COMMAND_READ, 101, 3, 7), 0);
    CU_ASSERT_EQUAL(counted(&counters_of(array)->hits), 3);
    CU_ASSERT_EQUAL(counted(&segment_volume(&array->segment, 0)->counters.reads), 4);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_write_is_through_or_back(void)
{
    struct array *array = start(CACHE_WRITE_THROUGH);

    do_one(array, 0, job_of(COMMAND_WRITE, 8192, 4096, 9), 0);
    CU_ASSERT_TRUE(image_is(array, 8192, 4096, 9));
    CU_ASSERT_EQUAL(counted(&counters_of(array)->dirty), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);

    array = start(CACHE_WRITE_BACK);
    do_one(array, 1, job_of(COMMAND_WRITE, 8192, 4096, 9), 0);
    CU_ASSERT_FALSE(image_is(array, 8192, 4096, 9));
    CU_ASSERT_EQUAL(counted(&counters_of(array)->dirty), 1);
    do_one(array, 0, job_of(COMMAND_READ, 8192, 4096, 9), 0);
    do_one(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0), 0);
    CU_ASSERT_TRUE(image_is(array, 8192, 4096, 9));
    CU_ASSERT_EQUAL(counted(&counters_of(array)->dirty), 0);
    struct job fua = job_of(COMMAND_WRITE, 0, 4096, 3);
    fua.flags = COMMAND_FUA;
    do_one(array, 0, fua, 0);
    CU_ASSERT_TRUE(image_is(array, 0, 4096, 3));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_part_of_a_block_keeps_the_rest(void)
{
    struct array *array = start(CACHE_WRITE_BACK);

    do_one(array, 0, job_of(COMMAND_WRITE, 0, 3 * 4096, 1), 0);
    do_one(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0), 0);
    do_one(array, 0, job_of(COMMAND_WRITE, 4000, 4196, 2), 0); /* of two, and all of one */
    do_one(array, 0, job_of(COMMAND_READ, 0, 4000, 1), 0);
    do_one(array, 0, job_of(COMMAND_READ, 4000, 4196, 2), 0);
    do_one(array, 1, job_of(COMMAND_READ, 8196, 4092, 1), 0);
    /* a part of what is dirty, then of what is not cached at all */
    do_one(array, 0, job_of(COMMAND_WRITE, 4096, 1, 5), 0);
    do_one(array, 0, job_of(COMMAND_READ, 4097, 4095, 2), 0);
    do_one(array, 0, job_of(COMMAND_WRITE, (1 << 20) + 7, 100, 6), 0);
    do_one(array, 0, job_of(COMMAND_READ, 1 << 20, 7, 0), 0);
    do_one(array, 0, job_of(COMMAND_READ, (1 << 20) + 107, 4096, 0), 0);
    do_one(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0), 0);
    CU_ASSERT_TRUE(image_is(array, 4097, 4000, 2));
    CU_ASSERT_TRUE(image_is(array, (1 << 20) + 7, 100, 6));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Far more than may be dirty: writes wait for write-back, and all of them end. */
static void writes_wait_for_room(void)
{
    struct array *array = start(CACHE_WRITE_BACK);
    enum { COUNT = 900 };

    for (uint32_t i = 0; i < COUNT; i++)
        host_submit(array, i / (COUNT / 2),
                    job_of(COMMAND_WRITE, i * 4096ull, 4096, (uint8_t)(1 + i % 250)));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0) && host_wait_all(array, 1));
    CU_ASSERT(counted(&counters_of(array)->written_back) >= COUNT - BLOCKS / 4 * 3);
    CU_ASSERT(counted(&counters_of(array)->write_backs) <
              counted(&counters_of(array)->written_back));
    for (uint32_t i = 0; i < COUNT; i++)
        host_submit(array, i / (COUNT / 2),
                    job_of(COMMAND_READ, i * 4096ull, 4096, (uint8_t)(1 + i % 250)));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0) && host_wait_all(array, 1));
    uint32_t bad = 0;
    for (uint32_t host = 0; host < 2; host++)
        for (uint32_t i = 0; i < COUNT; i++)
            bad += array->hosts[host]->jobs[i].wrong || array->hosts[host]->jobs[i].status != 0;
    CU_ASSERT_EQUAL(bad, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_hole_is_zero_whatever_was_dirty(void)
{
    struct array *array = start(CACHE_WRITE_BACK);

    do_one(array, 0, job_of(COMMAND_WRITE, 0, 64 << 10, 8), 0);
    do_one(array, 1, job_of(COMMAND_ZERO, 4096, 8192, 0), 0);
    do_one(array, 0, job_of(COMMAND_READ, 4096, 8192, 0), 0);
    do_one(array, 0, job_of(COMMAND_READ, 12288, 4096, 8), 0);
    do_one(array, 0, job_of(COMMAND_TRIM, 0, ARRAY_ELEMENT_BYTES, 0), 0);
    do_one(array, 0, job_of(COMMAND_READ, 0, 64 << 10, 0), 0);
    do_one(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0), 0);
    CU_ASSERT_TRUE(image_is(array, 0, 4096, 0));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Many at once on the same few blocks, of both hosts; each host's last write of its own bytes is
 * what is there in the end, in the cache and on the image. */
static void commands_on_one_block_keep_their_order(enum cache_mode mode)
{
    struct array *array = start(mode);
    enum { ROUNDS = 600 };

    for (uint32_t i = 0; i < ROUNDS; i++)
        for (uint32_t host = 0; host < 2; host++) {
            uint64_t at = (i % 7) * 4096 + host * 2048;
            host_submit(array, host, job_of(COMMAND_WRITE, at, 2048, (uint8_t)(1 + i / 7)));
            if (i % 50 == 0)
                host_submit(array, host, job_of(COMMAND_FLUSH, 0, 0, 0));
        }
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0) && host_wait_all(array, 1));
    for (uint32_t block = 0; block < 7; block++) {
        uint32_t last = (ROUNDS - 1 - block) / 7;
        do_one(array, 1, job_of(COMMAND_READ, block * 4096ull, 4096, (uint8_t)(1 + last)), 0);
    }
    do_one(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0), 0);
    for (uint32_t block = 0; block < 7; block++)
        CU_ASSERT_TRUE(
            image_is(array, block * 4096ull, 4096, (uint8_t)(1 + (ROUNDS - 1 - block) / 7)));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void commands_on_one_block_keep_their_order_in_both_modes(void)
{
    commands_on_one_block_keep_their_order(CACHE_WRITE_THROUGH);
    commands_on_one_block_keep_their_order(CACHE_WRITE_BACK);
}

/* Long reads share the gate: one of them has what is dirty written back, and the others must wait
 * for that too. */
static void long_reads_at_once_find_what_is_dirty(void)
{
    struct array *array = start(CACHE_WRITE_BACK);
    enum { ROUNDS = 100, READS = 3 };
    uint32_t wrong = 0;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        struct job write = job_of(COMMAND_WRITE, 0, 4096, 0);
        struct job read = job_of(COMMAND_READ, 0, (1 << 20) + 4096, 0);
        uint32_t jobs[READS];
        write.tag = read.tag = round;
        do_one(array, 0, write, 0);
        for (uint32_t i = 0; i < READS; i++)
            jobs[i] = host_submit(array, 0, read);
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
        for (uint32_t i = 0; i < READS; i++)
            wrong += array->hosts[0]->jobs[jobs[i]].wrong;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_sequential_reader_finds_blocks_read_ahead(void)
{
    struct array *array = start(CACHE_WRITE_THROUGH);

    for (uint32_t i = 0; i < 64; i++)
        do_one(array, 0, job_of(COMMAND_READ, (1 << 20) + i * 4096ull, 4096, 0), 0);
    CU_ASSERT(counted(&counters_of(array)->read_ahead) > 0);
    CU_ASSERT(counted(&counters_of(array)->hits) > 32);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* A command that stays in the gate of element 0 in front of its first block, as a slow one would:
 * what is dirty there is not written back before it leaves. */
static struct {
    struct command command;
    _Atomic uint32_t wanted;
    bool stands;
} in_the_way;

static void stand_in_the_way(struct host *host)
{
    bool wanted = load_acquire(&in_the_way.wanted) != 0; /* pairs with the test's stores */

    if (host->id != 0 || wanted == in_the_way.stands)
        return;
    in_the_way.stands = wanted;
    in_the_way.command.op = COMMAND_WRITE;
    in_the_way.command.length_bytes = BLOCK_BYTES;
    struct gate *gate = &host->controller->elements[0].gate;
    if (wanted)
        (void)gate_enter(gate, &in_the_way.command);
    else
        gate_leave(gate, &in_the_way.command);
}

/* Whatever is asked of host 0 from now on comes after it. */
static void block_the_way(bool wanted)
{
    /* pairs with stand_in_the_way's load */
    store_release(&in_the_way.wanted, wanted);
}

static void a_flush_does_not_wait_for_an_element_that_has_failed(void)
{
    struct array_wanted wanted = back;
    const struct control_message fail = {.kind = CONTROL_FAIL_ELEMENT, .arguments = {0}};

    wanted.before_job = stand_in_the_way;
    struct array *array = array_start(&wanted);
    do_one(array, 0, job_of(COMMAND_WRITE, 0, 4096, 9), 0);
    block_the_way(true);
    uint32_t flush = host_submit(array, 0, job_of(COMMAND_FLUSH, 0, 0, 0));
    do_one(array, 1, job_of(COMMAND_READ, 8192, 4096, 0), 0); /* c0 turns meanwhile */
    CU_ASSERT_EQUAL(array_ask(array, 0, fail, -1), 0);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(array->hosts[0]->jobs[flush].status, -EIO);
    block_the_way(false);
    do_one(array, 0, job_of(COMMAND_READ, 0, 4096, 0), -EIO);
    (void)array_stop(array); /* with a dirty block that it cannot write */
}

static void an_orderly_end_writes_back(void)
{
    struct array *array = start(CACHE_WRITE_BACK);
    int image = dup(array->images[0]);
    uint8_t byte = 0;

    do_one(array, 1, job_of(COMMAND_WRITE, 4096, 4096, 77), 0);
    CU_ASSERT_EQUAL(counted(&counters_of(array)->dirty), 1);
    CU_ASSERT_EQUAL(array_stop(array), 0);
    CU_ASSERT_EQUAL(pread(image, &byte, 1, 5000), 1);
    CU_ASSERT_EQUAL(byte, 77);
    close(image);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what was read is read again from the cache", what_was_read_is_read_again_from_the_cache},
        {"a write is through or back", a_write_is_through_or_back},
        {"a part of a block keeps the rest", a_part_of_a_block_keeps_the_rest},
        {"writes wait for room", writes_wait_for_room},
        {"a hole is zero whatever was dirty", a_hole_is_zero_whatever_was_dirty},
        {"commands on one block keep their order",
         commands_on_one_block_keep_their_order_in_both_modes},
        {"long reads at once find what is dirty", long_reads_at_once_find_what_is_dirty},
        {"a sequential reader finds blocks read ahead",
         a_sequential_reader_finds_blocks_read_ahead},
        {"a flush does not wait for an element that has failed",
         a_flush_does_not_wait_for_an_element_that_has_failed},
        {"an orderly end writes back", an_orderly_end_writes_back},
    };

    return UNIT_RUN("cache", tests);
}
