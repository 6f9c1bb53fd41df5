/*
 * An option is checked whole before the first byte of its answer is written.
 */
#include "hostif/negotiate_options.h"

#include <assert.h>
#include <string.h>

struct text {
    const char *at; /* points into the payload; not terminated */
    size_t bytes;
};

static const struct {
    uint32_t bit;
    uint32_t id; /* on the wire: the bit's number + 1 */
    const char *name_space;
    const char *name;
} contexts[] = {
    {CONTEXT_BASE_ALLOCATION, CONTEXT_ID_ALLOCATION, "base:", "base:allocation"},
    {CONTEXT_ANYPORT_LOCATION, CONTEXT_ID_LOCATION, "anyport:", "anyport:location"},
};

enum { CONTEXTS = sizeof(contexts) / sizeof(contexts[0]) };

/* Longest answers: all items of INFO with the ACK, and what is written piece by piece. */
enum {
    INFO_ITEM_BYTES = NBD_OPTION_REPLY_BYTES + 2,
    INFO_BYTES_MAX = INFO_ITEM_BYTES + NBD_EXPORT_BYTES + INFO_ITEM_BYTES + NAME_BYTES_MAX +
                     INFO_ITEM_BYTES + DESCRIPTION_BYTES_MAX + INFO_ITEM_BYTES + 12 +
                     NBD_OPTION_REPLY_BYTES,
    SERVER_BYTES_MAX = NBD_OPTION_REPLY_BYTES + 4 + NAME_BYTES_MAX + DESCRIPTION_BYTES_MAX,
};

_Static_assert((int)INFO_BYTES_MAX <= (int)ANSWER_BYTES_MAX, "INFO is answered at once");
_Static_assert((int)SERVER_BYTES_MAX <= (int)ANSWER_BYTES_MAX, "one export is listed at once");

/* --- input --- */

static bool read_be16(struct payload *payload, uint16_t *ret)
{
    if (payload->left_bytes < sizeof(*ret))
        return false;
    *ret = get_be16(payload->at);
    payload->at += sizeof(*ret);
    payload->left_bytes -= sizeof(*ret);
    return true;
}

static bool read_be32(struct payload *payload, uint32_t *ret)
{
    if (payload->left_bytes < sizeof(*ret))
        return false;
    *ret = get_be32(payload->at);
    payload->at += sizeof(*ret);
    payload->left_bytes -= sizeof(*ret);
    return true;
}

/* A string behind its length. */
static bool read_text(struct payload *payload, struct text *ret)
{
    uint32_t bytes;

    if (!read_be32(payload, &bytes) || bytes > payload->left_bytes)
        return false;
    *ret = (struct text){(const char *)payload->at, bytes};
    payload->at += bytes;
    payload->left_bytes -= bytes;
    return true;
}

/* "Conventions": a string MUST be no longer than 4096 bytes and MUST NOT contain NUL. */
static bool is_export_name(struct text name)
{
    return name.bytes <= EXPORT_NAME_BYTES_MAX && !memchr(name.at, '\0', name.bytes);
}

static bool text_is(struct text text, const char *word)
{
    return text.bytes == strlen(word) && memcmp(text.at, word, text.bytes) == 0;
}

/* --- output --- */

const uint8_t *exchange_read(struct exchange *exchange, size_t bytes)
{
    const uint8_t *const consumed = exchange->in;

    assert(bytes <= exchange->in_bytes);
    exchange->in += bytes;
    exchange->in_bytes -= bytes;
    return consumed;
}

uint8_t *exchange_write(struct exchange *exchange, size_t bytes)
{
    uint8_t *const room = exchange->out;

    assert(bytes <= exchange->out_room);
    exchange->out += bytes;
    exchange->out_room -= bytes;
    return room;
}

/* Writes an option reply's header; returns where its payload is to be written. */
static uint8_t *put_reply(const struct negotiate *negotiate, struct exchange *exchange,
                          uint32_t type, size_t payload_bytes)
{
    uint8_t *const reply = exchange_write(exchange, NBD_OPTION_REPLY_BYTES + payload_bytes);

    put_be64(reply, NBD_OPTION_REPLY_MAGIC);
    put_be32(reply + 8, negotiate->option);
    put_be32(reply + 12, type);
    put_be32(reply + 16, (uint32_t)payload_bytes);
    return reply + NBD_OPTION_REPLY_BYTES;
}

