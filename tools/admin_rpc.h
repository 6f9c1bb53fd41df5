/*
 * JSON-RPC 2.0 of the admin socket: one line in, at most one line out. It knows no sockets.
 *
 * A method is either immediate, and returns its result; or it starts something, and gets a reply to
 * be filled in when that has ended. The client waits for its reply and may go away meanwhile; what
 * was started does not notice.
 */
#ifndef TOOLS_ADMIN_RPC_H
#define TOOLS_ADMIN_RPC_H

#include <jansson.h>
#include <stddef.h>

#include "shm/segment.h"

struct configurator;
struct admin_reply;

/* Codes of errors: JSON-RPC 2.0, section 5.1; and what it leaves to servers. */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL_ERROR = -32603,
    RPC_FAILED = -32000, /* it was tried and did not work, or is not allowed now */
};

/* What is to be sent; both are its holder's to free and to close. */
struct admin_answer {
    char *text; /* with its newline; NULL: a notification is not answered */
    size_t text_bytes;
    int pass_fd; /* goes beside the text; -1: none */
};

struct admin_service;

/* A method: one of both functions. A table ends with a method without name. */
struct admin_method {
    const char *name;
    /* Immediate: a new reference, or NULL (no memory, no descriptor). *ret_pass_fd (-1) may be
     * given a descriptor that goes beside the result. */
    json_t *(*call)(const struct admin_service *service, int *ret_pass_fd);
    /* Starts something and sees to it that exactly one of the two admin_reply_ functions is called
     * for `reply`: before it returns, or later. `params` (NULL: none were given) is the caller's
     * and lives until it returns. */
    void (*start)(const struct admin_service *service, const json_t *params,
                  struct admin_reply *reply);
};

/* What methods have to work with. Lives as long as the admin socket and all that was started. */
struct admin_service {
    const struct segment *segment;
    struct configurator *configurator;  /* who changes the array; NULL: nothing can be changed */
    const struct admin_method *changes; /* methods beside those that only look; NULL: none */
};

/* A reply to one line. Whoever calls admin_rpc makes it, with `ready`, and takes it back there. */
struct admin_reply {
    void (*ready)(struct admin_reply *reply); /* called once: `answer` is complete */
    void *owner;                              /* of whoever made it */
    json_t *id;                               /* NULL: a notification */
    struct admin_answer answer;
    bool no_memory; /* there is no answer for that reason */
};

/* The method has ended: with this result (the reference is taken; NULL: no memory for one), or with
 * an error. The reply is not the caller's any more. */
void admin_reply_result(struct admin_reply *reply, json_t *result);
void admin_reply_error(struct admin_reply *reply, int code, const char *message);

/* Does what one line (`bytes` without the newline) asks. What is wrong with it is said in the
 * answer. reply->ready may have been called when this returns. */
void admin_rpc(const struct admin_service *service, const char *line, size_t bytes,
               struct admin_reply *reply);

/* The answer to a line that is too long to be looked at. */
void admin_rpc_too_long(struct admin_reply *reply);

#endif
