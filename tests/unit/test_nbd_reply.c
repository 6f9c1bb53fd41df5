/* Replies: byte by byte as the protocol draws them, and the map from errno to its errors. */
#include <errno.h>
#include <limits.h>

#include "hostif/nbd_reply.h"
#include "hostif/nbd_wire.h"
#include "shm/limits.h"
#include "tests/unit/unit.h"

#define COOKIE UINT64_C(0x0102030405060708)
#define OFFSET UINT64_C(0xf1f2f3f4f5f6f7f8)

enum { ROOM_BYTES = 64, UNTOUCHED = 0xee };

/* That a function wrote exactly these bytes and not one more. */
static void check_bytes(const uint8_t out[ROOM_BYTES], size_t written, const uint8_t *expected,
                        size_t expected_bytes)
{
    CU_ASSERT_EQUAL(written, expected_bytes);
    CU_ASSERT_EQUAL(memcmp(out, expected, expected_bytes), 0);
    for (size_t i = expected_bytes; i < ROOM_BYTES; i++)
        CU_ASSERT_EQUAL(out[i], UNTOUCHED);
}

#define CHECK_REPLY(call, ...)                                                                     \
    do {                                                                                           \
        static const uint8_t expected[] = {__VA_ARGS__};                                           \
        uint8_t out[ROOM_BYTES];                                                                   \
                                                                                                   \
        memset(out, UNTOUCHED, sizeof(out));                                                       \
        check_bytes(out, (call), expected, sizeof(expected));                                      \
    } while (0)

#define COOKIE_BYTES 1, 2, 3, 4, 5, 6, 7, 8
#define OFFSET_BYTES 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8

static void a_simple_reply_is_16_bytes(void)
{
    CHECK_REPLY(nbd_reply_simple(out, COOKIE, 0), 0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, COOKIE_BYTES);
    CHECK_REPLY(nbd_reply_simple(out, COOKIE, -ENOSPC), 0x67, 0x44, 0x66, 0x98, 0, 0, 0, 28,
                COOKIE_BYTES);
}

static void none_is_always_done(void)
{
    CHECK_REPLY(nbd_reply_none(out, COOKIE), 0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 0, COOKIE_BYTES, 0, 0,
                0, 0);
}

static void data_counts_its_offset(void)
{
    CHECK_REPLY(nbd_reply_data(out, COOKIE, OFFSET, 4096, false), 0x66, 0x8e, 0x33, 0xef, 0, 0, 0,
                1, COOKIE_BYTES, 0, 0, 0x10, 8, OFFSET_BYTES);
    CHECK_REPLY(nbd_reply_data(out, COOKIE, OFFSET, 1, true), 0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 1,
                COOKIE_BYTES, 0, 0, 0, 9, OFFSET_BYTES);
    CHECK_REPLY(nbd_reply_data(out, COOKIE, OFFSET, PAYLOAD_BYTES_MAX, true), 0x66, 0x8e, 0x33,
                0xef, 0, 1, 0, 1, COOKIE_BYTES, 2, 0, 0, 8, OFFSET_BYTES);
}

static void a_hole_is_12_bytes_of_payload(void)
{
    CHECK_REPLY(nbd_reply_hole(out, COOKIE, OFFSET, 0x01020304, false), 0x66, 0x8e, 0x33, 0xef, 0,
                0, 0, 2, COOKIE_BYTES, 0, 0, 0, 12, OFFSET_BYTES, 1, 2, 3, 4);
    CHECK_REPLY(nbd_reply_hole(out, COOKIE, OFFSET, 512, true), 0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 2,
                COOKIE_BYTES, 0, 0, 0, 12, OFFSET_BYTES, 0, 0, 2, 0);
}

static void errors_end_their_reply(void)
{
    CHECK_REPLY(nbd_reply_error(out, COOKIE, -EPERM), 0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1,
                COOKIE_BYTES, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0);
    CHECK_REPLY(nbd_reply_error_offset(out, COOKIE, -EIO, OFFSET), 0x66, 0x8e, 0x33, 0xef, 0, 1,
                0x80, 2, COOKIE_BYTES, 0, 0, 0, 14, 0, 0, 0, 5, 0, 0, OFFSET_BYTES);
}

static void block_status_counts_its_descriptors(void)
{
    CHECK_REPLY(nbd_reply_status(out, COOKIE, 2, 3, false), 0x66, 0x8e, 0x33, 0xef, 0, 0, 0, 5,
                COOKIE_BYTES, 0, 0, 0, 4 + 3 * 8, 0, 0, 0, 2);
    CHECK_REPLY(nbd_reply_status(out, COOKIE, 1, EXTENTS_MAX, true), 0x66, 0x8e, 0x33, 0xef, 0, 1,
                0, 5, COOKIE_BYTES, 0, 0, 0x20, 4, 0, 0, 0, 1);
    CHECK_REPLY(nbd_reply_descriptor(out, 0x01020304, 0x05060708), 1, 2, 3, 4, 5, 6, 7, 8);
}

static void the_constants_are_what_is_written(void)
{
    uint8_t out[ROOM_BYTES];

    CU_ASSERT_EQUAL(nbd_reply_simple(out, 0, 0), NBD_REPLY_SIMPLE_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_none(out, 0), NBD_REPLY_CHUNK_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_data(out, 0, 0, 1, true), NBD_REPLY_DATA_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_hole(out, 0, 0, 1, true), NBD_REPLY_HOLE_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_error(out, 0, -EIO), NBD_REPLY_ERROR_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_error_offset(out, 0, -EIO, 0), NBD_REPLY_ERROR_OFFSET_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_status(out, 0, 1, 1, true), NBD_REPLY_STATUS_BYTES);
    CU_ASSERT_EQUAL(nbd_reply_descriptor(out, 1, 0), NBD_REPLY_DESCRIPTOR_BYTES);
}

static void errnos_become_errors_of_the_protocol(void)
{
    static const struct {
        int status;
        uint32_t error;
    } rows[] = {
        {0, 0},
        {-EPERM, 1},
        {-EROFS, 1},
        {-EIO, 5},
        {-ENOMEM, 12},
        {-EINVAL, 22},
        {-ENOSPC, 28},
        {-EDQUOT, 28},
        {-EFBIG, 28},
        {-EOVERFLOW, 75},
        {-ENOTSUP, 95},
        {-EOPNOTSUPP, 95},
        {-ESHUTDOWN, 108},
        /* no word for these */
        {-EACCES, 5},
        {-ENOENT, 5},
        {-ETIMEDOUT, 5},
        {-ENODEV, 5},
        {-EAGAIN, 5},
        {EINVAL, 5},
        {1, 5},
        {INT_MIN, 5},
        {INT_MAX, 5},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(nbd_error(rows[i].status), rows[i].error);
}

static void no_status_but_0_is_success(void)
{
    for (int status = -5000; status <= 5000; status++)
        CU_ASSERT_EQUAL(nbd_error(status) == NBD_SUCCESS, status == 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a simple reply is 16 bytes", a_simple_reply_is_16_bytes},
        {"NONE is always done", none_is_always_done},
        {"data counts its offset", data_counts_its_offset},
        {"a hole is 12 bytes of payload", a_hole_is_12_bytes_of_payload},
        {"errors end their reply", errors_end_their_reply},
        {"block status counts its descriptors", block_status_counts_its_descriptors},
        {"the constants are what is written", the_constants_are_what_is_written},
        {"errnos become errors of the protocol", errnos_become_errors_of_the_protocol},
        {"no status but 0 is success", no_status_but_0_is_success},
    };

    return UNIT_RUN("nbd_reply", tests);
}
