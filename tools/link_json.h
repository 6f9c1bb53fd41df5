/*
 * Links as JSON: what is injected, what they have carried, and what a model has made of it.
 */
#ifndef TOOLS_LINK_JSON_H
#define TOOLS_LINK_JSON_H

#include <jansson.h>

#include "shm/segment.h"

/* Of fabrics, by number. */
extern const char *const link_fabric_names[FABRICS];

/* All links, as an array; a new reference, NULL without memory. */
json_t *link_json_all(const struct segment *segment);

/* What was configured of the interconnect. */
json_t *link_json_interconnect(const struct segment *segment);

#endif
