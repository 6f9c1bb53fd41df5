/*
 * The options of the handshake: a row each in one table, and what they answer. For negotiate.c,
 * which knows the phases. Source: NBD protocol, "Option types", "Option reply types".
 */
#ifndef HOSTIF_NEGOTIATE_OPTIONS_H
#define HOSTIF_NEGOTIATE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "hostif/nbd_wire.h"
#include "hostif/negotiate.h"

/* Output room with which any answer may begin: a listing's is written an export at a time. */
enum { ANSWER_BYTES_MAX = 512 };

/* What one call of negotiate_step has left to read, and room left to write. */
struct exchange {
    const uint8_t *in;
    size_t in_bytes;
    uint8_t *out;
    size_t out_room;
};

/* The payload of an option, as far as it is not read. */
struct payload {
    const uint8_t *at;
    size_t left_bytes;
};

struct option_rule {
    uint32_t option;
    const char *name;
    uint32_t payload_max_bytes;
    uint32_t beyond; /* NBD_REP_ERR_* for more payload than that; or one of the following */
    void (*answer)(struct negotiate *negotiate, struct payload payload, struct exchange *exchange);
};

/* An option_rule's `beyond` that is not an error. */
enum { BEYOND_CLOSES = 0, BEYOND_IS_IGNORED = NBD_REP_ACK };

/* The row of an option, or NULL: one that is not known, to be answered with ERR_UNSUP. */
const struct option_rule *option_rule_find(uint32_t option);

/* Take room that is there (at least ANSWER_BYTES_MAX since it was last looked at), or input. */
uint8_t *exchange_write(struct exchange *exchange, size_t bytes);
const uint8_t *exchange_read(struct exchange *exchange, size_t bytes);

/* Replies to the option in hand. An error carries a text for the host's user. */
void option_put_error(const struct negotiate *negotiate, struct exchange *exchange, uint32_t error,
                      const char *what);
void option_put_ack(const struct negotiate *negotiate, struct exchange *exchange);
/* Answers LIST with the next export and returns true, or returns false after the last. */
bool option_put_listed(struct negotiate *negotiate, struct exchange *exchange);

#endif
