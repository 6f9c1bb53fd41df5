/*
 * What is done to a seat while the array runs, because somebody asked for it or its controller has
 * died: it is killed, stopped in order, or started again. One thing at a time is done to a seat;
 * only killing interrupts another.
 *
 *      kill     SIGKILL; over when the process is gone
 *      stop     EMPTY    its elements go to others
 *               QUIESCE  its hosts are let go
 *               STOP     it flushes and exits; its seat is STOPPED
 *      start    seat_start.c
 */
#ifndef CONTROLLER_CONFIG_SEATS_H
#define CONTROLLER_CONFIG_SEATS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

/* What was asked for is done (`why` NULL), or not: why, in words, which are valid during the call.
 */
typedef void seat_changed(void *context, const char *why);

enum seat_task {
    SEAT_TASK_NONE,
    SEAT_TASK_KILL,
    SEAT_TASK_STOP,
    SEAT_TASK_START,
};

enum seat_step {
    SEAT_STEP_EMPTIES,  /* stop: its elements go (seat_moves.h) */
    SEAT_STEP_QUIESCES, /* its hosts go */
    SEAT_STEP_FLUSHES,
    SEAT_STEP_WAITS,  /* start: until nothing of its last life is left */
    SEAT_STEP_GREETS, /* all that live are told */
    SEAT_STEP_STARTS, /* the process exists, and does not serve yet */
};

/* What is being done to one seat, in struct watched_controller. */
struct seat_care {
    enum seat_task task;
    enum seat_step step;
    uint64_t deadline_ns;      /* of the step */
    uint64_t port_deadline_ns; /* start: until when its port may still be taken; 0: it is free */
    uint32_t unanswered;       /* greetings */
    const char *refusal;       /* why it is over when all of them are answered; NULL: it goes on */
    bool again;                /* one of those that were greeted has died: all of it once more */
    bool late;                 /* it was killed because it took too long */
    seat_changed *changed;
    void *context;
};

/* Each calls `changed` exactly once, before it returns or from a later turn.
 *
 * SIGKILL to the controller; done when its process is gone. The last one that is alive is killed
 * only with `force`, for the array ends then. */
void seat_kill(struct configurator *configurator, uint32_t id, bool force, seat_changed *changed,
               void *context);

/* An orderly end of one controller, which is not the last that is alive. Without takeover it owns
 * no element. */
void seat_stop(struct configurator *configurator, uint32_t id, seat_changed *changed,
               void *context);

/* A new life for a seat whose controller has died or was stopped; done when its ports answer. */
void seat_start(struct configurator *configurator, uint32_t id, seat_changed *changed,
                void *context);

/* A controller that somebody else led before: goes on with what its seat says was being done to it,
 * a start, or a stop that has got as far as its hosts. */
void seat_go_on(struct configurator *configurator, uint32_t id);

/* The process of a controller is gone. */
void seats_ended(struct configurator *configurator, uint32_t id, bool in_order);

/* Something has changed, or time has gone by: goes on with what is being done. */
void seats_look(struct configurator *configurator);

/* Whether time going by matters. */
bool seats_have_work(const struct configurator *configurator);

/* Whether a controller is there to be given something to do that takes time. */
bool seat_takes_jobs(const struct configurator *configurator, uint32_t id);

/* Whether a life is beginning in any seat: until it runs, what controllers know of volumes must not
 * change. */
bool seats_are_starting(const struct configurator *configurator);

#endif
