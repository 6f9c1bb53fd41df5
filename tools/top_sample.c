#include "tools/top_sample.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "shm/mapping.h"

int top_sample_new(struct top_sample *ret_sample, const struct segment *segment)
{
    const struct segment_geometry *geometry = &segment->geometry;
    struct top_sample sample = {0};

    /* One more of each, because an array may have none of them, and calloc(0) may be NULL. */
    sample.controllers = calloc(geometry->controllers + 1u, sizeof *sample.controllers);
    sample.coordination = calloc(geometry->controllers + 1u, sizeof *sample.coordination);
    sample.links = calloc(top_links_count(segment) + 1u, sizeof *sample.links);
    sample.elements = calloc(geometry->elements + 1u, sizeof *sample.elements);
    sample.volumes = calloc(geometry->volumes + 1u, sizeof *sample.volumes);
    sample.caches = calloc(geometry->volumes + 1u, sizeof *sample.caches);
    sample.jobs = calloc(geometry->volumes + 1u, sizeof *sample.jobs);
    if (sample.controllers == NULL || sample.coordination == NULL || sample.links == NULL ||
        sample.elements == NULL || sample.volumes == NULL || sample.caches == NULL ||
        sample.jobs == NULL) {
        top_sample_done(&sample);
        return -ENOMEM;
    }
    *ret_sample = sample;
    return 0;
}

void top_sample_done(struct top_sample *sample)
{
    free(sample->controllers);
    free(sample->coordination);
    free(sample->links);
    free(sample->elements);
    free(sample->volumes);
    free(sample->caches);
    free(sample->jobs);
    *sample = (struct top_sample){0};
}

static void copy_links(struct top_sample *sample, const struct segment *segment)
{
    uint32_t controllers = segment->geometry.controllers;

    for (uint32_t i = 0; i < top_links_count(segment); i++) {
        uint32_t pair = i / FABRICS;
        const struct link *link =
            segment_link(segment, pair / controllers, pair % controllers, i % FABRICS);
        link_values_read(&sample->links[i], &link->counters);
    }
}

void top_sample_take(struct top_sample *sample, const struct segment *segment)
{
    const struct segment_geometry *geometry = &segment->geometry;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    sample->ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    for (uint32_t i = 0; i < geometry->controllers; i++) {
        const struct seat *seat = segment_seat(segment, i);
        controller_values_read(&sample->controllers[i], &seat->counters);
        coordination_values_read(&sample->coordination[i], &seat->coordination);
    }
    copy_links(sample, segment);
    for (uint32_t i = 0; i < geometry->elements; i++)
        io_values_read(&sample->elements[i], &segment_element(segment, i)->counters);
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        volume_values_read(&sample->volumes[i], segment, i);
        cache_values_read(&sample->caches[i], segment, i);
        job_values_read(&sample->jobs[i], segment, i);
    }
}
