/*
 * What a request may be is one table, a row a command; nbd_request_check reads it from left to
 * right.
 */
#include "hostif/nbd_parse.h"

#include <assert.h>
#include <errno.h>

#include "shm/limits.h"

/* NBD protocol, "Request types" and "Error values". */
struct command_rule {
    bool known;
    bool changes;        /* refused on a read-only export */
    uint16_t flags;      /* command flags that fit, beside FUA */
    uint16_t advertised; /* transmission flag without which a host must not send it; 0: none */
    int past_end;        /* -errno for a range that does not lie within the export */
};

static const struct command_rule command_rules[] = {
    [NBD_CMD_READ] = {true, false, NBD_CMD_FLAG_DF, 0, -EINVAL},
    [NBD_CMD_WRITE] = {true, true, 0, 0, -ENOSPC},
    [NBD_CMD_DISC] = {true, false, 0, 0, 0},
    [NBD_CMD_FLUSH] = {true, false, 0, NBD_FLAG_SEND_FLUSH, -EINVAL},
    [NBD_CMD_TRIM] = {true, true, 0, NBD_FLAG_SEND_TRIM, -EINVAL},
    [NBD_CMD_CACHE] = {true, false, 0, NBD_FLAG_SEND_CACHE, -EINVAL},
    [NBD_CMD_WRITE_ZEROES] = {true, true, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO,
                              NBD_FLAG_SEND_WRITE_ZEROES, -ENOSPC},
    [NBD_CMD_BLOCK_STATUS] = {true, false, NBD_CMD_FLAG_REQ_ONE, 0, -EINVAL},
};

enum { COMMAND_RULES = sizeof(command_rules) / sizeof(command_rules[0]) };

enum nbd_parse_result nbd_parse_request(const uint8_t *bytes, size_t length_bytes,
                                        struct nbd_request *ret_request)
{
    assert(bytes || length_bytes == 0);
    assert(ret_request);

    /* A wrong magic is seen as soon as it is there: a host that is out of step may never send the
     * rest of a request, and would hold its connection until it does. */
    if (length_bytes >= sizeof(uint32_t) && get_be32(bytes) != NBD_REQUEST_MAGIC)
        return NBD_PARSE_BAD_MAGIC;
    if (length_bytes < NBD_REQUEST_BYTES)
        return NBD_PARSE_MORE;

    *ret_request = (struct nbd_request){
        .flags = get_be16(bytes + 4),
        .type = get_be16(bytes + 6),
        .cookie = get_be64(bytes + 8),
        .offset_bytes = get_be64(bytes + 16),
        .length_bytes = get_be32(bytes + 24),
    };
    return NBD_PARSE_REQUEST;
}

uint64_t nbd_request_payload_bytes(const struct nbd_request *request)
{
    assert(request);
    return request->type == NBD_CMD_WRITE ? request->length_bytes : 0;
}

/* The command flags that this connection may use with a command. FUA fits all of them, once it was
 * advertised ("Command flags": such a server MUST accept it everywhere). */
static uint16_t flags_allowed(const struct command_rule *rule, const struct nbd_agreed *agreed)
{
    unsigned allowed = rule->flags;

    if (agreed->transmission_flags & NBD_FLAG_SEND_FUA)
        allowed |= NBD_CMD_FLAG_FUA;
    if (!agreed->structured_replies || !(agreed->transmission_flags & NBD_FLAG_SEND_DF))
        allowed &= ~(unsigned)NBD_CMD_FLAG_DF;
    if (!(agreed->transmission_flags & NBD_FLAG_SEND_FAST_ZERO))
        allowed &= ~(unsigned)NBD_CMD_FLAG_FAST_ZERO;
    return (uint16_t)allowed;
}

static bool within_export(const struct nbd_request *request, const struct nbd_agreed *agreed)
{
    /* Written so that no sum can wrap. */
    return request->offset_bytes <= agreed->size_bytes &&
           request->length_bytes <= agreed->size_bytes - request->offset_bytes;
}

/* What is wrong with the length of a request that lies within the export.
 *
 * "Request types" leaves length 0 open, but for asking not to be disconnected. As with qemu it does
 * nothing and succeeds; only a block status, which must describe at least one byte, cannot.
 *
 * Only payload is limited: a zero or trim is one command however long it is. A read that is too
 * long is EOVERFLOW where "Error values" allows that word: where DF is supported. */
static int check_length(const struct nbd_request *request, const struct nbd_agreed *agreed)
{
    const bool too_long = request->length_bytes > PAYLOAD_BYTES_MAX;

    switch (request->type) {
    case NBD_CMD_READ:
        if (too_long)
            return agreed->structured_replies ? -EOVERFLOW : -EINVAL;
        return 0;
    case NBD_CMD_WRITE:
        return too_long ? -EINVAL : 0;
    case NBD_CMD_BLOCK_STATUS:
        return request->length_bytes == 0 ? -EINVAL : 0;
    default:
        return 0;
    }
}

int nbd_request_check(const struct nbd_request *request, const struct nbd_agreed *agreed)
{
    const struct command_rule *rule;

    assert(request && agreed);
    assert(!agreed->meta_contexts || agreed->structured_replies);

    if (request->type >= COMMAND_RULES || !command_rules[request->type].known)
        return -EINVAL;
    if (request->type == NBD_CMD_DISC)
        return 0; /* it has no reply to put an error into */

    rule = &command_rules[request->type];
    if (request->flags & ~flags_allowed(rule, agreed))
        return -EINVAL;
    if (rule->changes && (agreed->transmission_flags & NBD_FLAG_READ_ONLY))
        return -EPERM; /* before `advertised`: such an export need not advertise trim */
    if (rule->advertised && !(agreed->transmission_flags & rule->advertised))
        return -EINVAL;
    if (request->type == NBD_CMD_BLOCK_STATUS && !agreed->meta_contexts)
        return -EINVAL;
    if (request->type == NBD_CMD_FLUSH) /* "length and offset are reserved" */
        return request->offset_bytes || request->length_bytes ? -EINVAL : 0;
    if (!within_export(request, agreed))
        return rule->past_end;
    return check_length(request, agreed);
}
