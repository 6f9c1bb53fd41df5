/*
 * Operations: what a controller's loop was asked to do and what has not taken effect yet. The
 * kernel's side of io/loop.h, in virtual time.
 *
 *      started --submit, at the next loop_turn--> submitted --time--> effect --> completion fires
 *
 * One that its controller had submitted before it died still takes effect, as in a kernel; one that
 * was only started is gone.
 */
#ifndef TESTS_SIM_OPERATION_H
#define TESTS_SIM_OPERATION_H

#include "io/loop.h"
#include "tests/sim/events.h"

struct machine;

struct operation {
    struct event event;
    struct loop *loop; /* NULL: its controller is gone */
    struct completion *completion;
    int result;
    uint64_t delay_ns; /* from submission to (the first step of) the effect */
    /* Something of it takes effect. Returns the time to its next step; 0: it is over. */
    uint64_t (*effect)(struct operation *operation);
    void (*submitted)(struct operation *operation); /* NULL: nothing to be done then */
    struct operation *next, *previous;
};

/* Starts it. `operation` was allocated by malloc, alone, and is freed when it is over. */
void operation_start(struct loop *loop, struct operation *operation);

/* The controller is gone: what was not submitted is forgotten, the rest lands without it. */
void operation_abandon_all(struct loop *loop);

/* All power is gone: each operation that was submitted has taken effect or not. Their controllers
 * are gone. */
void operation_lose_power(void);

/* Whether any has still to take effect. */
bool operation_any_submitted(void);

/* Something has happened that a loop's completion waited for. */
void loop_push(struct loop *loop, struct completion *completion, int result);

struct loop *loop_of(const struct machine *machine);

#endif
