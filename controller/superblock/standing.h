/*
 * Standing: which members of a redundant volume may be trusted, from what the superblocks of all of
 * them say. Pure.
 *
 * A volume's run is counted up each time the array is started on it, and when members are rebuilt
 * at the beginning and at the end of that, in the records of all members. In a run the mask of
 * failed members only grows, and the mask of those of them that are being rebuilt only shrinks; and
 * before a write that left members out is answered, all others have them in the first and not in
 * the second, durably (path/split_mark.c). So:
 *
 *  1. A member whose record is of an earlier run than another's was not there when later writes
 *     were answered (an image from a backup, or one that was put away meanwhile): it is stale.
 *  2. A member that any record of the latest run calls failed is stale.
 *  3. Every other member holds all that was answered. Masks of one run may differ, because the
 *     array may have been killed between the markings of two members. That says nothing against the
 *     one that was not reached: the write that it was about had not been answered.
 *  4. A member that has no record where others have one is not known to hold anything: stale.
 *
 *  5. A stale member goes on being rebuilt, from the least position that any record names, where
 * its own record and those of all that are not stale say that it is being rebuilt. If one of them
 *     does not, it may have missed a write below that position. Its own record must, because the
 *     image may be another one than was being rebuilt: what was put in its place, or what it was
 * put in the place of, is of an earlier run, since each rebuild begins with a new one.
 *
 * A new run must not make members stale by being killed half-way. It is first announced in all
 * records and only then entered in all of them: a record that announces the latest run stands as
 * well as one that is of it. A start does both before any host is served. A rebuild does it while
 * hosts write, and any marking meanwhile enters the run as well, in a record that announces it:
 *
 *      killed when               the latest run says     which is right, because
 *      the beginning is          failed, being rebuilt   the position is 0 until it has been
 * entered announced, or entered     from 0                  in all pieces are made failed, being
 * rebuilt   the position was durable on the members from the position       before it was named the
 * end is announced      the same the end is entered in     good                    it held
 * everything, durably, before the end some                                              was
 * announced, and has had every write since: one that it missed is not answered before all others
 * name it failed, in the new run
 */
#ifndef CONTROLLER_SUPERBLOCK_STANDING_H
#define CONTROLLER_SUPERBLOCK_STANDING_H

#include "controller/superblock/superblock.h"

struct standing {
    bool is_new;            /* no host was ever served: `silent` alone is to be looked at */
    uint64_t run;           /* the latest; 0: new */
    uint32_t stale;         /* mask of members that must not be read: the three below together */
    uint32_t named;         /* the latest run calls them failed */
    uint32_t earlier;       /* of an earlier run */
    uint32_t silent;        /* without a record */
    uint32_t rebuilding;    /* mask of stale members that may go on being rebuilt */
    uint64_t rebuilt_bytes; /* from here on */
};

/* `records` are those of the volume's members, by place; NULL: it has none. 1 to MEMBERS_MAX. */
struct standing standing_of(const struct superblock_member *const *records, uint32_t members);

/* Whether what two records say of their volume, and of the member, is the same. */
bool standing_same_volume(const struct superblock_member *one,
                          const struct superblock_member *other);

#endif
