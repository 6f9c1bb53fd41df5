/*
 * Replies of the transmission phase, and the one place where an errno becomes an NBD error. Pure.
 * Source: NBD protocol, "Simple reply message", "Structured reply chunk message", "Error values".
 *
 * Each function writes into `out` and returns the bytes written; the caller's room is at least the
 * constant named. Payload is never copied here: it is sent from its buffer.
 */
#ifndef HOSTIF_NBD_REPLY_H
#define HOSTIF_NBD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NBD_REPLY_SIMPLE_BYTES = 16,
    NBD_REPLY_CHUNK_BYTES = 20,        /* header of any chunk */
    NBD_REPLY_DATA_BYTES = 20 + 8,     /* OFFSET_DATA up to its data */
    NBD_REPLY_HOLE_BYTES = 20 + 8 + 4, /* OFFSET_HOLE, whole */
    NBD_REPLY_ERROR_BYTES = 20 + 6,    /* ERROR without a message, whole */
    NBD_REPLY_ERROR_OFFSET_BYTES = 20 + 6 + 8,
    NBD_REPLY_STATUS_BYTES = 20 + 4, /* BLOCK_STATUS up to its descriptors */
    NBD_REPLY_DESCRIPTOR_BYTES = 8,
};

/* 0 or an -errno (any) -> NBD_SUCCESS or an NBD error; what the protocol has no word for is EIO. */
uint32_t nbd_error(int status);

/* status: 0 or -errno. */
size_t nbd_reply_simple(uint8_t *out, uint64_t cookie, int status);

/* Structured chunks; `done` is true on the last chunk of a reply. */
size_t nbd_reply_none(uint8_t *out, uint64_t cookie);
size_t nbd_reply_data(uint8_t *out, uint64_t cookie, uint64_t offset_bytes, uint32_t data_bytes,
                      bool done);
size_t nbd_reply_hole(uint8_t *out, uint64_t cookie, uint64_t offset_bytes, uint32_t hole_bytes,
                      bool done);
size_t nbd_reply_error(uint8_t *out, uint64_t cookie, int status);
size_t nbd_reply_error_offset(uint8_t *out, uint64_t cookie, int status, uint64_t offset_bytes);
size_t nbd_reply_status(uint8_t *out, uint64_t cookie, uint32_t context_id, uint32_t descriptors,
                        bool done);
size_t nbd_reply_descriptor(uint8_t *out, uint32_t length_bytes, uint32_t flags);

#endif
