/*
 * The job of a virtual volume as JSON: what it is at, its rate since its controller began, and what
 * is left of the time at that rate.
 */
#ifndef TOOLS_JOB_JSON_H
#define TOOLS_JOB_JSON_H

#include <jansson.h>

#include "shm/segment.h"

/* A new reference, or NULL: the volume never had a job, or there is no memory. */
json_t *job_json(const struct segment *segment, uint32_t volume, uint64_t now_ns);

#endif
