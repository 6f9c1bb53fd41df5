/*
 * The admin socket: JSON-RPC 2.0, one object a line in each direction. One method a verb:
 *      status, controller.list, element.list, volume.list
 *                                               -> the object that --json prints
 *      segment                                  -> {"bytes": N}, with a read-only descriptor of the
 *                                                  segment beside it (SCM_RIGHTS)
 *      those of admin_methods.h                 -> change the array; answered when it is done
 * Requests are answered in order, each when the answer before it was read, so one answer is all
 * that is kept for a client. What a client sends is input like any other: its line is at most
 * ADMIN_LINE_BYTES_MAX long, and one that does not read its answer is dropped after
 * ADMIN_UNREAD_SECONDS. When one comes too many, the one that was longest idle goes.
 */
#ifndef TOOLS_ADMIN_H
#define TOOLS_ADMIN_H

#include "io/watch.h"
#include "tools/admin_rpc.h"

enum {
    ADMIN_LINE_BYTES_MAX = 64 << 10,
    ADMIN_CONNECTIONS_MAX = 32,
    ADMIN_UNREAD_SECONDS = 5,    /* without the client taking any of its answer */
    ADMIN_ACCEPT_AGAIN_MS = 100, /* after the process had no descriptor left */
};

struct admin;

/* Serves `listen_fd`, which listens already and stays the caller's; the service is copied. 0 or
 * -errno. */
int admin_new(struct admin **ret_admin, struct watch *watch, int listen_fd,
              const struct admin_service *service);
void admin_free(struct admin *admin); /* NULL is allowed */

#endif
