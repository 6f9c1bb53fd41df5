#include "tests/unit/talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>

/* --- bytes --- */

struct bytes said;
struct bytes expected;

void append(struct bytes *bytes, const void *more, size_t length)
{
    if (bytes->length + length > bytes->room) {
        bytes->room = 2 * (bytes->length + length);
        bytes->at = realloc(bytes->at, bytes->room);
        if (!bytes->at)
            abort();
    }
    if (length > 0)
        memcpy(bytes->at + bytes->length, more, length);
    bytes->length += length;
}

void append_fill(struct bytes *bytes, uint8_t byte, size_t length)
{
    uint8_t *const fill = malloc(length + 1);

    if (!fill)
        abort();
    memset(fill, byte, length);
    append(bytes, fill, length);
    free(fill);
}

static void append_be16(struct bytes *bytes, uint16_t value)
{
    uint8_t wire[2];

    put_be16(wire, value);
    append(bytes, wire, sizeof(wire));
}

void append_be32(struct bytes *bytes, uint32_t value)
{
    uint8_t wire[4];

    put_be32(wire, value);
    append(bytes, wire, sizeof(wire));
}

void append_be64(struct bytes *bytes, uint64_t value)
{
    uint8_t wire[8];

    put_be64(wire, value);
    append(bytes, wire, sizeof(wire));
}

void append_text(struct bytes *bytes, const char *text)
{
    append(bytes, text, strlen(text));
}

/* --- the exports that there are --- */

_Static_assert(sizeof(LONGEST_NAME) - 1 == NAME_BYTES_MAX, "it is");
_Static_assert(sizeof(LONGEST_DESCRIPTION) == sizeof(((struct export_info *)0)->description),
               "it is");

static const struct export_info exports[] = {
    {1 << 30, 7, "vol0", "the first", FLAGS},
    {UINT64_C(5) << 40, 8, "vol1", "", FLAGS | NBD_FLAG_READ_ONLY},
    /* what a catalog may get wrong: HAS_FLAGS missing, SEND_DF unasked */
    {512, 9, LONGEST_NAME, LONGEST_DESCRIPTION, NBD_FLAG_SEND_DF},
};

enum { EXPORTS = sizeof(exports) / sizeof(exports[0]) };

unsigned finds;

static int find(void *context, const char *name, size_t name_bytes, struct export_info *ret_info)
{
    CU_ASSERT_PTR_EQUAL(context, &finds);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    finds++;
    for (size_t i = 0; i < EXPORTS; i++) {
        if (name_bytes == 0 || (name_bytes == strlen(exports[i].name) &&
                                memcmp(name, exports[i].name, name_bytes) == 0)) {
            *ret_info = exports[i];
            return 0;
        }
    }
    return -ENOENT;
}

static int next(void *context, uint64_t *cursor, struct export_info *ret_info)
{
    CU_ASSERT_PTR_EQUAL(context, &finds);
    if (*cursor >= EXPORTS)
        return -ENOENT;
    *ret_info = exports[(*cursor)++];
    return 0;
}

const struct export_catalog catalog = {&finds, find, next};

void many_name(uint64_t number, char name[NAME_BYTES_MAX + 1])
{
    snprintf(name, NAME_BYTES_MAX + 1, "volume-%06u", (unsigned)number);
}

static int next_of_many(void *context, uint64_t *cursor, struct export_info *ret_info)
{
    (void)context;
    if (*cursor >= MANY)
        return -ENOENT;
    *ret_info = exports[0];
    many_name((*cursor)++, ret_info->name);
    return 0;
}

const struct export_catalog many = {&finds, find, next_of_many};

/* --- what the host says --- */

void say_flags(uint32_t flags)
{
    append_be32(&said, flags);
}

void say_option_head(uint32_t option, size_t payload_bytes)
{
    append_be64(&said, NBD_OPTION_MAGIC);
    append_be32(&said, option);
    append_be32(&said, (uint32_t)payload_bytes);
}

void say_option(uint32_t option)
{
    say_option_head(option, 0);
}

void say_option_text(uint32_t option, const char *payload)
{
    say_option_head(option, strlen(payload));
    append_text(&said, payload);
}

void say_info(uint32_t option, const char *name, size_t requests, const uint16_t *request)
{
    say_option_head(option, 4 + strlen(name) + 2 + 2 * requests);
    append_be32(&said, (uint32_t)strlen(name));
    append_text(&said, name);
    append_be16(&said, (uint16_t)requests);
    for (size_t i = 0; i < requests; i++)
        append_be16(&said, request[i]);
}

void say_go(const char *name)
{
    say_info(NBD_OPT_GO, name, 0, NULL);
}

void say_contexts(uint32_t option, const char *name, const char *const *queries)
{
    size_t bytes = 4 + strlen(name) + 4;
    uint32_t count = 0;

    for (; queries[count]; count++)
        bytes += 4 + strlen(queries[count]);
    say_option_head(option, bytes);
    append_be32(&said, (uint32_t)strlen(name));
    append_text(&said, name);
    append_be32(&said, count);
    for (uint32_t i = 0; i < count; i++) {
        append_be32(&said, (uint32_t)strlen(queries[i]));
        append_text(&said, queries[i]);
    }
}

/* --- what it has to be told --- */

static void expect_reply_head(uint32_t option, uint32_t type, size_t payload_bytes)
{
    append_be64(&expected, UINT64_C(0x3e889045565a9));
    append_be32(&expected, option);
    append_be32(&expected, type);
    append_be32(&expected, (uint32_t)payload_bytes);
}

void expect_ack(uint32_t option)
{
    expect_reply_head(option, 1, 0);
}

