/* Requests: what is read from the wire, and what is refused with which error. */
#include <errno.h>
#include <stdio.h>

#include "hostif/nbd_parse.h"
#include "shm/limits.h"
#include "tests/unit/unit.h"

#define EXPORT_BYTES (UINT64_C(1) << 40)

/* Everything that an export can advertise, but READ_ONLY. */
enum {
    ALL = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
          NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_DF | NBD_FLAG_CAN_MULTI_CONN |
          NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_FAST_ZERO,
};

static const struct nbd_agreed everything = {EXPORT_BYTES, ALL, true, true};
static const struct nbd_agreed simple = {EXPORT_BYTES, ALL & ~NBD_FLAG_SEND_DF, false, false};
static const struct nbd_agreed read_only = {EXPORT_BYTES, ALL | NBD_FLAG_READ_ONLY, true, true};
static const struct nbd_agreed plain = {EXPORT_BYTES, NBD_FLAG_HAS_FLAGS, true, false};
static const struct nbd_agreed plain_read_only = {
    EXPORT_BYTES, NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY, true, false};
/* DF advertised by mistake: without structured replies there is nothing that could be fragmented.
 */
static const struct nbd_agreed simple_with_df = {EXPORT_BYTES, ALL, false, false};
static const struct nbd_agreed largest = {UINT64_MAX, ALL, true, true};

struct check {
    const struct nbd_agreed *agreed;
    uint16_t type;
    uint16_t flags;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    int expected;
};

static void check_all(const struct check *checks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct check *const check = &checks[i];
        const struct nbd_request request = {
            .cookie = i,
            .offset_bytes = check->offset_bytes,
            .length_bytes = check->length_bytes,
            .type = check->type,
            .flags = check->flags,
        };
        const int got = nbd_request_check(&request, check->agreed);

        if (got != check->expected)
            printf("\n    row %zu: type %u flags %#x: got %d, expected %d\n", i, check->type,
                   check->flags, got, check->expected);
        CU_ASSERT_EQUAL(got, check->expected);
    }
}

#define CHECK_ALL(checks) check_all(checks, sizeof(checks) / sizeof((checks)[0]))

static const uint8_t wire[NBD_REQUEST_BYTES] = {
    0x25, 0x60, 0x95, 0x13,                         /* magic */
    0x80, 0x11,                                     /* flags */
    0x70, 0x06,                                     /* type */
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, /* cookie */
    0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, /* offset */
    0xfe, 0xdc, 0xba, 0x98,                         /* length */
};

static void fields_are_read_from_the_wire(void)
{
    struct nbd_request request = {0};

    CU_ASSERT_EQUAL(nbd_parse_request(wire, sizeof(wire), &request), NBD_PARSE_REQUEST);
    CU_ASSERT_EQUAL(request.flags, 0x8011);
    CU_ASSERT_EQUAL(request.type, 0x7006);
    CU_ASSERT_EQUAL(request.cookie, UINT64_C(0x0102030405060708));
    CU_ASSERT_EQUAL(request.offset_bytes, UINT64_C(0xf1f2f3f4f5f6f7f8));
    CU_ASSERT_EQUAL(request.length_bytes, UINT64_C(0xfedcba98));
}

static void a_partial_request_waits_for_more(void)
{
    struct nbd_request request = {.cookie = 77};

    for (size_t bytes = 0; bytes < sizeof(wire); bytes++)
        CU_ASSERT_EQUAL(nbd_parse_request(wire, bytes, &request), NBD_PARSE_MORE);
    CU_ASSERT_EQUAL(nbd_parse_request(NULL, 0, &request), NBD_PARSE_MORE);
    CU_ASSERT_EQUAL(request.cookie, 77); /* untouched */
}

