/*
 * The status of an array as JSON, made from its segment: the same whether the configuration
 * controller or a tool with a read-only view makes it.
 */
#ifndef TOOLS_STATUS_JSON_H
#define TOOLS_STATUS_JSON_H

#include <jansson.h>

#include "shm/segment.h"

enum { STATUS_VERSION = 1 };

/* {"version", "array", "controllers": [...], "elements": [...], "volumes": [...], "links": [...],
 * "coordination": {...}}.
 * A new reference, or NULL without memory. */
json_t *status_json(const struct segment *segment);

/* {"version", KEY: [...]}, of the same objects. */
json_t *status_json_controllers(const struct segment *segment);
json_t *status_json_elements(const struct segment *segment);
json_t *status_json_links(const struct segment *segment);
json_t *status_json_volumes(const struct segment *segment);

#endif
