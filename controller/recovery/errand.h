/*
 * An errand: a command that a controller sends on its way for itself, like one of a host's, and is
 * told when it has ended. What jobs (job.h) and the settling of failed elements (settle.h) are made
 * of.
 *
 * It uses the commands and buffers of hosts, and waits in line for them as a session does. It may
 * be for a virtual volume as a whole, and for maintenance ops (command_is_maintenance), which no
 * host can ask for.
 */
#ifndef CONTROLLER_RECOVERY_ERRAND_H
#define CONTROLLER_RECOVERY_ERRAND_H

#include "controller/path/command.h"

struct controller;

/* Embedded in whoever sends it. */
struct errand {
    /* Set by the sender, once. Called once for each errand_send, from a later place in the turn, or
     * a later turn: the errand may be sent again from there. */
    void (*over)(struct errand *errand);

    /* What is wanted: set by the sender before each errand_send. */
    uint8_t op, flags;
    uint32_t volume;
    uint32_t members; /* as of struct command */
    uint64_t offset_bytes, length_bytes;
    uint64_t payload_bytes; /* of a buffer that the command has for itself; 0: none */

    int32_t status; /* when it is over: 0 or -errno */
    uint32_t count; /* and the command's */

    /* Ours. */
    bool sent; /* and not over */
    struct controller *controller;
    struct command_waiter waiter;
    struct errand *next_over;
};

/* All that a controller has. */
struct errands {
    struct errand *over, **over_end; /* in order; to be told */
    uint32_t sent;
};

void errands_init(struct errands *errands);

/* Sends it. It is not sent already. */
void errand_send(struct controller *controller, struct errand *errand);

/* Once a turn: tells the senders of those that are over. */
void errands_turn(struct controller *controller);

#endif
