/*
 * Answers: the bytes that go out are decoded as a host would, and compared with the command.
 */
#include "hostif/answer.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hostif/nbd_reply.h"
#include "hostif/nbd_wire.h"
#include "hostif/negotiate.h"
#include "tests/unit/unit.h"

#define COOKIE UINT64_C(0x1122334455667788)

enum { PAYLOAD_MAX = 1 << 20, CHUNK_DONE = 1 };

static const struct nbd_agreed structured = {.structured_replies = true, .meta_contexts = true};
static const struct nbd_agreed simple;

static struct answer answer;
static uint8_t payload[PAYLOAD_MAX + BLOCK_BYTES], out[2 * PAYLOAD_MAX], seen[PAYLOAD_MAX];
static size_t out_bytes;

static struct command read_of(uint64_t offset_bytes, uint64_t bytes)
{
    return (struct command){.op = COMMAND_READ,
                            .cookie = COOKIE,
                            .offset_bytes = offset_bytes,
                            .length_bytes = bytes,
                            .payload = payload};
}

/* What the socket would carry. */
static void gather(void)
{
    out_bytes = 0;
    for (uint32_t i = 0; i < answer.vectors_count; i++) {
        CU_ASSERT_TRUE_FATAL(out_bytes + answer.vectors[i].iov_len <= sizeof out);
        CU_ASSERT_TRUE(answer.vectors[i].iov_len > 0);
        memcpy(out + out_bytes, answer.vectors[i].iov_base, answer.vectors[i].iov_len);
        out_bytes += answer.vectors[i].iov_len;
    }
    CU_ASSERT_EQUAL(out_bytes, answer.bytes);
}

static void answer_one(struct command *command, const struct nbd_agreed *agreed)
{
    answer_begin(&answer);
    CU_ASSERT_TRUE(answer_add(&answer, command, agreed));
    gather();
}

static uint64_t be(size_t at, size_t bytes)
{
    uint64_t value = 0;

    CU_ASSERT_TRUE_FATAL(at + bytes <= out_bytes);
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | out[at + i];
    return value;
}

/* --- structured reads --- */

struct decoded {
    uint32_t chunks, holes, data;
    bool done;
};

/* Puts one chunk's data where it belongs; returns where the next begins. */
static size_t decode_chunk(size_t at, const struct command *command, struct decoded *decoded)
{
    uint16_t flags = (uint16_t)be(at + 4, 2), type = (uint16_t)be(at + 6, 2);
    uint32_t bytes = (uint32_t)be(at + 16, 4);

    CU_ASSERT_EQUAL(be(at, 4), NBD_CHUNK_MAGIC);
    CU_ASSERT_EQUAL(be(at + 8, 8), COOKIE);
    CU_ASSERT_FALSE(decoded->done);
    decoded->done = flags == CHUNK_DONE;
    decoded->chunks++;
    uint64_t offset = be(at + 20, 8) - command->offset_bytes;
    if (type == NBD_REPLY_TYPE_OFFSET_HOLE) {
        uint64_t hole = be(at + 28, 4);
        CU_ASSERT_EQUAL(bytes, 12);
        CU_ASSERT_TRUE_FATAL(offset + hole <= command->length_bytes && hole > 0);
        memset(seen + offset, 0, hole);
        decoded->holes++;
    } else {
        CU_ASSERT_EQUAL(type, NBD_REPLY_TYPE_OFFSET_DATA);
        CU_ASSERT_TRUE_FATAL(bytes > 8 && offset + bytes - 8 <= command->length_bytes);
        memcpy(seen + offset, out + at + 28, bytes - 8);
        decoded->data++;
    }
    return at + 20 + bytes;
}

static struct decoded decode(const struct command *command)
{
    struct decoded decoded = {0};
    size_t at = 0;

    memset(seen, 0xee, command->length_bytes);
    while (at < out_bytes)
        at = decode_chunk(at, command, &decoded);
    CU_ASSERT_EQUAL(at, out_bytes);
    CU_ASSERT_TRUE(decoded.done);
    CU_ASSERT_EQUAL(memcmp(seen, command->payload, command->length_bytes), 0);
    return decoded;
}

static struct decoded answer_and_decode(struct command command)
{
    answer_one(&command, &structured);
    return decode(&command);
}