void option_put_ack(const struct negotiate *negotiate, struct exchange *exchange)
{
    put_reply(negotiate, exchange, NBD_REP_ACK, 0);
}

/* "Option reply types": any error may carry a text. */
void option_put_error(const struct negotiate *negotiate, struct exchange *exchange, uint32_t error,
                      const char *what)
{
    const struct option_rule *const rule = option_rule_find(negotiate->option);
    const char *const name = rule ? rule->name : "option";
    const size_t name_bytes = strlen(name);
    const size_t what_bytes = strlen(what);
    uint8_t *const text = put_reply(negotiate, exchange, error, name_bytes + 2 + what_bytes);

    memcpy(text, name, name_bytes);
    memcpy(text + name_bytes, ": ", 2);
    memcpy(text + name_bytes + 2, what, what_bytes);
}

/* --- exports --- */

static size_t name_bytes_of(const struct export_info *info)
{
    return strnlen(info->name, NAME_BYTES_MAX);
}

static size_t description_bytes_of(const struct export_info *info)
{
    return strnlen(info->description, DESCRIPTION_BYTES_MAX);
}

/* Looks an export up, and makes its transmission flags those that this connection is shown. */
static bool find_export(const struct negotiate *negotiate, struct text name,
                        struct export_info *ret_info)
{
    const struct export_catalog *const catalog = negotiate->catalog;
    unsigned flags;

    if (catalog->find(catalog->context, name.at, name.bytes, ret_info) != 0)
        return false;

    /* "Transmission flags": HAS_FLAGS MUST be 1; DF MUST be clear without structured replies, and
     * FAST_ZERO without WRITE_ZEROES. */
    flags = ret_info->transmission_flags | NBD_FLAG_HAS_FLAGS;
    assert(!(flags & NBD_FLAG_SEND_FAST_ZERO) || (flags & NBD_FLAG_SEND_WRITE_ZEROES));
    if (negotiate->structured_replies)
        flags |= NBD_FLAG_SEND_DF;
    else
        flags &= ~(unsigned)NBD_FLAG_SEND_DF;
    ret_info->transmission_flags = (uint16_t)flags;
    return true;
}

static void put_export(uint8_t *out, const struct export_info *info)
{
    put_be64(out, info->size_bytes);
    put_be16(out + 8, info->transmission_flags);
}

static void enter_transmission(struct negotiate *negotiate, struct text name,
                               const struct export_info *info)
{
    /* "SET_META_CONTEXT": it counts only if it named the export that is chosen now. */
    if (!text_is(name, negotiate->contexts_export))
        negotiate->selected_contexts = 0;
    negotiate->info = *info;
    negotiate->phase = NEGOTIATE_TRANSMISSION;
}

/* --- options --- */

static void answer_export_name(struct negotiate *negotiate, struct payload payload,
                               struct exchange *exchange)
{
    const struct text name = {(const char *)payload.at, payload.left_bytes};
    const size_t zeroes = negotiate->no_zeroes ? 0 : NBD_EXPORT_ZEROES_BYTES;
    struct export_info info;
    uint8_t *reply;

    if (!is_export_name(name) || !find_export(negotiate, name, &info)) {
        negotiate->phase = NEGOTIATE_CLOSED; /* the one option whose answer cannot be an error */
        return;
    }

    reply = exchange_write(exchange, NBD_EXPORT_BYTES + zeroes);
    put_export(reply, &info);
    memset(reply + NBD_EXPORT_BYTES, 0, zeroes);
    enter_transmission(negotiate, name, &info);
}

static void answer_abort(struct negotiate *negotiate, struct payload payload,
                         struct exchange *exchange)
{
    (void)payload;
    option_put_ack(negotiate, exchange);
    negotiate->phase = NEGOTIATE_CLOSED;
}

static void answer_list(struct negotiate *negotiate, struct payload payload,
                        struct exchange *exchange)
{
    (void)payload;
    (void)exchange;
    negotiate->list_cursor = 0;
    negotiate->phase = NEGOTIATE_LISTING;
}

