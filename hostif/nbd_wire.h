/*
 * The NBD wire: every number that both ends must agree on, and how integers lie in bytes. Nothing
 * here decides anything. Source: NBD protocol, "Protocol phases" and "Values".
 *
 * All integers are big-endian and unaligned.
 *
 *   option           0 magic (8)      8 option (4)   12 length (4)   16 data
 *   option reply     0 magic (8)      8 option (4)   12 type (4)     16 length (4)   20 data
 *   request          0 magic (4)      4 flags (2)     6 type (2)      8 cookie (8)
 *                   16 offset (8)    24 length (4)   28 data of a write
 *   simple reply     0 magic (4)      4 error (4)     8 cookie (8)   16 data of a read
 *   chunk            0 magic (4)      4 flags (2)     6 type (2)      8 cookie (8)
 *                   16 length (4)    20 payload
 */
#ifndef HOSTIF_NBD_WIRE_H
#define HOSTIF_NBD_WIRE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* --- magic numbers --- */
#define NBD_GREETING_MAGIC     UINT64_C(0x4e42444d41474943) /* "NBDMAGIC" */
#define NBD_OPTION_MAGIC       UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_OPTION_REPLY_MAGIC UINT64_C(0x0003e889045565a9)
#define NBD_REQUEST_MAGIC      UINT32_C(0x25609513)
#define NBD_SIMPLE_REPLY_MAGIC UINT32_C(0x67446698)
#define NBD_CHUNK_MAGIC        UINT32_C(0x668e33ef)

/* --- sizes (replies of the transmission phase: nbd_reply.h) --- */
enum {
    NBD_GREETING_BYTES = 18,
    NBD_CLIENT_FLAGS_BYTES = 4,
    NBD_OPTION_BYTES = 16,
    NBD_OPTION_REPLY_BYTES = 20,
    NBD_EXPORT_BYTES =
        10, /* size and transmission flags, in EXPORT_NAME's answer and INFO_EXPORT */
    NBD_EXPORT_ZEROES_BYTES = 124, /* follow EXPORT_NAME's answer unless NO_ZEROES was agreed */
    NBD_REQUEST_BYTES = 28,
};

/* --- handshake --- */
enum { NBD_FLAG_FIXED_NEWSTYLE = 1 << 0, NBD_FLAG_NO_ZEROES = 1 << 1 };
enum { NBD_FLAG_C_FIXED_NEWSTYLE = 1 << 0, NBD_FLAG_C_NO_ZEROES = 1 << 1 };

enum {
    NBD_OPT_EXPORT_NAME = 1,
    NBD_OPT_ABORT = 2,
    NBD_OPT_LIST = 3,
    NBD_OPT_STARTTLS = 5,
    NBD_OPT_INFO = 6,
    NBD_OPT_GO = 7,
    NBD_OPT_STRUCTURED_REPLY = 8,
    NBD_OPT_LIST_META_CONTEXT = 9,
    NBD_OPT_SET_META_CONTEXT = 10,
    NBD_OPT_EXTENDED_HEADERS = 11,
};

enum { NBD_REP_ACK = 1, NBD_REP_SERVER = 2, NBD_REP_INFO = 3, NBD_REP_META_CONTEXT = 4 };

/* Errors have bit 31 set, which an enumerator (an int) cannot. */
#define NBD_REP_ERR_UNSUP   UINT32_C(0x80000001)
#define NBD_REP_ERR_INVALID UINT32_C(0x80000003)
#define NBD_REP_ERR_UNKNOWN UINT32_C(0x80000006)
#define NBD_REP_ERR_TOO_BIG UINT32_C(0x80000009)

enum {
    NBD_INFO_EXPORT = 0,
    NBD_INFO_NAME = 1,
    NBD_INFO_DESCRIPTION = 2,
    NBD_INFO_BLOCK_SIZE = 3,
};

