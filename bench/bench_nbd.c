/*
 * The NBD host port without its sockets: requests parsed and checked, answers put together, and a
 * whole handshake.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bench/bench.h"
#include "hostif/answer.h"
#include "hostif/nbd_reply.h"
#include "hostif/nbd_wire.h"
#include "hostif/negotiate.h"

enum {
    BATCH = 32, /* what one receive brings from a host at depth 32 */
    FLAGS = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
            NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_CAN_MULTI_CONN,
};

#define SIZE_BYTES ((uint64_t)1 << 30)

static const struct nbd_agreed simple = {.size_bytes = SIZE_BYTES, .transmission_flags = FLAGS};
static const struct nbd_agreed structured = {.size_bytes = SIZE_BYTES,
                                             .transmission_flags = FLAGS | NBD_FLAG_SEND_DF,
                                             .structured_replies = true};

/* --- requests --- */

static uint64_t offset_of(uint32_t request)
{
    return (uint64_t)request * 7919 * BLOCK_BYTES % SIZE_BYTES;
}

static void write_requests(uint8_t requests[BATCH * NBD_REQUEST_BYTES])
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint8_t *request = requests + i * NBD_REQUEST_BYTES;
        put_be32(request, NBD_REQUEST_MAGIC);
        put_be16(request + 4, 0);
        put_be16(request + 6, NBD_CMD_READ);
        put_be64(request + 8, i);
        put_be64(request + 16, offset_of(i));
        put_be32(request + 24, BLOCK_BYTES);
    }
}

static void nbd_parse(struct bench *bench)
{
    uint8_t requests[BATCH * NBD_REQUEST_BYTES];
    bool good = true;

    write_requests(requests);
    while (bench_more(bench, BATCH)) {
        for (uint32_t i = 0; i < BATCH; i++) {
            const size_t at = i * (size_t)NBD_REQUEST_BYTES;
            struct nbd_request request;
            good &= nbd_parse_request(requests + at, sizeof requests - at, &request) ==
                    NBD_PARSE_REQUEST;
            good &= nbd_request_check(&request, &structured) == 0;
            good &= request.cookie == i && request.offset_bytes == offset_of(i) &&
                    nbd_request_payload_bytes(&request) == 0;
        }
    }
    if (!good)
        bench_fail(bench, "a request was misread");
}
BENCH(nbd_parse, "nbd/parse and check a request", 1)

/* --- heads of replies --- */

static void nbd_simple(struct bench *bench)
{
    uint8_t head[NBD_REPLY_SIMPLE_BYTES];
    uint64_t cookie = 0;
    bool good = true;

    while (bench_more(bench, BATCH)) {
        for (uint32_t i = 0; i < BATCH; i++, cookie++) {
            good &= nbd_reply_simple(head, cookie, 0) == NBD_REPLY_SIMPLE_BYTES;
            good &= get_be64(head + 8) == cookie && get_be32(head + 4) == NBD_SUCCESS;
        }
    }
    if (!good)
        bench_fail(bench, "a reply was wrong");
}
BENCH(nbd_simple, "nbd/simple reply", 1)

static void nbd_data(struct bench *bench)
{
    uint8_t head[NBD_REPLY_DATA_BYTES];
    uint64_t cookie = 0;
    bool good = true;

    while (bench_more(bench, BATCH)) {
        for (uint32_t i = 0; i < BATCH; i++, cookie++) {
            good &= nbd_reply_data(head, cookie, offset_of(i), BLOCK_BYTES, true) ==
                    NBD_REPLY_DATA_BYTES;
            good &= get_be64(head + 8) == cookie && get_be64(head + 20) == offset_of(i);
        }
    }
    if (!good)
        bench_fail(bench, "a reply was wrong");
}
BENCH(nbd_data, "nbd/head of a data chunk", 1)

/* --- answers --- */

static struct command commands[BATCH];
static uint8_t payload[BATCH][BLOCK_BYTES];

static void finish_reads(void)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        memset(payload[i], (int)(i + 1), BLOCK_BYTES); /* a block of zeroes would be a hole */
        commands[i] = (struct command){.op = COMMAND_READ,
                                       .cookie = i,
                                       .offset_bytes = offset_of(i),
                                       .length_bytes = BLOCK_BYTES,
                                       .payload = payload[i]};
    }
}

