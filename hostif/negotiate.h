/*
 * The handshake of one connection, as a machine that turns bytes into bytes. Pure: no I/O, no
 * allocation, no clock. Source: NBD protocol, "Handshake", "Option types".
 *
 * The caller feeds what it received and sends what comes out. Nothing is asked of the array but the
 * catalog, and a back end is not touched before the host has chosen an export.
 */
#ifndef HOSTIF_NEGOTIATE_H
#define HOSTIF_NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

struct nbd_agreed;

/* One export as the handshake shows it. */
struct export_info {
    uint64_t size_bytes;
    uint64_t volume; /* the catalog's own number of it */
    char name[NAME_BYTES_MAX + 1];
    char description[DESCRIPTION_BYTES_MAX + 1];
    uint16_t transmission_flags; /* NBD_FLAG_*; SEND_DF is added with structured replies */
};

/* What the handshake may ask. All calls are look-ups in memory. */
struct export_catalog {
    void *context;
    /* `name` is not terminated. An empty name means the default export. 0 or -ENOENT. */
    int (*find)(void *context, const char *name, size_t name_bytes, struct export_info *ret_info);
    /* The export after *cursor (0 at first), advancing it. 0 or -ENOENT at the end. */
    int (*next)(void *context, uint64_t *cursor, struct export_info *ret_info);
};

/* Metadata contexts that there are; bits of `selected_contexts`. Context ids on the wire are the
 * bit numbers + 1. */
enum { CONTEXT_BASE_ALLOCATION = 1 << 0, CONTEXT_ANYPORT_LOCATION = 1 << 1 };
enum { CONTEXT_ID_ALLOCATION = 1, CONTEXT_ID_LOCATION = 2 };

enum negotiate_phase {
    NEGOTIATE_GREETING,     /* our greeting is not sent yet */
    NEGOTIATE_CLIENT_FLAGS, /* the host's flags are awaited */
    NEGOTIATE_OPTION,       /* an option's header is awaited */
    NEGOTIATE_PAYLOAD,      /* an option's payload is awaited, whole */
    NEGOTIATE_DISCARD,      /* the payload of a refused option is consumed */
    NEGOTIATE_LISTING,      /* a LIST is being answered, as the output has room */
    NEGOTIATE_TRANSMISSION, /* agreed: `info` and what follows it are valid */
    NEGOTIATE_CLOSED,       /* send what came out, then close */
};

struct negotiate {
    const struct export_catalog *catalog;
    enum negotiate_phase phase;
    bool fixed_newstyle;
    bool no_zeroes;
    bool structured_replies;
    uint32_t selected_contexts; /* before TRANSMISSION: for the export named in SET_META_CONTEXT */
    char contexts_export[EXPORT_NAME_BYTES_MAX + 1];
    uint32_t options; /* seen so far, of HANDSHAKE_OPTIONS_MAX */
    uint32_t option;
    uint32_t option_bytes;  /* length announced; what is left of it in DISCARD */
    uint32_t discard_error; /* NBD_REP_* to answer with once the payload is consumed */
    uint64_t list_cursor;
    struct export_info info; /* the chosen export, its transmission flags as they were sent */
};

/* Output room that the caller must offer for the machine to go on: the largest single answer. */
enum { NEGOTIATE_OUTPUT_BYTES = 16 << 10 };
/* Input room that the caller must have: the largest option that is looked at, with its header. */
enum { NEGOTIATE_INPUT_BYTES = OPTION_BYTES_MAX + 16 };

void negotiate_begin(struct negotiate *negotiate, const struct export_catalog *catalog);

/* Goes on as far as the input and the output room allow. `in` are the bytes received and not yet
 * consumed; *ret_consumed of them are used up. Output goes to `out`; *ret_out_bytes of it is valid.
 * Returns true when a further call may go on without more input, once the output was sent (room was
 * short); false when it waits for input or the phase is TRANSMISSION or CLOSED. In TRANSMISSION the
 * bytes not consumed are the first of the transmission phase. */
bool negotiate_step(struct negotiate *negotiate, const uint8_t *in, size_t in_bytes,
                    size_t *ret_consumed, uint8_t *out, size_t out_room, size_t *ret_out_bytes);

/* What requests are checked against from now on. The phase is TRANSMISSION. */
void negotiate_agreed(const struct negotiate *negotiate, struct nbd_agreed *ret_agreed);

#endif