static void a_wrong_magic_is_seen_at_once(void)
{
    struct nbd_request request = {.cookie = 77};
    uint8_t bad[NBD_REQUEST_BYTES];

    for (size_t bit = 0; bit < 32; bit++) {
        memcpy(bad, wire, sizeof(bad));
        bad[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CU_ASSERT_EQUAL(nbd_parse_request(bad, sizeof(bad), &request), NBD_PARSE_BAD_MAGIC);
        CU_ASSERT_EQUAL(nbd_parse_request(bad, 4, &request), NBD_PARSE_BAD_MAGIC);
        CU_ASSERT_EQUAL(nbd_parse_request(bad, 3, &request), NBD_PARSE_MORE);
    }
    put_be32(bad, 0x12560953); /* "Reserved Magic values": the historic one */
    CU_ASSERT_EQUAL(nbd_parse_request(bad, sizeof(bad), &request), NBD_PARSE_BAD_MAGIC);
    put_be32(bad, 0x21e41c71); /* of extended headers, which were not agreed */
    CU_ASSERT_EQUAL(nbd_parse_request(bad, sizeof(bad), &request), NBD_PARSE_BAD_MAGIC);
    CU_ASSERT_EQUAL(request.cookie, 77);
}

static void only_a_write_brings_payload(void)
{
    for (uint32_t type = 0; type <= UINT16_MAX; type++) {
        const struct nbd_request request = {.type = (uint16_t)type, .length_bytes = 0xffffffff};

        CU_ASSERT_EQUAL(nbd_request_payload_bytes(&request),
                        type == NBD_CMD_WRITE ? UINT64_C(0xffffffff) : 0);
    }
}

static void what_is_right_is_passed(void)
{
    static const struct check checks[] = {
        {&everything, NBD_CMD_READ, 0, 0, 4096, 0},
        {&everything, NBD_CMD_READ, NBD_CMD_FLAG_DF, 1, 3, 0},
        {&everything, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 511, 1, 0},
        {&everything, NBD_CMD_FLUSH, 0, 0, 0, 0},
        {&everything, NBD_CMD_TRIM, 0, 0, 4096, 0},
        {&everything, NBD_CMD_CACHE, 0, 0, 4096, 0},
        {&everything, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 0, 4096, 0},
        {&everything, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 4096, 0},
        {&everything, NBD_CMD_WRITE_ZEROES,
         NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, 0, 4096, 0},
        {&everything, NBD_CMD_BLOCK_STATUS, 0, 0, 4096, 0},
        {&everything, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, 0, 4096, 0},
        {&simple, NBD_CMD_READ, 0, 0, 4096, 0},
        {&plain, NBD_CMD_READ, 0, 0, 4096, 0},
        {&plain, NBD_CMD_WRITE, 0, 0, 4096, 0},
        {&read_only, NBD_CMD_READ, 0, 0, 4096, 0},
        {&read_only, NBD_CMD_FLUSH, 0, 0, 0, 0},
        {&read_only, NBD_CMD_CACHE, 0, 0, 4096, 0},
        {&read_only, NBD_CMD_BLOCK_STATUS, 0, 0, 4096, 0},
    };

    CHECK_ALL(checks);
}

static void past_the_end_is_enospc_or_einval(void)
{
    static const struct check checks[] = {
        /* the last byte is there, the next is not */
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES - 1, 1, 0},
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES - 1, 2, -EINVAL},
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES, 1, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, EXPORT_BYTES - 1, 1, 0},
        {&everything, NBD_CMD_WRITE, 0, EXPORT_BYTES - 1, 2, -ENOSPC},
        {&everything, NBD_CMD_WRITE, 0, EXPORT_BYTES, 1, -ENOSPC},
        {&everything, NBD_CMD_WRITE_ZEROES, 0, EXPORT_BYTES - 1, 2, -ENOSPC},
        {&everything, NBD_CMD_TRIM, 0, EXPORT_BYTES - 1, 2, -EINVAL},
        {&everything, NBD_CMD_CACHE, 0, EXPORT_BYTES - 1, 2, -EINVAL},
        {&everything, NBD_CMD_BLOCK_STATUS, 0, EXPORT_BYTES - 1, 2, -EINVAL},
        {&everything, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, EXPORT_BYTES, 1, -EINVAL},
        /* sums that wrap to something that would fit */
        {&everything, NBD_CMD_READ, 0, UINT64_MAX, 2, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, UINT64_MAX - 4095, 4096, -ENOSPC},
        {&everything, NBD_CMD_WRITE_ZEROES, 0, UINT64_MAX, 0xffffffff, -ENOSPC},
        {&everything, NBD_CMD_TRIM, 0, UINT64_MAX - 1, 0xffffffff, -EINVAL},
        {&everything, NBD_CMD_CACHE, 0, UINT64_MAX, 1, -EINVAL},
        {&everything, NBD_CMD_BLOCK_STATUS, 0, UINT64_MAX, 1, -EINVAL},
        {&largest, NBD_CMD_READ, 0, UINT64_MAX - 1, 1, 0},
        {&largest, NBD_CMD_READ, 0, UINT64_MAX - 1, 2, -EINVAL},
        /* a longer one past the end is told so first: no shorter one would do there */
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES, 0xffffffff, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, EXPORT_BYTES, 0xffffffff, -ENOSPC},
    };

    CHECK_ALL(checks);
}

