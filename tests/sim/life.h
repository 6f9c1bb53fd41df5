/*
 * A life of the array: what the configuration controller does, and the faults that come from
 * outside.
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

/* Called by machines: one was killed; one is gone, which its lifelines and the configuration
 * controller hear. */
void life_lost_controller(struct machine *machine);
void life_hears_end(struct machine *machine);

/* From now on in this life, a command may fail because a controller's elements are out of reach. */
void life_lost_reach(struct world *world, uint32_t controller);

/* All controllers look at what the configuration controller has written. */
void life_publish_membership(struct world *world);

#endif
