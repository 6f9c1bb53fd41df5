/*
 * Coordination as JSON: what a controller counted of it, and how full the table is.
 */
#ifndef TOOLS_COORDINATION_JSON_H
#define TOOLS_COORDINATION_JSON_H

#include <jansson.h>

#include "shm/segment.h"

/* {"granted", "released", ..., "held_histogram": [...]}: what the controller at `seat` counted; the
 * histogram without the zeroes at its end. A new reference, or NULL without memory. */
json_t *coordination_json_controller(const struct segment *segment, uint32_t seat);

/* {"policy", "region", "reservations", "held_commands", "region_structures": {"used", "all"},
 * "total": the sums over all controllers}. Walks the table as it is now. A new reference, or NULL
 * without memory. */
json_t *coordination_json(const struct segment *segment);

#endif
