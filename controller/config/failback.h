/*
 * Failback: elements that were taken over, or moved, go back to the controller that the
 * configuration names, when that begins another life (takeover: {failback: auto}). One at a time,
 * as anyport element move does it; one that cannot be moved stays where it is, which is said on
 * stderr. What stands in the way only for now (a volume is being changed, commands that do not end)
 * is tried again, once a second.
 */
#ifndef CONTROLLER_CONFIG_FAILBACK_H
#define CONTROLLER_CONFIG_FAILBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/limits.h"

struct configurator;

struct failback {
    uint32_t lives[CONTROLLERS_MAX]; /* epochs of those that were looked at; 0: none yet */
    bool *wanted;                    /* by element: it is to go back */
    bool moving;                     /* one of them is on its way */
    uint32_t element;                /* which */
    uint64_t again_ns;               /* nothing is tried before; 0: at once */
};

/* 0 or -ENOMEM. */
int failback_init(struct configurator *configurator);
void failback_done(struct configurator *configurator); /* nothing made yet is allowed */

/* Something has changed (a controller runs), or time has gone by: begins what is to be begun. */
void failback_look(struct configurator *configurator);

/* Whether time going by matters. */
bool failback_has_work(const struct configurator *configurator);

#endif
