/*
 * What sockets.c and sockets_adopt.c share with each other.
 */
#ifndef CONTROLLER_CONFIG_SOCKETS_PARTS_H
#define CONTROLLER_CONFIG_SOCKETS_PARTS_H

#include <sys/types.h>

#include "controller/config/sockets.h"

#define HANDOVER_NAME "handover%u"

/* "FILE: FIELD: ...". Returns `error`. */
__attribute__((format(printf, 5, 6))) int sockets_refuse(const struct config *config,
                                                         struct config_error *ret_error,
                                                         const char *field, int error,
                                                         const char *format, ...);

/* No descriptor, no path. */
struct array_sockets sockets_none(const struct config *config);

/* The lock that says a configuration controller is alive. `flags`: O_CREAT, or 0. -EBUSY: somebody
 * has it; or -errno. */
int sockets_take_lock(struct array_sockets *sockets, int flags);

/* The path of a Unix socket in the run-dir: 0 or -ENOMEM. And the socket there, listening. */
int sockets_name_unix(const struct array_sockets *sockets, const char *name,
                      struct array_socket *ret_socket);
int sockets_listen_unix(const struct config *config, const struct array_sockets *sockets,
                        const char *name, mode_t mode, struct array_socket *ret_socket,
                        struct config_error *ret_error);

/* Closes it if it is open, frees its path, and takes the file away if that is wanted. */
void sockets_close_one(struct array_socket *socket, bool remove);

#endif
