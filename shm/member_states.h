/*
 * Which members of a redundant volume hold all that was answered: the words in shared memory, how
 * they change, and what superblocks are to say of them.
 *
 * A member is in one of three states:
 *
 *                 read    written                          in `failed`  in `rebuilding`
 *      good       yes     yes                              no           no
 *      rebuilding no      yes, so that what is rebuilt     yes          yes
 *                         already stays up to date
 *      absent     no      no                               yes          no
 *
 * Both masks are one word (members_now), so that each change is one compare-and-swap:
 *
 *      good, rebuilding -> absent      by any controller, before the write that the member missed
 * is answered (virtual_fail) absent -> rebuilding            by the configuration controller, while
 * nothing is rebuilt rebuilding -> good              by whoever runs the rebuild, when it is
 * complete
 *
 * The cursor, rebuilt_bytes, counts from the beginning of the members; it is one for all that are
 * being rebuilt, and only grows while there are any. It is 0 before `rebuilding` gets a bit, so who
 * sees the bit sees a cursor of that rebuild or a later one.
 *
 * What must be durable. Before a write that left members out is answered, the superblocks of all
 * others say that those are absent. `members_marked` is the part of the absent that is known to be
 * durable. Within a run (controller/superblock/standing.h) members only become absent, so it only
 * grows, and whoever completed a marking that began with some absent members may add them. What
 * makes a member less absent is a new run: its beginning takes bits out of `members_marked`. The
 * word therefore names its run, counted from the start of the array (generation), and a marking
 * that began in an earlier run adds nothing.
 *
 * A new run is announced in all superblocks, and then entered in all; whoever rebuilds does both,
 * at the beginning of a rebuild and at its end:
 *
 *      rebuilding gets its bits    configuration controller
 *      announce, mark              -> superblocks: next run; nothing else has changed
 *      enter, mark                 -> the run; the members are failed and being rebuilt, from 0 on
 *      ... pieces; now and then: flush, mark -> how far
 *      flush, announce, mark       -> next run
 *      enter with `completing`     -> the run; the members have not failed
 *      complete                    in memory: they are good
 *
 * Why each of these steps may be the last one before everything is killed is said in standing.h.
 */
#ifndef SHM_MEMBER_STATES_H
#define SHM_MEMBER_STATES_H

#include "shm/layout.h"

struct member_states {
    uint32_t failed;
    uint32_t rebuilding; /* some of them */
};

static inline struct member_states member_states_unpack(uint64_t word)
{
    return (struct member_states){.failed = (uint32_t)word,
                                  .rebuilding = (uint32_t)(word >> 32) & (uint32_t)word};
}

static inline uint64_t member_states_pack(struct member_states states)
{
    return (uint64_t)states.rebuilding << 32 | states.failed;
}

static inline struct member_states member_states_now(struct volume_record *record)
{
    /* Pairs with the swaps: who was answered after a member was left out also leaves it out; and
     * who sees one being rebuilt sees that the cursor has begun. */
    return member_states_unpack(load_acquire(&record->members_now));
}

static inline uint32_t member_states_absent(struct member_states states)
{
    return states.failed & ~states.rebuilding;
}

/* One step; *expected is updated when somebody else was faster. */
bool member_states_swap(struct volume_record *record, struct member_states *expected,
                        struct member_states desired);

/* How far the members that are being rebuilt hold all, counted from their beginning. */
static inline uint64_t member_states_rebuilt_bytes(struct volume_record *record)
{
    /* pairs with member_states_set_rebuilt */
    return load_acquire(&record->rebuilt_bytes);
}

/* By whoever rebuilds, while it holds the reservation of what lies below `bytes`. */
void member_states_set_rebuilt(struct volume_record *record, uint64_t bytes);

/* --- marking --- */

/* A marking: read before the first superblock is written. */
struct member_marking {
    uint32_t absent;     /* those that it makes durable */
    uint32_t generation; /* the run that it was begun in */
};

struct member_marking member_states_begin_marking(struct volume_record *record);

/* The superblocks of all but marking->absent have been written since it was begun. */
void member_states_set_marked(struct volume_record *record, const struct member_marking *marking);

/* Absent members that are not known to be marked. */
uint32_t member_states_unmarked(struct volume_record *record);

/* What superblocks are to say, as it is now. */
struct member_standing {
    uint64_t run, next_run; /* next_run: 0: none is announced */
    uint32_t failed, rebuilding;
    uint64_t rebuilt_bytes; /* of those that are being rebuilt, durably */
};

struct member_standing member_states_standing(struct volume_record *record);

/* --- a rebuild: its one writer at a time, see above --- */

/* Before the array is up: what superblocks said. */
void member_states_start(struct volume_record *record, const struct member_standing *standing);

/* Those of `members` that are absent are being rebuilt from now on, from 0. Returns which. Nothing
 * else is being rebuilt. */
uint32_t member_states_begin(struct volume_record *record, uint32_t members);

/* The next run is to be announced. Called again (after a death): the same. */
void member_states_announce(struct volume_record *record);
/* The announced run begins, with `completing` (0 at the beginning of a rebuild) entered as good.
 * Called again: nothing happens. */
void member_states_enter(struct volume_record *record, uint32_t completing);

/* All below `bytes` has been flushed on the members that are being rebuilt. */
void member_states_set_flushed(struct volume_record *record, uint64_t bytes);

/* Those of `members` that are still being rebuilt are good. Returns which. */
uint32_t member_states_complete(struct volume_record *record, uint32_t members);

#endif
