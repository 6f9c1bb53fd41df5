/*
 * From a session's receive buffer to commands on their way.
 */
#ifndef HOSTIF_REQUEST_H
#define HOSTIF_REQUEST_H

#include "hostif/session.h"

/* Works through the receive buffer as far as it goes: until a request is not whole, the session has
 * to wait (for a command, a buffer, its own answers to be sent), or the stream makes no sense and
 * the session is dropped. */
void request_take_all(struct session *session);

/* Moves what the receive buffer holds of the payload of session->writing to where it belongs. */
void request_take_payload(struct session *session, struct command *command);

/* The long payload of session->writing has come whole: its command starts. */
void request_payload_complete(struct session *session);

#endif
