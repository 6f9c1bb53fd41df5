/*
 * What the files of volume_change share: a change that is being made.
 */
#ifndef CONTROLLER_CONFIG_VOLUME_CHANGE_STEPS_H
#define CONTROLLER_CONFIG_VOLUME_CHANGE_STEPS_H

#include "controller/config/configurator.h"
#include "controller/config/volume_change.h"

struct volume_change {
    struct volume_change *next; /* in line */
    struct configurator *configurator;
    bool creates;
    char *text; /* the entry, or the name */
    volume_changed *changed;
    void *context;

    struct config *config;              /* as it is to be */
    const struct config_volume *wanted; /* the volume, in the configuration that has it */
    uint32_t volume;                    /* its number in the mapping table */
    uint32_t members[MEMBERS_MAX];      /* those of its members */
    uint32_t hidden;                    /* mask of members that hosts found before */
    bool redundant;

    const struct volume_step *step;
    bool undoing;
    bool final;                 /* what fails from now on is said, and changes nothing */
    uint32_t at;                /* the member that the step is about; MEMBERS_MAX: the volume */
    enum control_kind question; /* that is asked of the members' owners, one after the other */
    bool tolerant;              /* one that cannot do it is no reason not to go on */
    bool forgets;               /* what is asked of everybody is to forget the volume */
    bool leaks; /* somebody may still know the volume: its record is not used again */
    struct config_error why;
};

/* Each calls volume_change_over, once, now or later. */
struct volume_step {
    void (*run)(struct volume_change *change);
    void (*undo)(struct volume_change *change); /* NULL: there is nothing to undo */
    const char *what;                           /* of a message: "VOLUME: WHAT: why" */
};

extern const struct volume_step volume_create_steps[], volume_delete_steps[];

/* The step has ended. */
void volume_change_over(struct volume_change *change, int status);

/* The volume of this name in a configuration, or NULL. */
const struct config_volume *volume_named(const struct config *config, const char *name);

/* --- the mapping table (volume_change_table.c) --- */

/* Checks what only a running array knows, and fills the record: 0, or -errno and change->why. */
int volume_table_enter(struct volume_change *change);

/* The numbers of the wanted volume's members. */
void volume_table_find_members(struct volume_change *change);

/* Members are hidden, or shown, as the configuration that is to be says; returns a mask of those
 * that hosts could find and now cannot. */
uint32_t volume_table_hide_members(struct volume_change *change, const struct config *config);

/* The record is free. */
void volume_table_free(struct volume_change *change);

#endif
