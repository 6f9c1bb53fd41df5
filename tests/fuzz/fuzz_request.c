/*
 * Whatever a host sends in the transmission phase: requests are found in the same places however
 * the stream is cut, what is passed is safe to execute, and what is refused can be answered.
 *
 * Input: size of the export (8 bytes), transmission flags (2), what was agreed (1), the stream.
 */
#include <assert.h>
#include <errno.h>

#include "hostif/nbd_parse.h"
#include "hostif/nbd_reply.h"
#include "shm/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { AGREED_BYTES = 8 + 2 + 1 };

/* A request that is passed, by the letter of the protocol and in wider integers than the code's. */
static void check_passed(const struct nbd_request *request, const struct nbd_agreed *agreed)
{
    const unsigned __int128 end = (unsigned __int128)request->offset_bytes + request->length_bytes;
    const bool changes = request->type == NBD_CMD_WRITE || request->type == NBD_CMD_TRIM ||
                         request->type == NBD_CMD_WRITE_ZEROES;
    unsigned flags = request->flags;

    assert(request->type <= NBD_CMD_BLOCK_STATUS);
    if (request->type == NBD_CMD_DISC)
        return;
    assert(end <= agreed->size_bytes);
    assert(!changes || !(agreed->transmission_flags & NBD_FLAG_READ_ONLY));
    if (request->type == NBD_CMD_READ || request->type == NBD_CMD_WRITE)
        assert(request->length_bytes <= PAYLOAD_BYTES_MAX);
    if (request->type == NBD_CMD_FLUSH)
        assert(end == 0);
    if (request->type == NBD_CMD_BLOCK_STATUS)
        assert(agreed->meta_contexts && request->length_bytes > 0);

    if (agreed->transmission_flags & NBD_FLAG_SEND_FUA)
        flags &= ~(unsigned)NBD_CMD_FLAG_FUA;
    if (request->type == NBD_CMD_READ && agreed->structured_replies)
        flags &= ~(unsigned)NBD_CMD_FLAG_DF;
    if (request->type == NBD_CMD_WRITE_ZEROES)
        flags &= ~(unsigned)(NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO);
    if (request->type == NBD_CMD_BLOCK_STATUS)
        flags &= ~(unsigned)NBD_CMD_FLAG_REQ_ONE;
    assert(flags == 0);
}

static void check_refused(const struct nbd_request *request, int status)
{
    static uint8_t out[NBD_REPLY_ERROR_BYTES];

    assert(status == -EINVAL || status == -EPERM || status == -ENOSPC || status == -EOVERFLOW);
    assert(nbd_error(status) != NBD_EIO); /* it has a word of its own */
    assert(nbd_reply_error(out, request->cookie, status) == NBD_REPLY_ERROR_BYTES);
    assert(get_be64(out + 8) == request->cookie);
    assert(get_be32(out + NBD_REPLY_CHUNK_BYTES) == (uint32_t)-status);
}

/* Parses `bytes` bytes that end where an array ends, so that the sanitizer sees what is read
 * behind. */
static enum nbd_parse_result parse_exact(const uint8_t *data, size_t bytes,
                                         struct nbd_request *ret_request)
{
    static uint8_t copy[NBD_REQUEST_BYTES];

    assert(bytes <= sizeof(copy));
    memcpy(copy + sizeof(copy) - bytes, data, bytes);
    return nbd_parse_request(copy + sizeof(copy) - bytes, bytes, ret_request);
}

/* Fewer bytes of the same request mean: more; or what all of them mean, once the magic is wrong. */
static void check_bytewise(const uint8_t *data, size_t bytes, enum nbd_parse_result expected)
{
    struct nbd_request request;

    for (size_t given = 0; given < bytes && given < NBD_REQUEST_BYTES; given++) {
        const enum nbd_parse_result result = parse_exact(data, given, &request);

        if (expected == NBD_PARSE_BAD_MAGIC && given >= 4)
            assert(result == NBD_PARSE_BAD_MAGIC);
        else
            assert(result == NBD_PARSE_MORE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nbd_agreed agreed;
    struct nbd_request request;

    if (size < AGREED_BYTES)
        return 0;
    agreed.size_bytes = get_be64(data);
    agreed.transmission_flags = get_be16(data + 8);
    agreed.structured_replies = data[10] & 1;
    agreed.meta_contexts = (data[10] & 3) == 3;
    data += AGREED_BYTES;
    size -= AGREED_BYTES;

    for (;;) {
        const enum nbd_parse_result result =
            parse_exact(data, size < NBD_REQUEST_BYTES ? size : NBD_REQUEST_BYTES, &request);
        uint64_t payload_bytes;
        int status;

        check_bytewise(data, size, result);
        if (result != NBD_PARSE_REQUEST)
            return 0;
        data += NBD_REQUEST_BYTES;
        size -= NBD_REQUEST_BYTES;

        status = nbd_request_check(&request, &agreed);
        if (status == 0)
            check_passed(&request, &agreed);
        else
            check_refused(&request, status);

        payload_bytes = nbd_request_payload_bytes(&request);
        assert(payload_bytes == 0 || request.type == NBD_CMD_WRITE);
        if (payload_bytes > size)
            return 0;
        data += payload_bytes;
        size -= payload_bytes;
    }
}
