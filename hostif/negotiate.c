/*
 * The handshake's machine.
 *
 *   GREETING -> CLIENT_FLAGS -> OPTION <-> PAYLOAD | DISCARD | LISTING
 *                                 |-> TRANSMISSION (EXPORT_NAME, GO)
 *   any of them -> CLOSED
 *
 * Invariants
 *  1. A phase consumes input only when all that it looks at has come, and writes only with room for
 *     ANSWER_BYTES_MAX. So input may come, and output may leave, in any portions: the answers are
 *     the same.
 *  2. An option's payload is consumed whole, or the phase is CLOSED: never read as the next option.
 */
#include "hostif/negotiate.h"

#include <assert.h>
#include <string.h>

#include "hostif/nbd_parse.h"
#include "hostif/nbd_wire.h"
#include "hostif/negotiate_options.h"

_Static_assert((int)NBD_EXPORT_BYTES + NBD_EXPORT_ZEROES_BYTES <= (int)ANSWER_BYTES_MAX,
               "EXPORT_NAME is answered at once");
_Static_assert((int)ANSWER_BYTES_MAX <= (int)NEGOTIATE_OUTPUT_BYTES, "what callers offer suffices");
_Static_assert((int)NEGOTIATE_INPUT_BYTES >= (int)NBD_OPTION_BYTES + (int)OPTION_BYTES_MAX,
               "and so does their input");

enum progress { WENT_ON, WANTS_INPUT, WANTS_ROOM, ENDED };

static enum progress greet(struct negotiate *negotiate, struct exchange *exchange)
{
    uint8_t *greeting;

    if (exchange->out_room < ANSWER_BYTES_MAX)
        return WANTS_ROOM;
    greeting = exchange_write(exchange, NBD_GREETING_BYTES);
    put_be64(greeting, NBD_GREETING_MAGIC);
    put_be64(greeting + 8, NBD_OPTION_MAGIC);
    put_be16(greeting + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    negotiate->phase = NEGOTIATE_CLIENT_FLAGS;
    return WENT_ON;
}

static enum progress read_client_flags(struct negotiate *negotiate, struct exchange *exchange)
{
    uint32_t flags;

    if (exchange->in_bytes < NBD_CLIENT_FLAGS_BYTES)
        return WANTS_INPUT;
    flags = get_be32(exchange_read(exchange, NBD_CLIENT_FLAGS_BYTES));
    negotiate->fixed_newstyle = flags & NBD_FLAG_C_FIXED_NEWSTYLE;
    negotiate->no_zeroes = flags & NBD_FLAG_C_NO_ZEROES;
    /* "Client flags": the server MUST drop the connection of one that sets others. */
    if (flags & ~(uint32_t)(NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES))
        negotiate->phase = NEGOTIATE_CLOSED;
    else
        negotiate->phase = NEGOTIATE_OPTION;
    return WENT_ON;
}

/* The phase in which an option's payload is dealt with; sets what that phase needs. */
static enum negotiate_phase phase_of_payload(struct negotiate *negotiate)
{
    const struct option_rule *const rule = option_rule_find(negotiate->option);

    if (++negotiate->options > HANDSHAKE_OPTIONS_MAX)
        return NEGOTIATE_CLOSED;
    /* "Option types": EXPORT_NAME "is the only valid option in nonfixed newstyle negotiation". */
    if (!negotiate->fixed_newstyle && negotiate->option != NBD_OPT_EXPORT_NAME)
        return NEGOTIATE_CLOSED;
    /* It replaces what was selected before, "including when this command fails": in any way. */
    if (negotiate->option == NBD_OPT_SET_META_CONTEXT)
        negotiate->selected_contexts = 0;

    if (rule && negotiate->option_bytes <= rule->payload_max_bytes)
        return NEGOTIATE_PAYLOAD;
    negotiate->discard_error = rule ? rule->beyond : NBD_REP_ERR_UNSUP;
    if (negotiate->discard_error == BEYOND_CLOSES ||
        negotiate->option_bytes > OPTION_DISCARD_BYTES_MAX)
        return NEGOTIATE_CLOSED;
    return NEGOTIATE_DISCARD;
}

static enum progress read_option(struct negotiate *negotiate, struct exchange *exchange)
{
    const uint8_t *header;

    /* A wrong magic is seen before the rest has come: it may never come. */
    if (exchange->in_bytes >= sizeof(uint64_t) && get_be64(exchange->in) != NBD_OPTION_MAGIC) {
        negotiate->phase = NEGOTIATE_CLOSED;
        return WENT_ON;
    }
    if (exchange->in_bytes < NBD_OPTION_BYTES)
        return WANTS_INPUT;
    header = exchange_read(exchange, NBD_OPTION_BYTES);
    negotiate->option = get_be32(header + 8);
    negotiate->option_bytes = get_be32(header + 12);
    negotiate->phase = phase_of_payload(negotiate);
    return WENT_ON;
}

static enum progress answer_option(struct negotiate *negotiate, struct exchange *exchange)
{
    const struct option_rule *const rule = option_rule_find(negotiate->option);
    struct payload payload = {.left_bytes = negotiate->option_bytes};

