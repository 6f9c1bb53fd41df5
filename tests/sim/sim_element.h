/*
 * Elements of the simulation: which image is behind one.
 */
#ifndef TESTS_SIM_SIM_ELEMENT_H
#define TESTS_SIM_SIM_ELEMENT_H

#include "tests/sim/image.h"

/* The image of an open element. */
struct image *sim_image_of(const struct element *element);

/* The one at this path, or NULL. */
struct image *sim_image_at(const char *path);

/* Somebody has it open, or I/O of somebody who had it is on its way. */
bool sim_image_is_used(const struct image *image);

/* Descriptors of images, which count for who runs: a controller, or the configuration controller. A
 * copy is on its way to another process: it is nobody's until sim_element_take. */
void sim_element_share(int fd);
void sim_element_take(int fd);
void sim_element_close(int fd);

/* The configuration controller's goes to a controller. */
void sim_element_hand_over(int fd, uint32_t controller);

/* A controller is gone, and all that it had open. */
void sim_element_forget(uint32_t controller);

#endif