static void answer_reads(struct bench *bench, const struct nbd_agreed *agreed, uint32_t head_bytes)
{
    static struct answer answer;
    bool good = true;

    finish_reads();
    while (bench_more(bench, BATCH)) {
        answer_begin(&answer);
        for (uint32_t i = 0; i < BATCH; i++)
            good &= answer_add(&answer, &commands[i], agreed);
        good &= answer.vectors_count == 2 * BATCH &&
                answer.bytes == (uint64_t)BATCH * (head_bytes + BLOCK_BYTES);
        good &= answer.vectors[2 * BATCH - 1].iov_base == payload[BATCH - 1];
    }
    if (!good)
        bench_fail(bench, "an answer was wrong");
}

static void nbd_answer_simple(struct bench *bench)
{
    answer_reads(bench, &simple, NBD_REPLY_SIMPLE_BYTES);
}
BENCH(nbd_answer_simple, "nbd/answer a 4k read simply", 1)

static void nbd_answer_structured(struct bench *bench)
{
    answer_reads(bench, &structured, NBD_REPLY_DATA_BYTES);
}
BENCH(nbd_answer_structured, "nbd/answer a 4k read in chunks", 1)

/* --- the handshake --- */

static int find_export(void *context, const char *name, size_t name_bytes,
                       struct export_info *ret_info)
{
    (void)context;
    if (name_bytes != 4 || memcmp(name, "vol0", 4) != 0)
        return -ENOENT;
    *ret_info =
        (struct export_info){.size_bytes = SIZE_BYTES, .name = "vol0", .transmission_flags = FLAGS};
    return 0;
}

static int next_export(void *context, uint64_t *cursor, struct export_info *ret_info)
{
    return (*cursor)++ == 0 ? find_export(context, "vol0", 4, ret_info) : -ENOENT;
}

static const struct export_catalog catalog = {.find = find_export, .next = next_export};

static size_t say_option(uint8_t *to, uint32_t option, const char *bytes, size_t count)
{
    put_be64(to, NBD_OPTION_MAGIC);
    put_be32(to + 8, option);
    put_be32(to + 12, (uint32_t)count);
    memcpy(to + NBD_OPTION_BYTES, bytes, count);
    return NBD_OPTION_BYTES + count;
}

/* What libnbd says: structured replies, base:allocation, GO. */
static size_t say_all(uint8_t said[256])
{
    static const char contexts[] = "\0\0\0\4vol0\0\0\0\1\0\0\0\17base:allocation";
    static const char go[] = "\0\0\0\4vol0\0"; /* the literal's own NUL ends the count of items */
    size_t bytes = NBD_CLIENT_FLAGS_BYTES;

    put_be32(said, NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES);
    bytes += say_option(said + bytes, NBD_OPT_STRUCTURED_REPLY, "", 0);
    bytes += say_option(said + bytes, NBD_OPT_SET_META_CONTEXT, contexts, sizeof contexts - 1);
    bytes += say_option(said + bytes, NBD_OPT_GO, go, sizeof go);
    return bytes;
}

static void nbd_handshake(struct bench *bench)
{
    static uint8_t out[NEGOTIATE_OUTPUT_BYTES];
    static struct negotiate negotiate;
    uint8_t said[256];
    size_t said_bytes = say_all(said);
    bool good = true;

    while (bench_more(bench, 1)) {
        size_t consumed, told_bytes;
        struct nbd_agreed agreed;
        negotiate_begin(&negotiate, &catalog);
        good &= !negotiate_step(&negotiate, NULL, 0, &consumed, out, sizeof out, &told_bytes);
        good &= told_bytes == NBD_GREETING_BYTES;
        good &=
            !negotiate_step(&negotiate, said, said_bytes, &consumed, out, sizeof out, &told_bytes);
        good &= consumed == said_bytes && negotiate.phase == NEGOTIATE_TRANSMISSION;
        if (!good)
            break;
        negotiate_agreed(&negotiate, &agreed);
        good &=
            agreed.size_bytes == SIZE_BYTES && agreed.structured_replies && agreed.meta_contexts;
    }
    if (!good)
        bench_fail(bench, "nothing was agreed");
}
BENCH(nbd_handshake, "nbd/whole handshake", 1)
