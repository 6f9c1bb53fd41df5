/*
 * A life of the array: how it begins and ends, and the faults that come from outside.
 */
#ifndef TESTS_SIM_LIFE_H
#define TESTS_SIM_LIFE_H

#include "tests/sim/machine.h"

/* Starts the array on the images that are there, or on none. All controllers run when it returns
 * true; else the run has failed. */
bool life_start(struct world *world);

/* From now on, until life_end_faults. */
void life_begin_faults(struct world *world);
void life_end_faults(struct world *world);

/* Ends it, in one of three ways; all that it had in memory is gone then. Ending in order wants all
 * hosts to be done. */
void life_end(struct world *world, enum sim_end end);

/* Called by a machine that was killed. */
void life_lost_controller(struct machine *machine);

/* From now on in this life, a command may fail because a controller's elements are out of reach. */
void life_lost_reach(struct world *world, uint32_t controller);

/* The same of one element. */
void life_lost_element(struct world *world, uint32_t element);

/* Where somebody died and nobody is left who takes over, all may fail, and what caches held is
 * lost. */
void life_look_who_takes(struct world *world);

#endif
