/*
 * The control channel: what the configuration controller asks a controller to do, and its answer.
 * One io/channel.h for each controller; a request and its answer are one message each.
 *
 *      configuration controller                      controller
 *      control_line_ask (config/control_line.h) -->  control_kinds[kind], from its loop
 *          list of what is outstanding          <--  control_answer, at once or much later
 *
 * Neither side ever waits for the other. A controller that dies answers everything with -EPIPE, one
 * that takes too long with -ETIMEDOUT. What changes the mapping table is written there by the
 * configuration controller before it asks; what a request carries are numbers, and at most one
 * descriptor. It is not on the way of any command.
 *
 * To add a kind: a line in CONTROL_KINDS and its function, wherever what it does has its place. A
 * number is never given a new meaning.
 */
#ifndef CONTROLLER_CONTROL_H
#define CONTROLLER_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"
#include "shm/limits.h"

struct controller;
struct control_request;

/* X(NAME, number, function, whether a descriptor comes with it): what the arguments are. */
#define CONTROL_KINDS(X)                                                                           \
    X(FAIL_ELEMENT, 1, control_fail_element, false)       /* element, which it owns */             \
    X(FENCE_VOLUME, 2, control_fence_volume, false)       /* volume: recovery/fence.h */           \
    X(START_JOB, 3, control_start_job, false)             /* volume, kind: recovery/job.h */       \
    X(RELEASE_ELEMENT, 4, control_release_element, false) /* element: gives up its image */        \
    X(REPLACE_ELEMENT, 5, control_replace_element, true)  /* takes one: control_element.h */       \
    X(FLUSH_ELEMENTS, 6, control_flush_elements, false)   /* all of its own: last_flush.h */       \
    X(MOVE_ELEMENT, 32, control_move_element, false)      /* element, seat: recovery/let_go.h */   \
    X(WATCH_ELEMENT, 33, control_watch_element, true)     /* element, and its image */             \
    X(GREET_PEER, 34, control_greet_peer, true)           /* seat, epoch: control_peer.c */        \
    X(GIVE, 35, control_give, false) /* what, number: handover.h; the answer has a descriptor */   \
    X(ADD_VOLUME, 16, control_add_volume, false) /* volume: control_volume.h, as those below */    \
    X(RELEASE_VOLUME, 17, control_release_volume, false)                                           \
    X(DROP_VOLUME, 18, control_drop_volume, false)                                                 \
    X(ENTER_MEMBER, 19, control_enter_member, false) /* member ...: control_member.c */            \
    X(MARK_MEMBER, 20, control_mark_member, false)                                                 \
    X(LEAVE_MEMBER, 21, control_leave_member, false)                                               \
    X(CLEAR_VOLUME, 22, control_clear_volume, false)

enum control_kind {
#define X(name, number, run, passes) CONTROL_##name = number,
    CONTROL_KINDS(X)
#undef X
        CONTROL_KINDS_END
};

enum { CONTROL_ARGUMENTS = 6 };

/* As they travel. */
struct control_message {
    uint64_t number; /* of the request; not 0 */
    uint32_t kind;   /* enum control_kind */
    uint32_t zero;
    uint64_t arguments[CONTROL_ARGUMENTS];
};
struct control_answer {
    uint64_t number;
    int32_t status; /* 0 or -errno */
    uint32_t zero;
};

/* A request in the controller, from its arrival to control_answer. */
struct control_request {
    struct controller *controller;
    struct control_message message; /* checked: the kind is one, and a descriptor is there if it
                                       is to be; the arguments are not */
    int fd;                         /* that came with it; who keeps it stores -1 */
    bool in_use;
};

/* The controller's end. */
struct control {
    struct completion completion;
    int fd;    /* -1: there is none, or the configuration controller is gone */
    bool ours; /* it came later (handover.h), and is ours to close */
    struct control_request requests[CONTROL_REQUESTS_MAX];
};

/* Begins to listen to `fd`, which stays the caller's (-1: to nobody). From the next turn on. */
void control_listen(struct controller *controller, int fd);

/* The same, of a configuration controller that has taken the place of one that died; `fd` is ours.
 */
void control_listen_again(struct controller *controller, int fd);

/* Answers with 0 and a copy of a descriptor. */
void control_answer_with(struct control_request *request, int fd);

/* Answers a request, once: 0 or -errno. It is over then, and what it named with it; a descriptor
 * that nobody has kept is closed. */
void control_answer(struct control_request *request, int status);

/* What the kinds do. Each is called in a turn of the loop, must not block, and sees to it that
 * control_answer is called: before it returns, or when what it began has ended. */
#define X(name, number, run, passes) void run(struct control_request *request);
CONTROL_KINDS(X)
#undef X

#endif
