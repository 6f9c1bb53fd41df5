/*
 * Starting without an image: of an element that says missing-ok, and whose volumes can do without.
 */
#ifndef CONTROLLER_CONFIG_ABSENCES_H
#define CONTROLLER_CONFIG_ABSENCES_H

#include "controller/config/images.h"

/* After all volumes have been judged: which of the missing images are not to be created, because a
 * volume on them was started before. 0, or -errno and *ret_error: a volume needs such an image. */
int absences_check(const struct config *config, struct images *images,
                   struct config_error *ret_error);

#endif