static void answer_structured_reply(struct negotiate *negotiate, struct payload payload,
                                    struct exchange *exchange)
{
    (void)payload;
    negotiate->structured_replies = true;
    option_put_ack(negotiate, exchange);
}

/* INFO and GO: length of name, name, number of requests, requests. *ret_wanted has bit N set when
 * information N is requested; what is not known here is not in it, as the host may ask anything. */
static bool read_info(struct payload payload, struct text *ret_name, uint32_t *ret_wanted)
{
    uint32_t wanted = 0;
    struct text name;
    uint16_t requests;
    uint16_t request;

    if (!read_text(&payload, &name) || !is_export_name(name) || !read_be16(&payload, &requests) ||
        payload.left_bytes != requests * sizeof(request))
        return false;
    while (read_be16(&payload, &request)) {
        if (request <= NBD_INFO_BLOCK_SIZE)
            wanted |= UINT32_C(1) << request;
    }
    *ret_name = name;
    *ret_wanted = wanted;
    return true;
}

/* Writes the head of one information item; returns where the rest of it is to be written. */
static uint8_t *put_info(const struct negotiate *negotiate, struct exchange *exchange,
                         uint16_t item, size_t item_bytes)
{
    uint8_t *const reply = put_reply(negotiate, exchange, NBD_REP_INFO, 2 + item_bytes);

    put_be16(reply, item);
    return reply + 2;
}

static void put_block_sizes(uint8_t *out)
{
    put_be32(out, 1); /* any alignment is accepted */
    put_be32(out + 4, BLOCK_BYTES);
    put_be32(out + 8, PAYLOAD_BYTES_MAX);
}

static void answer_info(struct negotiate *negotiate, struct payload payload,
                        struct exchange *exchange)
{
    struct export_info info;
    struct text name;
    uint32_t wanted;
    size_t bytes;

    if (!read_info(payload, &name, &wanted)) {
        option_put_error(negotiate, exchange, NBD_REP_ERR_INVALID, "malformed data");
        return;
    }
    if (!find_export(negotiate, name, &info)) {
        option_put_error(negotiate, exchange, NBD_REP_ERR_UNKNOWN, "no such export");
        return;
    }

    put_export(put_info(negotiate, exchange, NBD_INFO_EXPORT, NBD_EXPORT_BYTES), &info);
    bytes = name_bytes_of(&info);
    if (wanted & 1 << NBD_INFO_NAME)
        memcpy(put_info(negotiate, exchange, NBD_INFO_NAME, bytes), info.name, bytes);
    bytes = description_bytes_of(&info);
    if (wanted & 1 << NBD_INFO_DESCRIPTION && bytes > 0)
        memcpy(put_info(negotiate, exchange, NBD_INFO_DESCRIPTION, bytes), info.description, bytes);
    if (wanted & 1 << NBD_INFO_BLOCK_SIZE)
        put_block_sizes(put_info(negotiate, exchange, NBD_INFO_BLOCK_SIZE, 12));
    option_put_ack(negotiate, exchange);
    if (negotiate->option == NBD_OPT_GO)
        enter_transmission(negotiate, name, &info);
}

/* The contexts that one query means: the one that it names; the empty leaf-name is a wildcard, but
 * only for listing. Unknown names and namespaces mean none, and are no error. */
static uint32_t contexts_of_query(struct text query, bool listing)
{
    uint32_t found = 0;

    for (size_t i = 0; i < CONTEXTS; i++) {
        if (text_is(query, contexts[i].name) || (listing && text_is(query, contexts[i].name_space)))
            found |= contexts[i].bit;
    }
    return found;
}

/* LIST_ and SET_META_CONTEXT: export's name behind its length, number of queries, queries. */
static bool read_queries(struct payload payload, bool listing, struct text *ret_name,
                         uint32_t *ret_contexts)
{
    uint32_t found = 0;
    struct text name;
    struct text query;
    uint32_t queries;

    if (!read_text(&payload, &name) || !is_export_name(name) || !read_be32(&payload, &queries))
        return false;
    if (queries == 0 && listing)
        found = CONTEXT_BASE_ALLOCATION | CONTEXT_ANYPORT_LOCATION;
    for (uint32_t i = 0; i < queries; i++) { /* ends with the payload, whatever `queries` claims */
        if (!read_text(&payload, &query))
            return false;
        found |= contexts_of_query(query, listing);
    }
    if (payload.left_bytes > 0)
        return false;
    *ret_name = name;
    *ret_contexts = found;
    return true;
}

