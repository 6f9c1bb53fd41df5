/*
 * Fibers: functions that run on stacks of their own and give way only where they say so. Each
 * controller of a simulation is one. One thread has them all.
 */
#ifndef TESTS_SIM_FIBER_H
#define TESTS_SIM_FIBER_H

struct fiber;

/* A fiber that will run `main(argument)` when it is resumed first. Aborts without memory. */
struct fiber *fiber_new(void (*main)(void *argument), void *argument);

/* Runs it from where it gave way until it gives way again, or its main returns. Not from within a
 * fiber. */
void fiber_resume(struct fiber *fiber);

/* Within a fiber: back to who resumed it. Returns when it is resumed again; never, if it is freed
 * instead. */
void fiber_give_way(void);

/* Within a fiber? */
int fiber_is_running(void);

/* Its stack is used again; what it held otherwise is its maker's to free. NULL is allowed. */
void fiber_free(struct fiber *fiber);

#endif