/* --- transmission flags: what an export can do --- */
enum {
    NBD_FLAG_HAS_FLAGS = 1 << 0, /* always set */
    NBD_FLAG_READ_ONLY = 1 << 1,
    NBD_FLAG_SEND_FLUSH = 1 << 2,
    NBD_FLAG_SEND_FUA = 1 << 3,
    NBD_FLAG_ROTATIONAL = 1 << 4,
    NBD_FLAG_SEND_TRIM = 1 << 5,
    NBD_FLAG_SEND_WRITE_ZEROES = 1 << 6,
    NBD_FLAG_SEND_DF = 1 << 7, /* only with structured replies */
    NBD_FLAG_CAN_MULTI_CONN = 1 << 8,
    NBD_FLAG_SEND_CACHE = 1 << 10,
    NBD_FLAG_SEND_FAST_ZERO = 1 << 11, /* only with SEND_WRITE_ZEROES */
};

/* --- requests --- */
enum {
    NBD_CMD_READ = 0,
    NBD_CMD_WRITE = 1,
    NBD_CMD_DISC = 2,
    NBD_CMD_FLUSH = 3,
    NBD_CMD_TRIM = 4,
    NBD_CMD_CACHE = 5,
    NBD_CMD_WRITE_ZEROES = 6,
    NBD_CMD_BLOCK_STATUS = 7,
};

enum {
    NBD_CMD_FLAG_FUA = 1 << 0,
    NBD_CMD_FLAG_NO_HOLE = 1 << 1,   /* of write zeroes */
    NBD_CMD_FLAG_DF = 1 << 2,        /* of read */
    NBD_CMD_FLAG_REQ_ONE = 1 << 3,   /* of block status */
    NBD_CMD_FLAG_FAST_ZERO = 1 << 4, /* of write zeroes */
};

/* --- replies --- */
enum { NBD_REPLY_FLAG_DONE = 1 << 0 };

enum {
    NBD_REPLY_TYPE_NONE = 0,
    NBD_REPLY_TYPE_OFFSET_DATA = 1,
    NBD_REPLY_TYPE_OFFSET_HOLE = 2,
    NBD_REPLY_TYPE_BLOCK_STATUS = 5,
    NBD_REPLY_TYPE_ERROR = 0x8001,
    NBD_REPLY_TYPE_ERROR_OFFSET = 0x8002,
};

/* The errors there are; they only happen to look like Linux's. */
enum {
    NBD_SUCCESS = 0,
    NBD_EPERM = 1,
    NBD_EIO = 5,
    NBD_ENOMEM = 12,
    NBD_EINVAL = 22,
    NBD_ENOSPC = 28,
    NBD_EOVERFLOW = 75,
    NBD_ENOTSUP = 95,
    NBD_ESHUTDOWN = 108,
};

/* Flags of an extent in the context base:allocation. */
enum { NBD_STATE_HOLE = 1 << 0, NBD_STATE_ZERO = 1 << 1 };

/* --- integers in bytes --- */
static inline uint16_t get_be16(const uint8_t *from)
{
    uint16_t wire;

    memcpy(&wire, from, sizeof(wire));
    return be16toh(wire);
}

static inline uint32_t get_be32(const uint8_t *from)
{
    uint32_t wire;

    memcpy(&wire, from, sizeof(wire));
    return be32toh(wire);
}

static inline uint64_t get_be64(const uint8_t *from)
{
    uint64_t wire;

    memcpy(&wire, from, sizeof(wire));
    return be64toh(wire);
}

static inline void put_be16(uint8_t *to, uint16_t value)
{
    const uint16_t wire = htobe16(value);

    memcpy(to, &wire, sizeof(wire));
}

static inline void put_be32(uint8_t *to, uint32_t value)
{
    const uint32_t wire = htobe32(value);

    memcpy(to, &wire, sizeof(wire));
}

static inline void put_be64(uint8_t *to, uint64_t value)
{
    const uint64_t wire = htobe64(value);

    memcpy(to, &wire, sizeof(wire));
}

#endif