void expect_error(uint32_t option, uint32_t error, const char *text)
{
    expect_reply_head(option, error, strlen(text));
    append_text(&expected, text);
}

void expect_server(const char *name, const char *description)
{
    expect_reply_head(NBD_OPT_LIST, 2, 4 + strlen(name) + strlen(description));
    append_be32(&expected, (uint32_t)strlen(name));
    append_text(&expected, name);
    append_text(&expected, description);
}

void expect_info_export(uint32_t option, uint64_t size_bytes, unsigned flags)
{
    expect_reply_head(option, 3, 12);
    append_be16(&expected, 0);
    append_be64(&expected, size_bytes);
    append_be16(&expected, (uint16_t)flags);
}

void expect_info_text(uint32_t option, uint16_t item, const char *text)
{
    expect_reply_head(option, 3, 2 + strlen(text));
    append_be16(&expected, item);
    append_text(&expected, text);
}

void expect_info_block_size(uint32_t option)
{
    expect_reply_head(option, 3, 14);
    append_be16(&expected, 3);
    append_be32(&expected, 1);
    append_be32(&expected, 4096);
    append_be32(&expected, 32 << 20);
}

void expect_context(uint32_t option, uint32_t id, const char *name)
{
    expect_reply_head(option, 4, 4 + strlen(name));
    append_be32(&expected, id);
    append_text(&expected, name);
}

void expect_export(uint64_t size_bytes, unsigned flags, bool zeroes)
{
    append_be64(&expected, size_bytes);
    append_be16(&expected, (uint16_t)flags);
    append_fill(&expected, 0, zeroes ? 124 : 0);
}

void begin(uint32_t client_flags)
{
    said.length = 0;
    expected.length = 0;
    say_flags(client_flags);
    append_text(&expected, "NBDMAGICIHAVEOPT");
    append_be16(&expected, 3);
}

void begin_fixed(void)
{
    begin(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES);
}

void begin_structured(void)
{
    begin_fixed();
    say_option(NBD_OPT_STRUCTURED_REPLY);
    expect_ack(NBD_OPT_STRUCTURED_REPLY);
}

/* --- holding it --- */

void hold(const struct export_catalog *exported, size_t portion_bytes, size_t room_bytes,
          struct outcome *outcome)
{
    /* No larger than needed: a sanitizer sees what is read behind its end. */
    const size_t in_room =
        said.length < NEGOTIATE_INPUT_BYTES ? said.length : (size_t)NEGOTIATE_INPUT_BYTES;
    uint8_t *const in = malloc(in_room + !in_room);
    uint8_t *const out = malloc(room_bytes);
    size_t in_bytes = 0;
    size_t given = 0;
    bool again = true;

    outcome->told.length = 0;
    outcome->consumed = 0;
    negotiate_begin(&outcome->negotiate, exported);
    for (;;) {
        size_t consumed;
        size_t out_bytes;

        again = negotiate_step(&outcome->negotiate, in_bytes ? in : NULL, in_bytes, &consumed, out,
                               room_bytes, &out_bytes);
        CU_ASSERT_FATAL(consumed <= in_bytes && out_bytes <= room_bytes);
        CU_ASSERT_FATAL(!again || consumed > 0 || out_bytes > 0);
        append(&outcome->told, out, out_bytes);
        memmove(in, in + consumed, in_bytes - consumed);
        in_bytes -= consumed;
        outcome->consumed += consumed;
        if (again)
            continue;
        if (outcome->negotiate.phase >= NEGOTIATE_TRANSMISSION || given == said.length)
            break;

        size_t more = said.length - given < portion_bytes ? said.length - given : portion_bytes;

        CU_ASSERT_FATAL(in_bytes < in_room); /* or it would wait for ever */
        more = more < in_room - in_bytes ? more : in_room - in_bytes;
        memcpy(in + in_bytes, said.at + given, more);
        in_bytes += more;
        given += more;
    }
    free(out);
    free(in);
}

static void check_told(const struct outcome *outcome, enum negotiate_phase phase, size_t left_over)
{
    const bool same = outcome->told.length == expected.length &&
                      memcmp(outcome->told.at, expected.at, expected.length) == 0;

    if (!same) {
        printf("\n    told %zu bytes instead of %zu:", outcome->told.length, expected.length);
        for (size_t i = 0; i < outcome->told.length && i < 400; i++)
            printf("%s%02x", i % 32 ? " " : "\n    ", outcome->told.at[i]);
        printf("\n");
    }
    CU_ASSERT(same);
    CU_ASSERT_EQUAL(outcome->negotiate.phase, phase);
    CU_ASSERT_EQUAL(outcome->consumed, said.length - left_over);
}

const struct negotiate *check_portions(const struct export_catalog *exported,
                                       enum negotiate_phase phase, size_t left_over,
                                       size_t least_portion_bytes)
{
    static const size_t rooms[] = {NEGOTIATE_OUTPUT_BYTES, NEGOTIATE_OUTPUT_BYTES + 1, 1 << 20};
    static struct outcome outcome;

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        hold(exported, SIZE_MAX, rooms[i], &outcome);
        check_told(&outcome, phase, left_over);
        hold(exported, least_portion_bytes, rooms[i], &outcome);
        check_told(&outcome, phase, left_over);
    }
    hold(exported, least_portion_bytes + 6, rooms[0], &outcome);
    check_told(&outcome, phase, left_over);
    return &outcome.negotiate;
}

const struct negotiate *check(enum negotiate_phase phase)
{
    return check_portions(&catalog, phase, 0, 1);
}

const struct negotiate *check_goes_on(void)
{
    say_option(NBD_OPT_ABORT);
    expect_ack(NBD_OPT_ABORT);
    return check(NEGOTIATE_CLOSED);
}
