/*
 * Where a controller runs and where its memory lies.
 */
#ifndef CONTROLLER_CONFIG_PLACEMENT_H
#define CONTROLLER_CONFIG_PLACEMENT_H

#include "controller/config/config.h"
#include "shm/segment.h"

/* In a controller's process, before it touches its buffers: PLACEMENT_AUTO binds it to a node where
 * the machine has several, PLACEMENT_SPREAD to one processor and its node. What the system does not
 * allow is left undone. */
void placement_apply(enum config_placement placement, const struct segment *segment, uint32_t id);

#endif
