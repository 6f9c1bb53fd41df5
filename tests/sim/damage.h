/*
 * Damage: bytes that change on an image by themselves.
 */
#ifndef TESTS_SIM_DAMAGE_H
#define TESTS_SIM_DAMAGE_H

#include "tests/sim/world.h"

/* Changes some bytes of one member of a redundant volume, on an element with checksums, where there
 * is one: no host may see that. Only when the array has just started after an end in order, so that
 * all checksums are known, and nothing was written since. */
void damage_some(struct world *world);

#endif
