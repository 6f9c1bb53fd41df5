/*
 * Machines: the controllers of a simulation, each a fiber with a loop of its own, and the scheduler
 * that draws whose turn it is.
 */
#ifndef TESTS_SIM_MACHINE_H
#define TESTS_SIM_MACHINE_H

#include "tests/sim/host.h"
#include "tests/sim/world.h"

enum machine_state {
    MACHINE_READY,
    MACHINE_ASLEEP, /* in loop_turn, until something completes or its alarm rings */
    MACHINE_DEAD,
    MACHINE_ENDED, /* controller_run has returned */
};

/* What is left of an earlier life in the same seat: its memory, which outlives it. */
struct past_life {
    struct past_life *next;
    struct fiber *fiber;
    struct controller *controller;
    struct asked *asked;
};

struct machine {
    struct world *world;
    uint32_t id;
    enum machine_state state;
    struct fiber *fiber;
    struct loop *loop;
    struct controller *controller;
    struct host host;
    struct past_life *past; /* lives that are over */
    int control_end;        /* of its control channel */
    int lifeline;           /* the writing end of its own */
    int run_status;
    uint64_t stuck_since_ns, stuck_until_ns;
    char stuck_as;       /* a letter of proc(5) */
    uint64_t steps_left; /* then it dies; 0: it does not */
    struct event alarm;
    struct event death_heard; /* by the configuration controller */

    /* its eventfd */
    struct event doorbell_heard;
    struct completion *doorbell;
    bool doorbell_rung;
};

/* Descriptors of this simulation: what is behind them is known by their numbers alone. */
enum {
    SIM_FD_DOORBELL = 10000, /* + seat */
    SIM_FD_LIFELINE = 11000, /* + end of a pipe */
    SIM_FD_NOTICE = 12000,   /* of the configuration controller */
    SIM_FD_ELEMENT = 13000,  /* + image */
    SIM_FD_WITNESS = 13500,  /* + image */
    SIM_FD_CHANNEL = 14000,  /* + end of a control channel */
    SIM_FD_TIMER = 15000,    /* of the configuration controller: + number */
    SIM_FD_PROCESS = 16000,  /* pidfds: + seat */
};

/* Makes the controller of a seat and its fiber; the control channel's end and the lifeline's are
 * its own from then on. Aborts when it cannot be made. */
void machine_start(struct machine *machine, const struct controller_start *start, int lifeline);

/* Whether it runs, or will. */
static inline bool machine_lives(const struct machine *machine)
{
    return machine->state != MACHINE_DEAD && machine->state != MACHINE_ENDED;
}

/* Whether it dies in this life, and when. */
void machine_draw_death(struct machine *machine);

/* It is killed at once: from outside, or, from within its fiber, without returning. */
void machine_kill(struct machine *machine);

/* Its memory is given back; its I/O has landed. */
void machine_free(struct machine *machine);

/* Within its fiber: the end of a turn, asleep until `until_ns` (UINT64_MAX: until it is woken) or
 * ready at once. */
void machine_end_turn(struct machine *machine, bool asleep, uint64_t until_ns);
void machine_wake(struct machine *machine);

/* Within its fiber: others may run now. */
void machine_give_way(struct machine *machine);

/* What rings a doorbell: it is heard a little later. */
void machine_ring(struct machine *machine);
void machine_listen(struct machine *machine, struct completion *completion);

/* Lets time pass and controllers run until `reached`, for at most limit_ns. False, and the run has
 * failed: that is too long, or nothing is left that could happen. */
bool machines_run_until(struct world *world, bool (*reached)(struct world *world),
                        uint64_t limit_ns);

/* The same, one step at a time. False: nothing happens before end_ns, which it is now. */
bool machines_step_before(struct world *world, uint64_t end_ns);

/* The machine that runs, or NULL. */
struct machine *machine_running(void);

#endif
