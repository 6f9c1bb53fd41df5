/*
 * Somebody who uses the tools while hosts work: fails elements, replaces their images, scrubs.
 */
#ifndef TESTS_SIM_OPERATOR_H
#define TESTS_SIM_OPERATOR_H

#include "tests/sim/world.h"

/* From now on, if the plan says so, until there are no faults any more. */
void operator_begin(struct world *world);
void operator_end(struct world *world);

#endif
