/*
 * The configuration controller's end of a control channel (controller/control.h): what it has asked
 * one controller and has not been answered yet.
 */
#ifndef CONTROLLER_CONFIG_CONTROL_LINE_H
#define CONTROLLER_CONFIG_CONTROL_LINE_H

#include "controller/control.h"
#include "io/watch.h"

/* The answer to a request: 0 or -errno. -EPIPE: the controller is gone, or went before it answered;
 * -ETIMEDOUT: it has not answered in CONTROL_SECONDS, and may still do what it was asked. */
typedef void control_answered(void *context, int status);

/* A request that is outstanding. */
struct control_asked {
    uint64_t number; /* 0: this place is free */
    uint64_t deadline_ns;
    control_answered *answered;
    void *context; /* the asker's */
};

struct control_line {
    struct watched watched; /* fd -1: closed */
    struct watch *watch;
    uint64_t last_number;
    uint32_t waiting; /* places that are taken */
    struct control_asked asked[CONTROL_REQUESTS_MAX];
};

/* Opens a line. *ret_end is the controller's end, the caller's to hand over and to close. 0 or
 * -errno. */
int control_line_open(struct control_line *ret_line, struct watch *watch, int *ret_end);

/* A line over an end that is there already, and is the line's from then on. 0 or -errno: then it is
 * closed. */
int control_line_take(struct control_line *ret_line, struct watch *watch, int end);

/* Asks: `message` has kind and arguments, the number is filled in here; `pass_fd` stays the
 * caller's (-1: none). 0: `answered` is called exactly once, from a later turn of the watch or from
 * one of the two functions below. -EPIPE: the line is closed; -EBUSY: too much is outstanding; or
 * -errno: then it is not called. Never blocks. */
int control_line_ask(struct control_line *line, const struct control_message *message, int pass_fd,
                     control_answered *answered, void *context);

/* Answers what has waited too long. */
void control_line_look_at_time(struct control_line *line, uint64_t now_ns);

/* Nothing comes any more: everything is answered with -EPIPE. A closed one is allowed. */
void control_line_close(struct control_line *line);

#endif
