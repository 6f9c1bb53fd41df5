/*
 * Asking a running array over its admin socket.
 */
#ifndef TOOLS_ADMIN_CLIENT_H
#define TOOLS_ADMIN_CLIENT_H

#include <jansson.h>

#include "shm/segment.h"

/* Calls a method and returns its result (a new reference), or NULL after saying on stderr why not.
 * `socket_path` NULL: $ANYPORT_ADMIN. *ret_fd (NULL: not wanted) gets the descriptor that came with
 * the answer, or -1. */
json_t *admin_call(const char *socket_path, const char *method, int *ret_fd);

/* The same of a method that has parameters: an object, whose reference is taken. */
json_t *admin_call_with(const char *socket_path, const char *method, json_t *params);

/* The path that admin_call will use for this argument of a verb: a socket, a run-dir, or NULL. */
const char *admin_path(const char *argument, char *buffer, size_t buffer_bytes);

/* Maps the segment of a running array, named by a verb's argument, for reading only. After that the
 * array is asked nothing more. The caller calls segment_done. Or -errno after saying on stderr why
 * not. */
int admin_attach(const char *argument, struct segment *ret_segment);

#endif
