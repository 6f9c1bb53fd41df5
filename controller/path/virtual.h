/*
 * Virtual volumes as a controller sees them: their layouts, computed once, and which of their
 * members are stale.
 */
#ifndef CONTROLLER_PATH_VIRTUAL_H
#define CONTROLLER_PATH_VIRTUAL_H

#include "controller/layout/layout.h"
#include "shm/mapping.h"

struct controller;

struct virtual_volume {
    uint32_t volume;
    struct volume_record *record; /* in shared memory */
    const struct member_record *members;
    struct layout layout;
    uint64_t starts[MEMBERS_MAX + 1];    /* concat: layout.starts */
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

/* Mask of members whose data is stale. */
static inline uint32_t virtual_failed(const struct virtual_volume *virtual)
{
    /* Pairs with virtual_fail: who was answered after a member was left out also leaves it out. */
    return load_acquire(&virtual->record->members_failed);
}

/* Those of them that are not known to be marked in the superblocks of all others. 0 where nothing
 * is marked: the volume is read-only. */
static inline uint32_t virtual_unmarked(const struct virtual_volume *virtual)
{
    uint32_t failed = virtual_failed(virtual);

    if (failed == 0 || virtual->record->marked == 0)
        return 0;
    /* pairs with virtual_set_marked */
    return failed & ~load_acquire(&virtual->record->members_marked);
}

/* They are. Wait-free but for others who do the same. */
void virtual_set_marked(const struct virtual_volume *virtual, uint32_t members);

/* Whether every byte of the volume can still be had without these members. */
bool virtual_bears(const struct layout *layout, uint32_t failed);

/* Marks members as stale, and says so on stderr. False when the volume cannot do without them as
 * well: then nothing was changed. Any controller, at any time. Wait-free but for others who do the
 * same. */
bool virtual_fail(struct controller *controller, const struct virtual_volume *virtual,
                  uint32_t members);

#endif
