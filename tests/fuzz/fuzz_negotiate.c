/*
 * Whatever a host says in its handshake: the same is answered however it is cut into portions, what
 * is answered is well-formed, and transmission begins only as it may.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "hostif/nbd_parse.h"
#include "hostif/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct export_info exports[] = {
    {1 << 20, 1, "vol0", "the first", NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_WRITE_ZEROES},
    {UINT64_MAX, 2, "vol1", "", NBD_FLAG_SEND_DF | NBD_FLAG_READ_ONLY},
};

enum { EXPORTS = sizeof(exports) / sizeof(exports[0]) };

static int find(void *context, const char *name, size_t name_bytes, struct export_info *ret_info)
{
    (void)context;
    assert(!memchr(name, '\0', name_bytes));
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
    (void)context;
    if (*cursor >= EXPORTS)
        return -ENOENT;
    *ret_info = exports[(*cursor)++];
    return 0;
}

static const struct export_catalog catalog = {NULL, find, next};

struct outcome {
    struct negotiate negotiate;
    uint8_t *told;
    size_t told_bytes;
    size_t consumed_bytes;
};

static void tell(struct outcome *outcome, const uint8_t *out, size_t bytes)
{
    if (bytes == 0)
        return;
    outcome->told = realloc(outcome->told, outcome->told_bytes + bytes);
    assert(outcome->told);
    memcpy(outcome->told + outcome->told_bytes, out, bytes);
    outcome->told_bytes += bytes;
}

static bool is_over(const struct outcome *outcome)
{
    return outcome->negotiate.phase == NEGOTIATE_TRANSMISSION ||
           outcome->negotiate.phase == NEGOTIATE_CLOSED;
}

/* How a handshake is held. */
struct manner {
    size_t portion_bytes;
    uint8_t *out;
    size_t room_bytes;
};

/* Steps until nothing more happens with the first `given` bytes. */
static void step(struct outcome *outcome, const uint8_t *data, size_t given,
                 const struct manner *manner)
{
    unsigned idle = 0;

    while (idle < 2) { /* asked once more than needed, it does nothing */
        const size_t in_bytes = given - outcome->consumed_bytes;
        size_t consumed = SIZE_MAX;
        size_t out_bytes = SIZE_MAX;
        const bool again =
            negotiate_step(&outcome->negotiate, in_bytes ? data + outcome->consumed_bytes : NULL,
                           in_bytes, &consumed, manner->out, manner->room_bytes, &out_bytes);

        assert(consumed <= in_bytes);
        assert(out_bytes <= manner->room_bytes);
        assert(!again || consumed > 0 || out_bytes > 0); /* it goes on */
        assert(!again || !is_over(outcome));
        assert(idle == 0 || (!again && consumed == 0 && out_bytes == 0));
        outcome->consumed_bytes += consumed;
        tell(outcome, manner->out, out_bytes);
        idle += !again;
    }
    /* What waits is never more than a caller has room for. */
    assert(is_over(outcome) || given - outcome->consumed_bytes < NEGOTIATE_INPUT_BYTES);
}

static void hold(struct outcome *outcome, const uint8_t *data, size_t size,
                 const struct manner *manner)
{
    memset(outcome, 0, sizeof(*outcome));
    negotiate_begin(&outcome->negotiate, &catalog);
    step(outcome, data, 0, manner);
    for (size_t given = 0; given < size && !is_over(outcome);) {
        given += size - given < manner->portion_bytes ? size - given : manner->portion_bytes;
        step(outcome, data, given, manner);
    }
}

/* Greeting, then whole option replies; after them EXPORT_NAME's answer, if that was the way. */
static void check_told(const struct outcome *outcome)
{
    const uint8_t *at = outcome->told;
    size_t left = outcome->told_bytes;

    assert(left >= NBD_GREETING_BYTES && get_be64(at) == NBD_GREETING_MAGIC);
    at += NBD_GREETING_BYTES;
    left -= NBD_GREETING_BYTES;
    while (left >= NBD_OPTION_REPLY_BYTES && get_be64(at) == NBD_OPTION_REPLY_MAGIC) {
        const uint32_t type = get_be32(at + 12);
        const size_t bytes = NBD_OPTION_REPLY_BYTES + (size_t)get_be32(at + 16);

        assert(type <= NBD_REP_META_CONTEXT || type >= NBD_REP_ERR_UNSUP);
        assert(type != NBD_REP_ACK || bytes == NBD_OPTION_REPLY_BYTES);
        assert(bytes <= left);
        at += bytes;
        left -= bytes;
    }
    if (outcome->negotiate.phase == NEGOTIATE_TRANSMISSION &&
        outcome->negotiate.option == NBD_OPT_EXPORT_NAME)
        assert(left == NBD_EXPORT_BYTES + (outcome->negotiate.no_zeroes ? 0 : 124));
    else
        assert(left == 0);
}

static void check_transmission(const struct negotiate *negotiate)
{
    struct nbd_agreed agreed;

    assert(negotiate->option == NBD_OPT_EXPORT_NAME || negotiate->option == NBD_OPT_GO);
    assert(negotiate->fixed_newstyle || negotiate->option == NBD_OPT_EXPORT_NAME);
    assert(negotiate->info.volume == 1 || negotiate->info.volume == 2);
    negotiate_agreed(negotiate, &agreed);
    assert(agreed.transmission_flags & NBD_FLAG_HAS_FLAGS);
    assert(!!(agreed.transmission_flags & NBD_FLAG_SEND_DF) == agreed.structured_replies);
    assert(!agreed.meta_contexts || agreed.structured_replies);
    if (agreed.meta_contexts && negotiate->contexts_export[0])
        assert(strcmp(negotiate->contexts_export, negotiate->info.name) == 0);
}

static void check_same(const struct outcome *one, const struct outcome *other)
{
    assert(one->negotiate.phase == other->negotiate.phase);
    assert(one->consumed_bytes == other->consumed_bytes);
    assert(one->told_bytes == other->told_bytes);
    assert(memcmp(one->told, other->told, one->told_bytes) == 0);
    assert(one->negotiate.structured_replies == other->negotiate.structured_replies);
    assert(one->negotiate.selected_contexts == other->negotiate.selected_contexts);
    assert(one->negotiate.options == other->negotiate.options);
    assert(one->negotiate.option == other->negotiate.option);
    assert(one->negotiate.info.volume == other->negotiate.info.volume);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Arrays of their own, so that the sanitizer watches the end of each. */
    static uint8_t much[1 << 20];
    static uint8_t least[NEGOTIATE_OUTPUT_BYTES];
    static const struct manner with_ease = {SIZE_MAX, much, sizeof(much)};
    static const struct manner with_pain = {1, least, sizeof(least)};
    static struct outcome at_once;
    static struct outcome bytewise;

    hold(&at_once, data, size, &with_ease);
    hold(&bytewise, data, size, &with_pain);
    check_same(&at_once, &bytewise);
    check_told(&at_once);
    if (at_once.negotiate.phase == NEGOTIATE_TRANSMISSION)
        check_transmission(&at_once.negotiate);
    else if (at_once.negotiate.phase != NEGOTIATE_CLOSED)
        assert(at_once.negotiate.phase != NEGOTIATE_LISTING); /* a list never waits for input */
    free(at_once.told);
    free(bytewise.told);
    return 0;
}
