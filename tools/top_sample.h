/*
 * A sample: all counters of an array as they were at one look. Read from the segment, at no cost to
 * the controllers.
 */
#ifndef TOOLS_TOP_SAMPLE_H
#define TOOLS_TOP_SAMPLE_H

#include "shm/segment.h"
#include "tools/job_values.h"
#include "tools/top_rates.h"

struct top_sample {
    uint64_t ns; /* CLOCK_MONOTONIC */
    struct controller_values *controllers;
    struct coordination_values *coordination; /* by controller */
    struct link_values *links;                /* by source, target, fabric */
    struct io_values *elements;
    struct io_values *volumes;
    struct cache_values *caches; /* by volume */
    struct job_values *jobs;     /* as well */
};

/* Room for the counters of this array, all 0. -ENOMEM: nothing is kept. */
int top_sample_new(struct top_sample *ret_sample, const struct segment *segment);
void top_sample_done(struct top_sample *sample); /* a zeroed struct is allowed */

void top_sample_take(struct top_sample *sample, const struct segment *segment);

static inline uint32_t top_links_count(const struct segment *segment)
{
    return segment->geometry.controllers * segment->geometry.controllers * FABRICS;
}

#endif