static void nothing_changes_a_read_only_export(void)
{
    static const struct check checks[] = {
        {&read_only, NBD_CMD_WRITE, 0, 0, 4096, -EPERM},
        {&read_only, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, 4096, -EPERM},
        {&read_only, NBD_CMD_TRIM, 0, 0, 4096, -EPERM},
        {&read_only, NBD_CMD_WRITE_ZEROES, 0, 0, 4096, -EPERM},
        {&read_only, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 4096, -EPERM},
        /* however wrong the range is, or empty */
        {&read_only, NBD_CMD_WRITE, 0, EXPORT_BYTES, 1, -EPERM},
        {&read_only, NBD_CMD_WRITE, 0, 0, 0, -EPERM},
        {&read_only, NBD_CMD_WRITE, 0, 0, PAYLOAD_BYTES_MAX + 1, -EPERM},
        /* and though they are not advertised */
        {&plain_read_only, NBD_CMD_TRIM, 0, 0, 4096, -EPERM},
        {&plain_read_only, NBD_CMD_WRITE_ZEROES, 0, 0, 4096, -EPERM},
    };

    CHECK_ALL(checks);
}

static void an_unknown_command_is_einval(void)
{
    for (uint32_t type = NBD_CMD_BLOCK_STATUS + 1; type <= UINT16_MAX; type++) {
        const struct nbd_request request = {.type = (uint16_t)type, .length_bytes = 4096};

        CU_ASSERT_EQUAL(nbd_request_check(&request, &everything), -EINVAL);
        CU_ASSERT_EQUAL(nbd_request_check(&request, &read_only), -EINVAL);
    }
}

static void a_command_not_advertised_is_einval(void)
{
    static const struct check checks[] = {
        {&plain, NBD_CMD_FLUSH, 0, 0, 0, -EINVAL},
        {&plain, NBD_CMD_TRIM, 0, 0, 4096, -EINVAL},
        {&plain, NBD_CMD_WRITE_ZEROES, 0, 0, 4096, -EINVAL},
        {&plain, NBD_CMD_CACHE, 0, 0, 4096, -EINVAL},
        {&plain, NBD_CMD_BLOCK_STATUS, 0, 0, 4096, -EINVAL}, /* no context was selected */
        {&simple, NBD_CMD_BLOCK_STATUS, 0, 0, 4096, -EINVAL},
    };

    CHECK_ALL(checks);
}

/* Every flag bit with every command: exactly those that the text names are passed. */
static void flags_fit_their_command_or_are_einval(void)
{
    static const uint16_t fitting[] = {
        [NBD_CMD_READ] = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_DF,
        [NBD_CMD_WRITE] = NBD_CMD_FLAG_FUA,
        [NBD_CMD_DISC] = 0xffff, /* never answered, so never refused */
        [NBD_CMD_FLUSH] = NBD_CMD_FLAG_FUA,
        [NBD_CMD_TRIM] = NBD_CMD_FLAG_FUA,
        [NBD_CMD_CACHE] = NBD_CMD_FLAG_FUA,
        [NBD_CMD_WRITE_ZEROES] = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
        [NBD_CMD_BLOCK_STATUS] = NBD_CMD_FLAG_FUA | NBD_CMD_FLAG_REQ_ONE,
    };

    for (uint16_t type = 0; type <= NBD_CMD_BLOCK_STATUS; type++) {
        for (unsigned bit = 0; bit < 16; bit++) {
            const struct nbd_request request = {
                .type = type,
                .flags = (uint16_t)(1u << bit),
                .length_bytes = type == NBD_CMD_FLUSH ? 0 : 4096,
            };

            CU_ASSERT_EQUAL(nbd_request_check(&request, &everything),
                            fitting[type] & 1u << bit ? 0 : -EINVAL);
        }
    }
}

static void flags_not_agreed_are_einval(void)
{
    static const struct check checks[] = {
        {&plain, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, 4096, -EINVAL},
        {&plain, NBD_CMD_READ, NBD_CMD_FLAG_FUA, 0, 4096, -EINVAL},
        {&plain, NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 4096, -EINVAL},
        {&simple, NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 4096, -EINVAL},
        {&simple_with_df, NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 4096, -EINVAL},
    };
    const struct nbd_agreed no_fast_zero = {EXPORT_BYTES, ALL & ~NBD_FLAG_SEND_FAST_ZERO, true,
                                            true};
    const struct check fast_zero = {
        &no_fast_zero, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 4096, -EINVAL};
    const struct check no_hole = {
        &no_fast_zero, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_NO_HOLE, 0, 4096, 0};

    CHECK_ALL(checks);
    check_all(&fast_zero, 1);
    check_all(&no_hole, 1);
}

