/*
 * Faults of the interconnect: ring entries that are lost, repeated or out of order, and what the
 * configuration controller injects (shm/link.h): links that fail, lose or delay, and are repaired.
 */
#ifndef TESTS_SIM_LINKS_H
#define TESTS_SIM_LINKS_H

#include "tests/sim/world.h"

/* From now on, links change as the plan says. */
void links_begin_faults(struct world *world);

/* All work again. */
void links_end_faults(struct world *world);

/* Between two steps: entries in rings are disturbed, now and then. */
void links_disturb(struct world *world);

#endif
