/*
 * Standing: which members of a redundant volume may be trusted, from what the superblocks of all of
 * them say. Pure.
 *
 * A volume's run is counted up each time the array is started on it, in the records of all members.
 * In a run the mask of failed members only grows, and before a write that left members out is
 * answered, all others have them in their masks, durably (path/split_mark.c). So:
 *
 *  1. A member whose record is of an earlier run than another's was not there when later writes
 *     were answered (an image from a backup, or one that was put away meanwhile): it is stale.
 *  2. A member that any record of the latest run calls failed is stale.
 *  3. Every other member holds all that was answered. Masks of one run may differ, because the
 *     array may have been killed between the markings of two members. That says nothing against the
 *     one that was not reached: the write that it was about had not been answered.
 *  4. A member that has no record where others have one is not known to hold anything: stale.
 *
 * A start must not make members stale by being killed half-way. It first announces the next run in
 * all records and only then enters it in all of them, before any host is served: a record that
 * announces the latest run stands as well as one that is of it.
 */
#ifndef CONTROLLER_SUPERBLOCK_STANDING_H
#define CONTROLLER_SUPERBLOCK_STANDING_H

#include "controller/superblock/superblock.h"

struct standing {
    bool is_new;      /* no host was ever served: `silent` alone is to be looked at */
    uint64_t run;     /* the latest; 0: new */
    uint32_t stale;   /* mask of members that must not be read: the three below together */
    uint32_t named;   /* the latest run calls them failed */
    uint32_t earlier; /* of an earlier run */
    uint32_t silent;  /* without a record */
};

/* `records` are those of the volume's members, by place; NULL: it has none. 1 to MEMBERS_MAX. */
struct standing standing_of(const struct superblock_member *const *records, uint32_t members);

/* Whether what two records say of their volume, and of the member, is the same. */
bool standing_same_volume(const struct superblock_member *one,
                          const struct superblock_member *other);

#endif
