/*
 * Virtual volumes as a controller sees them: their layouts, computed once, and which of their
 * members are stale.
 */
#ifndef CONTROLLER_PATH_VIRTUAL_H
#define CONTROLLER_PATH_VIRTUAL_H

#include "controller/layout/layout.h"
#include "shm/mapping.h"
#include "shm/member_states.h"

struct controller;

struct virtual_volume {
    uint32_t volume;
    struct volume_record *record; /* in shared memory */
    const struct member_record *members;
    struct layout layout;
    uint64_t journal_tag;             /* by which journals know it (controller/journal/record.h) */
    uint64_t starts[MEMBERS_MAX + 1]; /* concat: layout.starts */
    uint8_t preferred_copy[MEMBERS_MAX]; /* for each mirror set */
};

/* All that there are, in private memory: 0, -ENOMEM, or -EPROTO where the table is damaged.
 * controller->virtuals is by volume; NULL: a plain one. */
int virtuals_new(struct controller *controller);
void virtuals_free(struct controller *controller);

/* One that is new: 0, -ENOMEM, or -EPROTO. There is none of this number. */
int virtual_add(struct controller *controller, uint32_t volume);

/* No command knows it any more. One that there is not is allowed. */
void virtual_drop(struct controller *controller, uint32_t volume);

/* The volume as a virtual one, or NULL: it is plain, or there is none. */
const struct virtual_volume *virtual_find(const struct controller *controller, uint32_t volume);

/* Mask of members that are not read: they hold not all that was answered. */
static inline uint32_t virtual_failed(const struct virtual_volume *virtual)
{
    return member_states_now(virtual->record).failed;
}

/* Mask of members that are not written: those of them that are not being rebuilt. */
static inline uint32_t virtual_absent(const struct virtual_volume *virtual)
{
    return member_states_absent(member_states_now(virtual->record));
}

/* Whether every byte of the volume can still be had without these members. */
bool virtual_bears(const struct layout *layout, uint32_t failed);

/* Members have missed a write: they are absent from now on, and it is said on stderr. False when
 * the volume cannot do without them as well: then only those of them that were being rebuilt are
 * absent. Any controller, at any time. Wait-free but for others who do the same. */
bool virtual_fail(struct controller *controller, const struct virtual_volume *virtual,
                  uint32_t members);

/* Members may hold different bytes somewhere, and none of them is known to be the one that lacks
 * something: intents stay meant at the end of the array, and a resync makes them equal as soon as
 * that can be. Any controller, at any time; wait-free. */
void virtual_doubt(struct controller *controller, const struct virtual_volume *virtual);

#endif
