/*
 * JSON-RPC 2.0 of the admin socket: one line in, at most one line out. It knows no sockets.
 */
#ifndef TOOLS_ADMIN_RPC_H
#define TOOLS_ADMIN_RPC_H

#include <stddef.h>

#include "shm/segment.h"

/* What is to be sent; both are the caller's to free and to close. */
struct admin_answer {
    char *text; /* with its newline; NULL: a notification is not answered */
    size_t text_bytes;
    int pass_fd; /* goes beside the text; -1: none */
};

/* Does what one line (`bytes` without the newline) asks. What is wrong with it is said in the
 * answer. 0 or -ENOMEM. */
int admin_rpc(const struct segment *segment, const char *line, size_t bytes,
              struct admin_answer *ret_answer);

/* The answer to a line that is too long to be looked at. 0 or -ENOMEM. */
int admin_rpc_too_long(struct admin_answer *ret_answer);

#endif
