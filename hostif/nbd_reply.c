#include "hostif/nbd_reply.h"

#include <assert.h>
#include <errno.h>

#include "hostif/nbd_wire.h"
#include "shm/limits.h"

/* "Structured reply types": more extents in one chunk are not to be sent. */
#define DESCRIPTORS_MAX (1u << 20)

_Static_assert((unsigned)EXTENTS_MAX <= DESCRIPTORS_MAX, "one block status fits one chunk");
_Static_assert(ENOTSUP == EOPNOTSUPP, "one case serves both");

uint32_t nbd_error(int status)
{
    switch (status) {
    case 0:
        return NBD_SUCCESS;
    case -EPERM:
    case -EROFS:
        return NBD_EPERM;
    case -ENOMEM:
        return NBD_ENOMEM;
    case -EINVAL:
        return NBD_EINVAL;
    case -ENOSPC:
    case -EDQUOT: /* "Error values": both mean that there is no room */
    case -EFBIG:
        return NBD_ENOSPC;
    case -EOVERFLOW:
        return NBD_EOVERFLOW;
    case -ENOTSUP:
        return NBD_ENOTSUP;
    case -ESHUTDOWN:
        return NBD_ESHUTDOWN;
    default: /* a positive status too: it may come from another process, and is no success */
        return NBD_EIO;
    }
}

size_t nbd_reply_simple(uint8_t *out, uint64_t cookie, int status)
{
    assert(out);

    put_be32(out, NBD_SIMPLE_REPLY_MAGIC);
    put_be32(out + 4, nbd_error(status));
    put_be64(out + 8, cookie);
    return NBD_REPLY_SIMPLE_BYTES;
}

static void put_chunk(uint8_t *out, uint64_t cookie, uint16_t type, bool done,
                      uint32_t payload_bytes)
{
    assert(out);

    put_be32(out, NBD_CHUNK_MAGIC);
    put_be16(out + 4, done ? NBD_REPLY_FLAG_DONE : 0);
    put_be16(out + 6, type);
    put_be64(out + 8, cookie);
    put_be32(out + 16, payload_bytes);
}

size_t nbd_reply_none(uint8_t *out, uint64_t cookie)
{
    put_chunk(out, cookie, NBD_REPLY_TYPE_NONE, true, 0);
    return NBD_REPLY_CHUNK_BYTES;
}

size_t nbd_reply_data(uint8_t *out, uint64_t cookie, uint64_t offset_bytes, uint32_t data_bytes,
                      bool done)
{
    /* A chunk describes at least one byte, and is no longer than the advertised maximum. */
    assert(data_bytes > 0 && data_bytes <= PAYLOAD_BYTES_MAX);

    put_chunk(out, cookie, NBD_REPLY_TYPE_OFFSET_DATA, done, 8 + data_bytes);
    put_be64(out + NBD_REPLY_CHUNK_BYTES, offset_bytes);
    return NBD_REPLY_DATA_BYTES;
}

size_t nbd_reply_hole(uint8_t *out, uint64_t cookie, uint64_t offset_bytes, uint32_t hole_bytes,
                      bool done)
{
    assert(hole_bytes > 0);

    put_chunk(out, cookie, NBD_REPLY_TYPE_OFFSET_HOLE, done, 8 + 4);
    put_be64(out + NBD_REPLY_CHUNK_BYTES, offset_bytes);
    put_be32(out + NBD_REPLY_CHUNK_BYTES + 8, hole_bytes);
    return NBD_REPLY_HOLE_BYTES;
}

/* Error and length of its message: what every error chunk begins with. */
static void put_error(uint8_t *out, int status)
{
    assert(status != 0); /* "error (MUST be nonzero)" */

    put_be32(out + NBD_REPLY_CHUNK_BYTES, nbd_error(status));
    put_be16(out + NBD_REPLY_CHUNK_BYTES + 4, 0);
}

size_t nbd_reply_error(uint8_t *out, uint64_t cookie, int status)
{
    put_chunk(out, cookie, NBD_REPLY_TYPE_ERROR, true, 6);
    put_error(out, status);
    return NBD_REPLY_ERROR_BYTES;
}

size_t nbd_reply_error_offset(uint8_t *out, uint64_t cookie, int status, uint64_t offset_bytes)
{
    put_chunk(out, cookie, NBD_REPLY_TYPE_ERROR_OFFSET, true, 6 + 8);
    put_error(out, status);
    put_be64(out + NBD_REPLY_ERROR_BYTES, offset_bytes);
    return NBD_REPLY_ERROR_OFFSET_BYTES;
}

size_t nbd_reply_status(uint8_t *out, uint64_t cookie, uint32_t context_id, uint32_t descriptors,
                        bool done)
{
    assert(descriptors > 0 && descriptors <= DESCRIPTORS_MAX);

    put_chunk(out, cookie, NBD_REPLY_TYPE_BLOCK_STATUS, done,
              4 + descriptors * NBD_REPLY_DESCRIPTOR_BYTES);
    put_be32(out + NBD_REPLY_CHUNK_BYTES, context_id);
    return NBD_REPLY_STATUS_BYTES;
}

size_t nbd_reply_descriptor(uint8_t *out, uint32_t length_bytes, uint32_t flags)
{
    assert(out);
    assert(length_bytes > 0);

    put_be32(out, length_bytes);
    put_be32(out + 4, flags);
    return NBD_REPLY_DESCRIPTOR_BYTES;
}