static void data_is_one_chunk(void)
{
    memset(payload, 7, PAYLOAD_MAX);
    struct decoded decoded = answer_and_decode(read_of(4096, PAYLOAD_MAX));
    CU_ASSERT_EQUAL(decoded.chunks, 1);
    CU_ASSERT_EQUAL(decoded.holes, 0);
}

static void zeroes_are_one_hole(void)
{
    memset(payload, 0, PAYLOAD_MAX);
    struct decoded decoded = answer_and_decode(read_of(512, PAYLOAD_MAX));
    CU_ASSERT_EQUAL(decoded.chunks, 1);
    CU_ASSERT_EQUAL(decoded.holes, 1);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_HOLE_BYTES);
}

static void runs_alternate(void)
{
    memset(payload, 0, PAYLOAD_MAX);
    for (int block = 0; block < 16; block += 4)
        memset(payload + block * BLOCK_BYTES, 1, 2 * BLOCK_BYTES);
    struct decoded decoded = answer_and_decode(read_of(0, 16 * BLOCK_BYTES));
    CU_ASSERT_EQUAL(decoded.data, 4);
    CU_ASSERT_EQUAL(decoded.holes, 4);
}

static void ends_may_lie_inside_blocks(void)
{
    static const uint64_t offsets[] = {1, 7, 511, 512, 4095, 4096, 4097, 8191};
    static const uint64_t lengths[] = {1, 7, 8, 9, 511, 4095, 4096, 4097, 12287, 12289};

    for (size_t o = 0; o < sizeof offsets / sizeof *offsets; o++) {
        for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
            for (int kind = 0; kind < 4; kind++) {
                memset(payload, kind == 1 ? 9 : 0, lengths[l]);
                if (kind == 2)
                    payload[lengths[l] - 1] = 1; /* the very last byte */
                if (kind == 3)
                    payload[0] = 1; /* the very first */
                answer_and_decode(read_of(offsets[o], lengths[l]));
            }
        }
    }
}

static void a_byte_anywhere_is_data(void)
{
    for (uint32_t at = 0; at < 3 * 512; at++) {
        memset(payload, 0, 512);
        payload[at / 3] = (uint8_t)(1 << at % 8);
        struct decoded decoded = answer_and_decode(read_of(at, 512));
        CU_ASSERT_TRUE(decoded.data >= 1);
    }
}

/* Every other block is zero, from `first` on. */
static struct decoded stripes(uint32_t runs, uint32_t first)
{
    memset(payload, 0, PAYLOAD_MAX);
    for (uint32_t run = first; run < runs; run += 2)
        memset(payload + run * BLOCK_BYTES, 3, BLOCK_BYTES);
    return answer_and_decode(read_of(0, (uint64_t)runs * BLOCK_BYTES));
}

static void more_runs_than_pieces_end_as_data(void)
{
    for (uint32_t runs = ANSWER_PIECES_MAX - 2; runs <= ANSWER_PIECES_MAX + 3; runs++) {
        for (uint32_t first = 0; first < 2; first++) {
            struct decoded decoded = stripes(runs, first);
            CU_ASSERT_EQUAL(decoded.chunks, runs < ANSWER_PIECES_MAX ? runs : ANSWER_PIECES_MAX);
        }
    }
    CU_ASSERT_EQUAL(stripes(256, 1).chunks, ANSWER_PIECES_MAX);
}

static void random_payloads_come_through(void)
{
    uint32_t seed = 1;

    for (int round = 0; round < 300; round++) {
        seed = seed * 1664525u + 1013904223u;
        uint64_t bytes = 1 + seed % 300000;
        for (uint64_t at = 0; at < bytes; at += BLOCK_BYTES / 2) {
            seed = seed * 1664525u + 1013904223u;
            memset(payload + at, seed >> 30 == 0 ? (int)(seed >> 16) : 0, BLOCK_BYTES / 2);
        }
        answer_and_decode(read_of(seed >> 8, bytes));
    }
}

static void dont_fragment_is_one_chunk_of_data(void)
{
    struct command command = read_of(100, 10 * BLOCK_BYTES);

    memset(payload, 0, PAYLOAD_MAX);
    payload[5 * BLOCK_BYTES] = 1;
    command.answer_flags = ANSWER_DONT_FRAGMENT;
    struct decoded decoded = answer_and_decode(command);
    CU_ASSERT_EQUAL(decoded.chunks, 1);
    CU_ASSERT_EQUAL(decoded.data, 1);
}

