/*
 * Scrubs, as the configuration controller sees to them: started when they are asked for, and
 * started again in another controller when the one that ran it has died, or was stopped.
 *
 * A controller that has as many jobs as it can run says so, and so does a control channel with as
 * many requests as it takes: the volume's scrub goes on WAITING, and is asked for again when a job
 * has ended, or a request was answered.
 */
#ifndef CONTROLLER_CONFIG_SCRUBS_H
#define CONTROLLER_CONFIG_SCRUBS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

struct scrubs {
    struct volume_scrub {
        struct configurator *configurator;
        uint32_t volume;
        bool asking;     /* a controller has been asked, and has not answered */
        bool look_again; /* something has changed since then */
        bool fenced;     /* writes that reserve nothing, and began before it, have ended */
    } * all;             /* by volume */
    bool unasked;        /* some could not be asked for, because the channels were full */
};

/* 0 or -ENOMEM. The segment is there. */
int scrubs_init(struct configurator *configurator);
void scrubs_done(struct configurator *configurator); /* nothing made yet is allowed */

/* Starts to compare the members of a volume, or to make them equal: 0, or -errno and *ret_why in
 * words. How far it is, and what it has found, stands in the volume's record. */
int scrub_start(struct configurator *configurator, uint32_t volume, bool repair,
                const char **ret_why);

/* Something has changed (a controller has died, a job has ended): those that wait are started. */
void scrubs_look(struct configurator *configurator);

/* Time has gone by: the same, if channels were full when it was last tried. */
void scrubs_look_at_time(struct configurator *configurator);

#endif