static void payload_is_limited_and_effects_are_not(void)
{
    static const struct check checks[] = {
        {&everything, NBD_CMD_READ, 0, 0, PAYLOAD_BYTES_MAX, 0},
        {&everything, NBD_CMD_READ, 0, 0, PAYLOAD_BYTES_MAX + 1, -EOVERFLOW},
        {&everything, NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, PAYLOAD_BYTES_MAX, 0},
        {&everything, NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 0xffffffff, -EOVERFLOW},
        {&simple, NBD_CMD_READ, 0, 0, PAYLOAD_BYTES_MAX, 0},
        {&simple, NBD_CMD_READ, 0, 0, PAYLOAD_BYTES_MAX + 1, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, 0, PAYLOAD_BYTES_MAX, 0},
        {&everything, NBD_CMD_WRITE, 0, 0, PAYLOAD_BYTES_MAX + 1, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, 0, 0xffffffff, -EINVAL},
        {&everything, NBD_CMD_WRITE_ZEROES, 0, 0, 0xffffffff, 0},
        {&everything, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, 0, 0xffffffff, 0},
        {&everything, NBD_CMD_TRIM, 0, 0, 0xffffffff, 0},
        {&everything, NBD_CMD_CACHE, 0, 0, 0xffffffff, 0},
        {&everything, NBD_CMD_BLOCK_STATUS, 0, 0, 0xffffffff, 0},
    };

    CHECK_ALL(checks);
}

static void length_zero_succeeds_but_for_block_status(void)
{
    static const struct check checks[] = {
        {&everything, NBD_CMD_READ, 0, 0, 0, 0},
        {&everything, NBD_CMD_WRITE, NBD_CMD_FLAG_FUA, 0, 0, 0},
        {&everything, NBD_CMD_TRIM, 0, 0, 0, 0},
        {&everything, NBD_CMD_CACHE, 0, 0, 0, 0},
        {&everything, NBD_CMD_WRITE_ZEROES, 0, 0, 0, 0},
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES, 0, 0}, /* nothing lies past the end */
        {&everything, NBD_CMD_READ, 0, EXPORT_BYTES + 1, 0, -EINVAL},
        {&everything, NBD_CMD_WRITE, 0, EXPORT_BYTES + 1, 0, -ENOSPC},
        {&everything, NBD_CMD_BLOCK_STATUS, 0, 0, 0, -EINVAL},
        {&everything, NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, 4096, 0, -EINVAL},
    };

    CHECK_ALL(checks);
}

static void a_flush_has_no_range(void)
{
    static const struct check checks[] = {
        {&everything, NBD_CMD_FLUSH, NBD_CMD_FLAG_FUA, 0, 0, 0},
        {&everything, NBD_CMD_FLUSH, 0, 1, 0, -EINVAL},
        {&everything, NBD_CMD_FLUSH, 0, 0, 1, -EINVAL},
        {&everything, NBD_CMD_FLUSH, 0, UINT64_MAX, 0, -EINVAL},
    };

    CHECK_ALL(checks);
}

static void a_disconnect_is_not_refused(void)
{
    static const struct check checks[] = {
        {&everything, NBD_CMD_DISC, 0, 0, 0, 0},
        {&plain_read_only, NBD_CMD_DISC, 0xffff, UINT64_MAX, 0xffffffff, 0},
    };

    CHECK_ALL(checks);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"fields are read from the wire", fields_are_read_from_the_wire},
        {"a partial request waits for more", a_partial_request_waits_for_more},
        {"a wrong magic is seen at once", a_wrong_magic_is_seen_at_once},
        {"only a write brings payload", only_a_write_brings_payload},
        {"what is right is passed", what_is_right_is_passed},
        {"past the end is ENOSPC or EINVAL", past_the_end_is_enospc_or_einval},
        {"nothing changes a read-only export", nothing_changes_a_read_only_export},
        {"an unknown command is EINVAL", an_unknown_command_is_einval},
        {"a command not advertised is EINVAL", a_command_not_advertised_is_einval},
        {"flags fit their command or are EINVAL", flags_fit_their_command_or_are_einval},
        {"flags not agreed are EINVAL", flags_not_agreed_are_einval},
        {"payload is limited and effects are not", payload_is_limited_and_effects_are_not},
        {"length 0 succeeds but for block status", length_zero_succeeds_but_for_block_status},
        {"a flush has no range", a_flush_has_no_range},
        {"a disconnect is not refused", a_disconnect_is_not_refused},
    };

    return UNIT_RUN("nbd_parse", tests);
}
