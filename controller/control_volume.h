/*
 * Volumes that come and go while the array runs (claim 10): what the configuration controller asks
 * of every controller, over the control channel. shm/mapping.h has the life of a record.
 *
 *      ADD      a virtual volume was entered: be ready for commands on it      before it is
 * published RELEASE  a volume was hidden or withdrawn: answered when no host of     before it
 * becomes this controller has it, and nothing that was asked for by      another one, or a others
 * is executed on it any more; -EBUSY when one keeps it    member DROP     it is released
 * everywhere: forget it                           before its record is free
 *
 * So a volume never changes under a command: one that has begun knows the volume that was there,
 * and none begins that knows a volume which is not there yet, or not any more.
 */
#ifndef CONTROLLER_CONTROL_VOLUME_H
#define CONTROLLER_CONTROL_VOLUME_H

#include "controller/control.h"
#include "controller/path/command.h"

/* Requests that are not answered yet. */
struct control_volumes {
    struct timer timer;
    struct releasing {
        struct control_request *request; /* NULL: this place is free */
        uint64_t asked_ns;
    } releasing[CONTROL_REQUESTS_MAX];
    /* One that waits for workspaces; the configuration controller makes one change at a time. */
    struct control_request *adding;
    struct command_waiter waiter;
};

void control_volumes_init(struct controller *controller);

#endif
