/*
 * Checksums on the way of commands, in each mode of I/O: what was changed on the image is not
 * answered, and nothing that was written is taken for damage, whatever else is under way.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/array.h"
#include "tests/unit/unit.h"

enum { BLOCK = BLOCK_BYTES };

static struct array *start(enum element_mode mode)
{
    const struct array_wanted wanted = {.controllers = 2,
                                        .slots = 64,
                                        .ring_entries = 64,
                                        .buffers_bytes = 4 << 20,
                                        .direct = mode == ELEMENT_MODE_DIRECT,
                                        .buffered = mode == ELEMENT_MODE_BUFFERED,
                                        .superblocks = true,
                                        .checksums = true};

    return array_start(&wanted);
}

static const enum element_mode modes[] = {ELEMENT_MODE_INLINE, ELEMENT_MODE_DIRECT,
                                          ELEMENT_MODE_BUFFERED};

/* Of volume 1, asked for at host 0: so all of it is redirected. */
static int32_t ask(struct array *array, uint8_t op, uint64_t offset, uint64_t bytes, uint8_t fill)
{
    const struct job job = {
        .op = op, .volume = 1, .offset_bytes = offset, .bytes = bytes, .fill = fill};
    uint32_t number = host_submit(array, 0, job);

    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_FALSE(array->hosts[0]->jobs[number].wrong);
    return array->hosts[0]->jobs[number].status;
}

static void flip(struct array *array, uint64_t offset)
{
    uint8_t byte;

    CU_ASSERT_EQUAL(pread(array->images[1], &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    CU_ASSERT_EQUAL(pwrite(array->images[1], &byte, 1, (off_t)offset), 1);
    CU_ASSERT_EQUAL(fsync(array->images[1]), 0); /* direct I/O looks behind the page cache */
}

static uint64_t checksum_errors(struct array *array)
{
    /* relaxed: for a look from outside */
    return load_relaxed(&segment_element(&array->segment, 1)->counters.checksum_errors);
}

static void damage_is_found(enum element_mode mode)
{
    struct array *array = start(mode);

    CU_ASSERT_EQUAL(array->elements[1].mode, mode);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 0, 9 * BLOCK, 0), 0); /* never written */
    CU_ASSERT_EQUAL(ask(array, COMMAND_WRITE, 100, 8 * BLOCK, 7), 0);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 100, 8 * BLOCK, 7), 0);
    CU_ASSERT_EQUAL(checksum_errors(array), 0);
    flip(array, 3 * BLOCK + 5);
    flip(array, 20 * BLOCK); /* a hole */
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 3 * BLOCK + 1000, 1, 7), -EBADMSG);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 100, 8 * BLOCK, 7), -EBADMSG);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 20 * BLOCK, BLOCK, 0), -EBADMSG);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 4 * BLOCK, 2 * BLOCK, 7), 0);
    CU_ASSERT_EQUAL(ask(array, COMMAND_WRITE, 3 * BLOCK + 1, 9, 7), -EBADMSG);
    CU_ASSERT_EQUAL(ask(array, COMMAND_ZERO, 3 * BLOCK + 1, 9, 0), -EBADMSG);
    CU_ASSERT_EQUAL(checksum_errors(array), 5);
    CU_ASSERT_EQUAL(ask(array, COMMAND_WRITE, 2 * BLOCK, 2 * BLOCK, 7), 0);
    CU_ASSERT_EQUAL(ask(array, COMMAND_ZERO, 20 * BLOCK, BLOCK, 0), 0);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 100, 8 * BLOCK, 7), 0);
    CU_ASSERT_EQUAL(ask(array, COMMAND_READ, 20 * BLOCK, BLOCK, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void damage_is_found_in_each_mode(void)
{
    for (uint32_t i = 0; i < sizeof modes / sizeof *modes; i++)
        damage_is_found(modes[i]);
}

/* Zeroes and trims that cover blocks in part, in whole, and none as a whole. */
static void zeroes_are_known(enum element_mode mode)
{
    static const struct {
        uint64_t offset, bytes;
    } ranges[] = {{0, BLOCK},           {BLOCK, 3 * BLOCK}, {5 * BLOCK + 1, BLOCK - 1},
                  {7 * BLOCK + 9, 100}, {9 * BLOCK - 1, 2}, {11 * BLOCK + 100, 4 * BLOCK}};
    struct array *array = start(mode);

    for (uint32_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        CU_ASSERT_EQUAL(ask(array, COMMAND_WRITE, 0, 20 * BLOCK, 9), 0);
        CU_ASSERT_EQUAL(ask(array, COMMAND_ZERO, ranges[i].offset, ranges[i].bytes, 0), 0);
        CU_ASSERT_EQUAL(ask(array, COMMAND_READ, ranges[i].offset, ranges[i].bytes, 0), 0);
        CU_ASSERT_EQUAL(ask(array, COMMAND_WRITE, 0, 20 * BLOCK, 9), 0);
        CU_ASSERT_EQUAL(ask(array, COMMAND_TRIM, ranges[i].offset, ranges[i].bytes, 0), 0);
        /* What a trim leaves may be anything, but not an error. */
        const struct job all = {.op = COMMAND_READ, .volume = 1, .bytes = 20 * BLOCK};
        uint32_t number = host_submit(array, 0, all);
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
        CU_ASSERT_EQUAL(array->hosts[0]->jobs[number].status, 0);
    }
    CU_ASSERT_EQUAL(checksum_errors(array), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void zeroes_are_known_in_each_mode(void)
{
    for (uint32_t i = 0; i < sizeof modes / sizeof *modes; i++)
        zeroes_are_known(modes[i]);
}

/* Many commands of two hosts in the same few blocks, in flight together. */
static void overlapping_commands_make_no_false_alarm(enum element_mode mode)
{
    static const uint8_t ops[] = {COMMAND_WRITE, COMMAND_READ,  COMMAND_READ,
                                  COMMAND_ZERO,  COMMAND_WRITE, COMMAND_TRIM};
    enum { JOBS = 3000 };
    struct array *array = start(mode);
    uint32_t failed = 0;

    srand(mode + 1);
    for (uint32_t i = 0; i < JOBS; i++) {
        for (uint32_t host = 0; host < 2; host++) {
            uint64_t offset = (uint64_t)(rand() % (8 * BLOCK)),
                     bytes = 1 + (uint64_t)(rand() % 9000);
            bool whole = rand() % 2;
            host_submit(array, host,
                        (struct job){.op = ops[(unsigned)rand() % sizeof ops],
                                     .volume = 1,
                                     .fill = (uint8_t)rand(),
                                     .offset_bytes = whole ? offset / BLOCK * BLOCK : offset,
                                     .bytes = whole ? (bytes / BLOCK + 1) * BLOCK : bytes});
        }
    }
    for (uint32_t host = 0; host < 2; host++) {
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
        for (uint32_t i = 0; i < JOBS; i++)
            failed += array->hosts[host]->jobs[i].status != 0;
    }
    CU_ASSERT_EQUAL(failed, 0);
    CU_ASSERT_EQUAL(checksum_errors(array), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void overlapping_commands_make_no_false_alarm_in_each_mode(void)
{
    for (uint32_t i = 0; i < sizeof modes / sizeof *modes; i++)
        overlapping_commands_make_no_false_alarm(modes[i]);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"damage is found in each mode", damage_is_found_in_each_mode},
        {"zeroes are known in each mode", zeroes_are_known_in_each_mode},
        {"overlapping commands make no false alarm in each mode",
         overlapping_commands_make_no_false_alarm_in_each_mode},
    };
    return UNIT_RUN("path integrity", tests);
}