static void a_failed_structured_read_is_an_error_with_its_offset(void)
{
    struct command command = read_of(12345, 4096);

    command.status = -EIO;
    command.aggregate.status_offset_bytes = 12345 + 100; /* a component of it */
    answer_one(&command, &structured);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_ERROR_OFFSET_BYTES);
    CU_ASSERT_EQUAL(be(4, 2), CHUNK_DONE);
    CU_ASSERT_EQUAL(be(6, 2), NBD_REPLY_TYPE_ERROR_OFFSET);
    CU_ASSERT_EQUAL(be(20, 4), nbd_error(-EIO));
    CU_ASSERT_EQUAL(be(26, 8), 12345 + 100);
}

static void a_read_of_nothing_is_an_empty_chunk(void)
{
    struct command command = read_of(0, 0);

    answer_one(&command, &structured);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_CHUNK_BYTES);
    CU_ASSERT_EQUAL(be(4, 2), CHUNK_DONE);
    CU_ASSERT_EQUAL(be(6, 2), NBD_REPLY_TYPE_NONE);
}

/* --- simple replies --- */

static void a_simple_read_is_followed_by_its_payload(void)
{
    struct command command = read_of(0, 5000);

    memset(payload, 5, 5000);
    answer_one(&command, &simple);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_SIMPLE_BYTES + 5000);
    CU_ASSERT_EQUAL(be(0, 4), NBD_SIMPLE_REPLY_MAGIC);
    CU_ASSERT_EQUAL(be(4, 4), 0);
    CU_ASSERT_EQUAL(be(8, 8), COOKIE);
    CU_ASSERT_EQUAL(memcmp(out + 16, payload, 5000), 0);
}

static void a_failed_simple_read_brings_no_payload(void)
{
    struct command command = read_of(0, 5000);

    command.status = -ENOMEM;
    answer_one(&command, &simple);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_SIMPLE_BYTES);
    CU_ASSERT_EQUAL(be(4, 4), nbd_error(-ENOMEM));
}

static void writes_are_simple_either_way(void)
{
    struct command command = {.op = COMMAND_WRITE, .cookie = COOKIE, .status = -ENOSPC};

    answer_one(&command, &structured);
    CU_ASSERT_EQUAL(be(0, 4), NBD_SIMPLE_REPLY_MAGIC);
    CU_ASSERT_EQUAL(be(4, 4), nbd_error(-ENOSPC));
    answer_one(&command, &simple);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_SIMPLE_BYTES);
}

/* --- block status --- */

static struct command extents_of(uint8_t contexts)
{
    static struct extent extents[3];

    extents[0] = (struct extent){.length_bytes = 4096};
    extents[1] = (struct extent){.length_bytes = UINT32_MAX - 8191, .hole = 1};
    extents[2] = (struct extent){.length_bytes = 1};
    return (struct command){.op = COMMAND_EXTENTS,
                            .cookie = COOKIE,
                            .length_bytes = UINT32_MAX,
                            .payload = (uint8_t *)extents,
                            .count = 3,
                            .target = 3,
                            .element = 0x1234,
                            .answer_flags = contexts};
}

static void check_allocation(size_t at, bool done)
{
    CU_ASSERT_EQUAL(be(at + 4, 2), done);
    CU_ASSERT_EQUAL(be(at + 6, 2), NBD_REPLY_TYPE_BLOCK_STATUS);
    CU_ASSERT_EQUAL(be(at + 16, 4), 4 + 3 * 8);
    CU_ASSERT_EQUAL(be(at + 20, 4), CONTEXT_ID_ALLOCATION);
    CU_ASSERT_EQUAL(be(at + 24, 4), 4096);
    CU_ASSERT_EQUAL(be(at + 28, 4), 0);
    CU_ASSERT_EQUAL(be(at + 32, 4), UINT32_MAX - 8191);
    CU_ASSERT_EQUAL(be(at + 36, 4), NBD_STATE_HOLE | NBD_STATE_ZERO);
    CU_ASSERT_EQUAL(be(at + 40, 4), 1);
    CU_ASSERT_EQUAL(be(at + 44, 4), 0);
}

