/*
 * Elements of the simulation: which image is behind one.
 */
#ifndef TESTS_SIM_SIM_ELEMENT_H
#define TESTS_SIM_SIM_ELEMENT_H

#include "tests/sim/image.h"

/* The image of an open element. */
struct image *sim_image_of(const struct element *element);

#endif
