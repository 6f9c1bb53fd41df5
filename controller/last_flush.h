/*
 * The last flush but one: what is asked of every controller when all hosts are gone everywhere,
 * before any controller ends. A member whose flush fails then is marked as failed on all others,
 * for their owners are still there; the flush of a controller's end (finish.h) comes too late for
 * that.
 */
#ifndef CONTROLLER_LAST_FLUSH_H
#define CONTROLLER_LAST_FLUSH_H

#include "controller/path/command.h"

struct control_request;

struct last_flush {
    struct control_request *request; /* NULL: nobody asks */
    struct command command;          /* a FLUSH, one element after the other */
    uint32_t element;                /* the next one */
};

void last_flush_init(struct controller *controller);

#endif
