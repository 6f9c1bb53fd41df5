/*
 * The superblocks of a configuration's images: which images have one, whether they are those that
 * the configuration means, and which members of redundant volumes are stale.
 *
 * Three steps, of which only the last writes: look, judge, write. An image is refused rather than
 * trusted: one without a superblock where a redundant volume needs it, one of another array or of
 * another element, a member of another volume or at another place.
 */
#ifndef CONTROLLER_CONFIG_SUPERBLOCKS_H
#define CONTROLLER_CONFIG_SUPERBLOCKS_H

#include "controller/config/images.h"

/* Whether this element must have a superblock: a new image gets one, an old one is refused without.
 */
bool superblocks_wanted(const struct config_element *element);

/* What is behind the data of the element's image, if it is created: all 0 where it is bare. */
struct tail superblocks_new_tail(const struct config_element *element);

/* Reads those of the images that exist, sets their tails apart, and makes, in memory, those of
 * images that are missing. 0, or -errno and *ret_error. */
int superblocks_look(const struct config *config, struct images *images,
                     struct config_error *ret_error);

/* Fills in images->standings and what the superblocks are to say of the members. The sizes of
 * volumes have been checked. 0, or -errno and *ret_error. */
int superblocks_judge(const struct config *config, struct images *images,
                      struct config_error *ret_error);

/* Announces and enters the new run, durably (standing.h). All images exist by now. 0, or -errno and
 * *ret_error. */
int superblocks_write(const struct config *config, struct images *images,
                      struct config_error *ret_error);

/* Says on stderr which volumes are degraded from the beginning, and why. */
void superblocks_say_stale(const struct config *config, const struct images *images);

#endif
