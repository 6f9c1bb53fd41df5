/*
 * Reservations: what a command asks of the coordination table (claims 17 and 18).
 *
 *      reserve_start -> GRANTED: execute, then reserve_release
 *                    -> HELD: the command waits, consuming nothing, until notify names its cookie;
 *                       then reserve_continue, which says one of the three again
 *                    -> FULL: no place is left; until notify says RESERVE_COOKIE_FULL; then
 *                       reserve_continue
 *
 * A reservation is for one range of one volume, at most RESERVATION_BYTES_MAX long; it is shared
 * with other shared ones or exclusive. It takes its regions one after the other (region.h says in
 * which order and why nobody waits in a circle), and keeps those it has while it is HELD or FULL at
 * one. First come, first served in each region: who comes later and conflicts with a held command
 * waits behind it.
 *
 * Progress: every call is lock-free and bounded; nobody is waited for, and a process that is killed
 * at any point stops nobody once a survivor has called reserve_recover. Nothing here allocates,
 * makes a system call, or looks at a clock: `now_ns` is the caller's, and counts how long commands
 * were held.
 *
 * Notifications are hints: one may come late, twice or for a command that has been granted since. A
 * caller that lost one (a full ring) may call reserve_continue at any time instead.
 */
#ifndef SHM_RESERVE_H
#define SHM_RESERVE_H

#include "shm/region.h"
#include "shm/segment.h"

enum reserve_verdict { RESERVE_GRANTED, RESERVE_HELD, RESERVE_FULL };

/* Embedded in a command. The caller sets the first part and leaves it alone until the release. */
struct reservation {
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint32_t volume;
    uint32_t cookie; /* the owner's name of its command; not RESERVE_COOKIE_FULL */
    bool exclusive;

    /* Ours. */
    bool published;         /* a word stands in the region number `taken`, not granted yet */
    bool was_held;          /* in that region */
    uint16_t regions;       /* in the range */
    uint16_t taken;         /* of them, granted */
    uint16_t first_step;    /* the region to begin with, counted from the range's first */
    uint32_t generation;    /* of its conflict entry; what a notification says */
    uint64_t held_since_ns; /* valid while was_held */
    uint16_t spots[REGIONS_PER_RESERVATION_MAX]; /* way << 8 | place */
};

/* The table of `segment` as the controller at `seat` uses it. `counters` (its seat's), `notify` and
 * `context` stay the caller's and live as long as `ret_coordination` is used. */
void coordination_init(struct coordination *ret_coordination, const struct segment *segment,
                       uint32_t seat, uint32_t epoch, reserve_notify *notify, void *context,
                       struct coordination_counters *counters);

/* Begins. The range lies within 2^63 bytes, its length is 1 to RESERVATION_BYTES_MAX. */
enum reserve_verdict reserve_start(struct coordination *c, struct reservation *reservation,
                                   uint64_t now_ns);

/* Goes on after HELD or FULL. */
enum reserve_verdict reserve_continue(struct coordination *c, struct reservation *reservation,
                                      uint64_t now_ns);

/* Ends a GRANTED one, and hands its ranges to whoever is held for them. */
void reserve_release(struct coordination *c, struct reservation *reservation);

/* Gives up one that is HELD or FULL, with all that it had taken. Commands of hosts never do: one of
 * a host that has left goes on to its end like any other, which is soon. It is for callers of
 * another kind, as benchmarks and the processes of tests/crash are, and part of what the table
 * promises: whoever is held behind it is told. */
void reserve_cancel(struct coordination *c, struct reservation *reservation);

/* Ends everything that a dead controller had in the table: its reservations, its conflict entries,
 * and what it had begun to do for others. To be called once its I/O has landed, by every survivor
 * that likes, several at a time; and again for it by others when one that was at it died, which
 * makes no difference to what is done already. Walks the whole table. */
void reserve_recover(struct coordination *c, uint32_t dead_seat, uint32_t dead_epoch);

/* What a reader may see in the table. */
enum reserve_view_state {
    RESERVE_VIEW_PENDING,  /* published, no number yet */
    RESERVE_VIEW_RESERVED, /* numbered: granted, or about to be held */
    RESERVE_VIEW_HELD,     /* in the conflict table */
    RESERVE_VIEW_HANDED,   /* handed a reservation, and has not taken it yet */
};

struct reserve_view {
    enum reserve_view_state state;
    uint32_t volume;
    uint32_t seat;
    bool exclusive;
    bool exact;            /* the range is the command's; or else its units in this region */
    uint64_t offset_bytes; /* in the volume */
    uint64_t length_bytes;
    uint64_t since_ns; /* since when it is held; 0 for others */
};

/* Calls `see` for every word in the table, at no cost to anybody but the caller: a snapshot of
 * each, not of all. The table may be mapped for reading only. */
void reserve_walk(const struct region_table *table,
                  void (*see)(void *context, const struct reserve_view *view), void *context);

#endif
