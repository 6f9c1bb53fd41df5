/*
 * Handshakes to test with: what the host says, and byte by byte what it is answered.
 *
 * Every handshake is held several times: said at once and in portions down to single bytes, and
 * answered into much room and into the least that a caller must offer. The answers have to be the
 * same. `say_` functions append to what the host says, `expect_` ones to what it has to be told.
 */
#ifndef TESTS_UNIT_TALK_H
#define TESTS_UNIT_TALK_H

#include "hostif/nbd_wire.h"
#include "hostif/negotiate.h"

/* --- bytes --- */

struct bytes {
    uint8_t *at;
    size_t length;
    size_t room;
};

extern struct bytes said;
extern struct bytes expected;

void append(struct bytes *bytes, const void *more, size_t length);
void append_fill(struct bytes *bytes, uint8_t byte, size_t length);
void append_be32(struct bytes *bytes, uint32_t value);
void append_be64(struct bytes *bytes, uint64_t value);
void append_text(struct bytes *bytes, const char *text);

/* --- the exports that there are: vol0 (the default), vol1 (read-only), LONGEST_NAME --- */

enum {
    FLAGS = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
            NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE |
            NBD_FLAG_SEND_FAST_ZERO,
};

#define LONGEST_NAME "sixty-three-bytes-are-the-longest-name-that-an-export-can-have-"
#define LONGEST_DESCRIPTION                                                                        \
    "a description may be one hundred and fifty-nine bytes long, and this one is, so that the "    \
    "largest of all answers is among those that are written in the tests: ."

extern const struct export_catalog catalog;
extern unsigned finds; /* calls of its find */

/* Another catalog, of MANY exports like vol0 under other names. */
enum { MANY = 100000 };

extern const struct export_catalog many;

void many_name(uint64_t number, char name[NAME_BYTES_MAX + 1]);

/* --- what the host says --- */

void say_flags(uint32_t flags);
void say_option_head(uint32_t option, size_t payload_bytes);
void say_option(uint32_t option);
void say_option_text(uint32_t option, const char *payload);
void say_info(uint32_t option, const char *name, size_t requests, const uint16_t *request);
void say_go(const char *name);
/* Queries end with NULL. */
void say_contexts(uint32_t option, const char *name, const char *const *queries);

#define SAY_CONTEXTS(option, name, ...)                                                            \
    say_contexts(option, name, (const char *const[]){__VA_ARGS__})

/* --- what it has to be told --- */

void expect_ack(uint32_t option);
void expect_error(uint32_t option, uint32_t error, const char *text);
void expect_server(const char *name, const char *description);
void expect_info_export(uint32_t option, uint64_t size_bytes, unsigned flags);
void expect_info_text(uint32_t option, uint16_t item, const char *text);
void expect_info_block_size(uint32_t option);
void expect_context(uint32_t option, uint32_t id, const char *name);
void expect_export(uint64_t size_bytes, unsigned flags, bool zeroes);

/* Begins a handshake anew: nothing said but the flags, nothing expected but the greeting. */
void begin(uint32_t client_flags);
void begin_fixed(void);
void begin_structured(void);

/* --- holding it --- */

struct outcome {
    struct negotiate negotiate;
    struct bytes told;
    size_t consumed; /* of what the host said */
};

/* As a session does it: an input buffer of NEGOTIATE_INPUT_BYTES is filled by portions. */
void hold(const struct export_catalog *exported, size_t portion_bytes, size_t room_bytes,
          struct outcome *outcome);

/* Holds what was said in all ways; the last `left_over` bytes of it must not be consumed. Leaves
 * the outcome of the last for further checks. */
const struct negotiate *check_portions(const struct export_catalog *exported,
                                       enum negotiate_phase phase, size_t left_over,
                                       size_t least_portion_bytes);
/* The same with `catalog`, everything to be consumed, down to single bytes. */
const struct negotiate *check(enum negotiate_phase phase);

/* That the handshake goes on as if nothing had happened: what was refused was consumed. */
const struct negotiate *check_goes_on(void);

#endif
