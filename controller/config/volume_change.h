/*
 * Volumes of a running array (claim 10): created and deleted by the configuration controller alone.
 *
 * One change at a time, in the order in which they were asked for. Each is checked as a part of the
 * whole configuration first (config_change.h); then it is made in steps, most of which ask
 * controllers something and go on when all that are alive have answered. A step that fails undoes
 * those before it, in reverse order: then nothing has changed.
 *
 *      create   ENTER    the record is filled; only we know it
 *               HIDE     members that hosts see are hidden; no host has one
 *               CLEAR    plain: superblocks claim nothing where hosts may write from now on
 *               ANNOUNCE redundant: its first run, in the superblocks of all members
 *               RUN      redundant: it has begun, there too
 *               ADD      every controller is ready for commands on it
 *               PUBLISH  hosts find it, at every port; the configuration is the new one
 *      delete   WITHDRAW hosts find it no more
 *               RELEASE  no host has it, and nothing is executed on it
 *               DROP     every controller has forgotten it
 *               LEAVE    redundant: superblocks know it no more
 *               FORGET   its members are shown again, its record is free; the configuration is the
 *                        new one
 *
 * A controller that dies meanwhile counts as one that has answered: nobody sees what it knew.
 */
#ifndef CONTROLLER_CONFIG_VOLUME_CHANGE_H
#define CONTROLLER_CONFIG_VOLUME_CHANGE_H

#include <stdbool.h>

#include "controller/config/config.h"

struct configurator;
struct volume_change;

/* The change is made (error NULL), or nothing has changed (error: why). */
typedef void volume_changed(void *context, const struct config_error *error);

struct volume_changes {
    struct volume_change *first, *last; /* the first one is being made */
    bool *used;                         /* records that are not free, by number; NULL: none was
                                           looked at yet */
    struct config *config;              /* the array's since the first change; NULL: none */
};

/* `entry` is one entry of volumes, as YAML on one line. `changed` is called exactly once, before
 * this returns or from a later turn. */
void volume_create(struct configurator *configurator, const char *entry, volume_changed *changed,
                   void *context);

void volume_delete(struct configurator *configurator, const char *name, volume_changed *changed,
                   void *context);

/* Nothing that changes had to wait for is under way any more: the first one begins. */
void volume_changes_look(struct configurator *configurator);

/* When nobody answers any more. */
void volume_changes_done(struct configurator *configurator);

#endif