    assert(rule && negotiate->option_bytes <= rule->payload_max_bytes);
    if (exchange->in_bytes < negotiate->option_bytes)
        return WANTS_INPUT;
    if (exchange->out_room < ANSWER_BYTES_MAX)
        return WANTS_ROOM;
    payload.at = exchange_read(exchange, payload.left_bytes);
    negotiate->phase = NEGOTIATE_OPTION; /* unless the answer says otherwise */
    rule->answer(negotiate, payload, exchange);
    return WENT_ON;
}

static const char *text_of_refusal(uint32_t error)
{
    switch (error) {
    case NBD_REP_ERR_INVALID:
        return "takes no data";
    case NBD_REP_ERR_TOO_BIG:
        return "too much data";
    default:
        return "not supported";
    }
}

static enum progress discard(struct negotiate *negotiate, struct exchange *exchange)
{
    const size_t bytes =
        exchange->in_bytes < negotiate->option_bytes ? exchange->in_bytes : negotiate->option_bytes;

    exchange_read(exchange, bytes);
    negotiate->option_bytes -= (uint32_t)bytes;
    if (negotiate->option_bytes > 0)
        return WANTS_INPUT;
    if (negotiate->discard_error == BEYOND_IS_IGNORED) {
        negotiate->phase = NEGOTIATE_PAYLOAD; /* of which nothing is left */
        return WENT_ON;
    }
    if (exchange->out_room < ANSWER_BYTES_MAX)
        return WANTS_ROOM;
    option_put_error(negotiate, exchange, negotiate->discard_error,
                     text_of_refusal(negotiate->discard_error));
    negotiate->phase = NEGOTIATE_OPTION;
    return WENT_ON;
}

static enum progress list_one(struct negotiate *negotiate, struct exchange *exchange)
{
    if (exchange->out_room < ANSWER_BYTES_MAX)
        return WANTS_ROOM;
    if (!option_put_listed(negotiate, exchange)) {
        option_put_ack(negotiate, exchange);
        negotiate->phase = NEGOTIATE_OPTION;
    }
    return WENT_ON;
}

static enum progress advance(struct negotiate *negotiate, struct exchange *exchange)
{
    switch (negotiate->phase) {
    case NEGOTIATE_GREETING:
        return greet(negotiate, exchange);
    case NEGOTIATE_CLIENT_FLAGS:
        return read_client_flags(negotiate, exchange);
    case NEGOTIATE_OPTION:
        return read_option(negotiate, exchange);
    case NEGOTIATE_PAYLOAD:
        return answer_option(negotiate, exchange);
    case NEGOTIATE_DISCARD:
        return discard(negotiate, exchange);
    case NEGOTIATE_LISTING:
        return list_one(negotiate, exchange);
    case NEGOTIATE_TRANSMISSION:
    case NEGOTIATE_CLOSED:
        break;
    }
    return ENDED;
}

void negotiate_begin(struct negotiate *negotiate, const struct export_catalog *catalog)
{
    assert(negotiate);
    assert(catalog && catalog->find && catalog->next);

    memset(negotiate, 0, sizeof(*negotiate));
    negotiate->catalog = catalog;
    negotiate->phase = NEGOTIATE_GREETING;
}

bool negotiate_step(struct negotiate *negotiate, const uint8_t *in, size_t in_bytes,
                    size_t *ret_consumed, uint8_t *out, size_t out_room, size_t *ret_out_bytes)
{
    static const uint8_t nothing[1];
    struct exchange exchange = {in_bytes > 0 ? in : nothing, in_bytes, out, out_room};
    enum progress progress;

    assert(exchange.in); /* memcmp() and its like want a pointer for no bytes, too */
    assert(out || out_room == 0);

    do
        progress = advance(negotiate, &exchange);
    while (progress == WENT_ON);

    *ret_consumed = in_bytes - exchange.in_bytes;
    *ret_out_bytes = out_room - exchange.out_room;
    return progress == WANTS_ROOM;
}

void negotiate_agreed(const struct negotiate *negotiate, struct nbd_agreed *ret_agreed)
{
    assert(negotiate->phase == NEGOTIATE_TRANSMISSION);
    assert(negotiate->selected_contexts == 0 || negotiate->structured_replies);

    *ret_agreed = (struct nbd_agreed){
        .size_bytes = negotiate->info.size_bytes,
        .transmission_flags = negotiate->info.transmission_flags,
        .structured_replies = negotiate->structured_replies,
        .meta_contexts = negotiate->selected_contexts != 0,
    };
}
