/*
 * What anyport-history is told.
 */
#ifndef TESTS_HISTORY_OPTIONS_H
#define TESTS_HISTORY_OPTIONS_H

#include "tests/history/history.h"

enum {
    URIS_MAX = 64,
    CONNECTIONS_MAX_OF_URI = 64,
    DEPTH_MAX = 256,
    BLOCK_BYTES_MIN = 16, /* a stamp */
    BLOCK_BYTES_MAX = 65536,
    RANGE_BYTES_MAX = 4 << 20, /* read by one command at the end of each window */
    WINDOW_MAX = HISTORY_OPERATIONS_MAX / 2,
    HAMMER_BYTES = 32 << 10,
};

struct options {
    const char *uris[URIS_MAX];
    uint32_t uris_count;
    uint32_t connections; /* of each URI */
    uint32_t depth;       /* of each connection */
    uint32_t blocks, block_bytes, most_blocks;
    uint64_t offset_bytes; /* where the hot range begins */
    uint64_t operations;   /* 0: until `seconds` are over */
    double seconds;
    uint32_t window; /* operations between two quiescent points */
    uint32_t reads_percent;
    uint64_t seed;
    enum history_scope scope;
    bool hammer;    /* every command takes the whole range; each third connection only reads */
    bool reconnect; /* a connection that breaks loses its commands and is made anew */
    bool allow_errors;
    bool json;
    double patience_seconds;
};

/* Reads the command line; on a mistake says so and exits with 2. */
void options_read(struct options *ret_options, int argc, char **argv);

#endif