static void check_location(size_t at)
{
    CU_ASSERT_EQUAL(be(at + 4, 2), CHUNK_DONE);
    CU_ASSERT_EQUAL(be(at + 16, 4), 4 + 8);
    CU_ASSERT_EQUAL(be(at + 20, 4), CONTEXT_ID_LOCATION);
    CU_ASSERT_EQUAL(be(at + 24, 4), UINT32_MAX);
    CU_ASSERT_EQUAL(be(at + 28, 4), 3u << 16 | 0x1234);
    CU_ASSERT_EQUAL(out_bytes, at + 32);
}

static void block_status_shows_the_contexts_agreed(void)
{
    struct command command = extents_of(ANSWER_ALLOCATION);

    answer_one(&command, &structured);
    check_allocation(0, true);
    CU_ASSERT_EQUAL(out_bytes, 48);
    command = extents_of(ANSWER_LOCATION);
    answer_one(&command, &structured);
    check_location(0);
    command = extents_of(ANSWER_ALLOCATION | ANSWER_LOCATION);
    answer_one(&command, &structured);
    check_allocation(0, false);
    check_location(48);
}

static void a_failed_block_status_is_an_error_chunk(void)
{
    struct command command = extents_of(ANSWER_ALLOCATION);

    command.status = -EIO;
    answer_one(&command, &structured);
    CU_ASSERT_EQUAL(out_bytes, NBD_REPLY_ERROR_BYTES);
    CU_ASSERT_EQUAL(be(6, 2), NBD_REPLY_TYPE_ERROR);
    CU_ASSERT_EQUAL(be(4, 2), CHUNK_DONE);
}

/* --- many --- */

static void a_full_answer_takes_no_more_and_loses_nothing(void)
{
    struct command command = {.op = COMMAND_WRITE, .cookie = COOKIE};
    uint32_t count = 0;

    answer_begin(&answer);
    while (answer_add(&answer, &command, &structured))
        count++;
    gather();
    CU_ASSERT_TRUE(count >= SESSION_COMMANDS_MAX);
    CU_ASSERT_EQUAL(answer.vectors_count, 1); /* heads in a row go out together */
    CU_ASSERT_EQUAL(out_bytes, count * (size_t)NBD_REPLY_SIMPLE_BYTES);
}

static void the_most_scattered_reads_fit_until_it_says_no(void)
{
    struct command command = read_of(0, 128 * BLOCK_BYTES);
    uint32_t count = 0;

    memset(payload, 0, PAYLOAD_MAX);
    for (uint32_t run = 0; run < 128; run += 2)
        payload[run * BLOCK_BYTES] = 1;
    answer_begin(&answer);
    while (answer_add(&answer, &command, &structured))
        count++;
    CU_ASSERT_TRUE(count >= 1);
    CU_ASSERT_TRUE(answer.vectors_count <= ANSWER_VECTORS);
    CU_ASSERT_TRUE(answer.heads_bytes <= ANSWER_HEADS_BYTES);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"data is one chunk", data_is_one_chunk},
        {"zeroes are one hole", zeroes_are_one_hole},
        {"runs alternate", runs_alternate},
        {"ends may lie inside blocks", ends_may_lie_inside_blocks},
        {"a byte anywhere is data", a_byte_anywhere_is_data},
        {"more runs than pieces end as data", more_runs_than_pieces_end_as_data},
        {"random payloads come through", random_payloads_come_through},
        {"DF is one chunk of data", dont_fragment_is_one_chunk_of_data},
        {"a failed structured read is an error with its offset",
         a_failed_structured_read_is_an_error_with_its_offset},
        {"a read of nothing is an empty chunk", a_read_of_nothing_is_an_empty_chunk},
        {"a simple read is followed by its payload", a_simple_read_is_followed_by_its_payload},
        {"a failed simple read brings no payload", a_failed_simple_read_brings_no_payload},
        {"writes are simple either way", writes_are_simple_either_way},
        {"block status shows the contexts agreed", block_status_shows_the_contexts_agreed},
        {"a failed block status is an error chunk", a_failed_block_status_is_an_error_chunk},
        {"a full answer takes no more and loses nothing",
         a_full_answer_takes_no_more_and_loses_nothing},
        {"the most scattered reads fit until it says no",
         the_most_scattered_reads_fit_until_it_says_no},
    };
    return UNIT_RUN("answer", tests);
}