static void put_contexts(const struct negotiate *negotiate, struct exchange *exchange, uint32_t set,
                         bool listing)
{
    for (size_t i = 0; i < CONTEXTS; i++) {
        const size_t bytes = strlen(contexts[i].name);
        uint8_t *reply;

        if (!(set & contexts[i].bit))
            continue;
        reply = put_reply(negotiate, exchange, NBD_REP_META_CONTEXT, 4 + bytes);
        put_be32(reply, listing ? 0 : contexts[i].id); /* reserved when listing */
        memcpy(reply + 4, contexts[i].name, bytes);
    }
    option_put_ack(negotiate, exchange);
}

static void answer_meta_context(struct negotiate *negotiate, struct payload payload,
                                struct exchange *exchange)
{
    const bool listing = negotiate->option == NBD_OPT_LIST_META_CONTEXT;
    struct export_info info;
    struct text name;
    uint32_t found;

    if (!listing && !negotiate->structured_replies) {
        option_put_error(negotiate, exchange, NBD_REP_ERR_INVALID,
                         "needs structured replies first");
        return;
    }
    if (!read_queries(payload, listing, &name, &found)) {
        option_put_error(negotiate, exchange, NBD_REP_ERR_INVALID, "malformed data");
        return;
    }
    if (!find_export(negotiate, name, &info)) {
        option_put_error(negotiate, exchange, NBD_REP_ERR_UNKNOWN, "no such export");
        return;
    }

    if (!listing) {
        memcpy(negotiate->contexts_export, name.at, name.bytes);
        negotiate->contexts_export[name.bytes] = '\0';
        negotiate->selected_contexts = found;
    }
    put_contexts(negotiate, exchange, found, listing);
}

bool option_put_listed(struct negotiate *negotiate, struct exchange *exchange)
{
    const struct export_catalog *const catalog = negotiate->catalog;
    struct export_info info;
    size_t description_bytes;
    size_t name_bytes;
    uint8_t *reply;

    if (catalog->next(catalog->context, &negotiate->list_cursor, &info) != 0)
        return false;
    name_bytes = name_bytes_of(&info);
    description_bytes = description_bytes_of(&info);
    reply = put_reply(negotiate, exchange, NBD_REP_SERVER, 4 + name_bytes + description_bytes);
    put_be32(reply, (uint32_t)name_bytes);
    memcpy(reply + 4, info.name, name_bytes);
    memcpy(reply + 4 + name_bytes, info.description, description_bytes);
    return true;
}

/* What is not in here is answered with ERR_UNSUP: TLS and extended headers too. */
#define RULE(option, payload_max_bytes, beyond, answer)                                            \
    {                                                                                              \
        NBD_OPT_##option, #option, payload_max_bytes, beyond, answer                               \
    }

static const struct option_rule option_rules[] = {
    RULE(EXPORT_NAME, EXPORT_NAME_BYTES_MAX, BEYOND_CLOSES, answer_export_name),
    RULE(ABORT, 0, BEYOND_IS_IGNORED, answer_abort),
    RULE(LIST, 0, NBD_REP_ERR_INVALID, answer_list),
    RULE(INFO, OPTION_BYTES_MAX, NBD_REP_ERR_TOO_BIG, answer_info),
    RULE(GO, OPTION_BYTES_MAX, NBD_REP_ERR_TOO_BIG, answer_info),
    RULE(STRUCTURED_REPLY, 0, NBD_REP_ERR_INVALID, answer_structured_reply),
    RULE(LIST_META_CONTEXT, OPTION_BYTES_MAX, NBD_REP_ERR_TOO_BIG, answer_meta_context),
    RULE(SET_META_CONTEXT, OPTION_BYTES_MAX, NBD_REP_ERR_TOO_BIG, answer_meta_context),
};

const struct option_rule *option_rule_find(uint32_t option)
{
    for (size_t i = 0; i < sizeof(option_rules) / sizeof(option_rules[0]); i++) {
        if (option_rules[i].option == option)
            return &option_rules[i];
    }
    return NULL;
}
