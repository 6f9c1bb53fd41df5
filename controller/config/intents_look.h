/*
 * What the images say about an end without order: in which regions the members of a redundant
 * volume may differ, because writes were under way there (controller/integrity/intents.h).
 */
#ifndef CONTROLLER_CONFIG_INTENTS_LOOK_H
#define CONTROLLER_CONFIG_INTENTS_LOOK_H

#include "controller/config/images.h"

/* Fills in images->doubtful: by volume, in how many regions its members may differ; those that are
 * stale do not count. The standings are known. 0, or -errno and *ret_error: also where something of
 * it may be lost, and nobody has accepted that (losses.h). Looks only. */
int intents_look(const struct config *config, struct images *images,
                 struct config_error *ret_error);

#endif
