/*
 * Resyncs, as the configuration controller sees to them: volumes whose members may differ since an
 * end without order are made equal by a job (controller/recovery/job.h) as soon as the array runs.
 */
#ifndef CONTROLLER_CONFIG_RESYNCS_H
#define CONTROLLER_CONFIG_RESYNCS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

struct volume_resync {
    struct configurator *configurator;
    uint32_t volume;
    bool asking; /* a controller has been asked, and has not answered */
};

/* By volume: configurator->resyncs. 0 or -ENOMEM. The segment is there. */
int resyncs_init(struct configurator *configurator);
void resyncs_done(struct configurator *configurator); /* nothing made yet is allowed */

/* Something has changed (the array runs, a controller has died, a job has ended): starts what is to
 * be started and is not under way. */
void resyncs_look(struct configurator *configurator);

#endif
