/*
 * Requests of the transmission phase: bytes in, a checked request out. Pure: no I/O, no allocation,
 * no state. Source: NBD protocol, "Request message" and "Request types".
 */
#ifndef HOSTIF_NBD_PARSE_H
#define HOSTIF_NBD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hostif/nbd_wire.h"

/* What the handshake agreed for one connection, as far as requests are concerned. */
struct nbd_agreed {
    uint64_t size_bytes;
    uint16_t transmission_flags; /* NBD_FLAG_* that were sent to the host */
    bool structured_replies;
    bool meta_contexts; /* at least one context was selected */
};

struct nbd_request {
    uint64_t cookie;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint16_t type;  /* NBD_CMD_* */
    uint16_t flags; /* NBD_CMD_FLAG_* */
};

enum nbd_parse_result {
    NBD_PARSE_MORE,      /* fewer bytes than a request: nothing consumed */
    NBD_PARSE_REQUEST,   /* *ret_request is set; NBD_REQUEST_BYTES consumed */
    NBD_PARSE_BAD_MAGIC, /* seen in the first four bytes: the stream is lost, drop the connection */
};

enum nbd_parse_result nbd_parse_request(const uint8_t *bytes, size_t length_bytes,
                                        struct nbd_request *ret_request);

/* Payload bytes that follow this request on the socket: its length for WRITE, else 0. They follow
 * whether or not the request is refused, so a refused one's are to be consumed. */
uint64_t nbd_request_payload_bytes(const struct nbd_request *request);

/* 0 when the request may be executed, else the -errno to answer with (nbd_reply.h makes the wire's
 * error of it): past the end, read-only, unknown command or flag, more than PAYLOAD_BYTES_MAX to
 * read or write, FAST_ZERO, DF and block status not agreed. 0 for DISC, which has no reply.
 *
 * Length 0 is passed (the protocol leaves it open): it does nothing and succeeds, without a data
 * chunk, because a chunk describes at least one byte. Only a block status of length 0 is refused.
 */
int nbd_request_check(const struct nbd_request *request, const struct nbd_agreed *agreed);

#endif
