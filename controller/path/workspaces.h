/*
 * Workspaces: the part of a controller's buffers that parity is computed in. It is set apart, once
 * and for all, when the first volume with parity is there, so that a command that holds a payload
 * never waits for what another payload holds.
 */
#ifndef CONTROLLER_PATH_WORKSPACES_H
#define CONTROLLER_PATH_WORKSPACES_H

#include "controller/path/command.h"

/* Sets them apart, if that was not done before. 0 or -ENOMEM. -EAGAIN: too much of the buffers is
 * in use now; then the waiter is queued behind those who wait for a buffer, and is to call this
 * again when it is fired. */
int workspaces_make(struct controller *controller, struct command_waiter *waiter);

#endif
