/*
 * Rebuilds, as the configuration controller sees to them: which absent members are to be made anew,
 * and who does it (controller/recovery/job.h). What a job is at stands in the volume's record; what
 * is kept here is only what has been asked for and not begun yet.
 *
 *      wanted -> being rebuilt (member_states_begin) -> fence in all controllers -> job started in
 * one
 *
 * At most REBUILDS_MAX volumes are at it at once, so that an element may have members of any number
 * of volumes: the next is begun when one has ended.
 *
 * A controller that has as many jobs as it can run says so: the volume's goes on WAITING, and is
 * asked for again when a job has ended, wherever. When the controller that runs a job dies, another
 * one is asked. Jobs that were under way when the
 * array was stopped, or killed, are started again when it runs.
 */
#ifndef CONTROLLER_CONFIG_REBUILDS_H
#define CONTROLLER_CONFIG_REBUILDS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

struct rebuilds {
    struct volume_rebuild {
        struct configurator *configurator;
        uint32_t volume;
        uint32_t wanted; /* mask of members */
        bool asking;     /* controllers have been asked, and have not answered */
        bool look_again; /* something has changed since then */
    } * all;             /* by volume */
};

/* 0 or -ENOMEM. The segment is there. */
int rebuilds_init(struct configurator *configurator);
void rebuilds_done(struct configurator *configurator); /* nothing made yet is allowed */

/* Members of a redundant volume are to be made anew as soon as none of it is being made. */
void rebuilds_want(struct configurator *configurator, uint32_t volume, uint32_t members);

/* The volume is no more: what was wanted for it is not wanted of another one with its number. */
void rebuilds_forget(struct configurator *configurator, uint32_t volume);

/* Something has changed (a controller has died, a job has ended, the array runs): starts what can
 * be started. */
void rebuilds_look(struct configurator *configurator);

#endif
