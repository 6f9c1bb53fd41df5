/*
 * Region structures: the parts of the coordination table (claim 18).
 *
 * A region is an aligned piece of one volume, 1 << region_shift bytes long. Its region structure,
 * found by hash or allocated when absent, holds the reservations in it and the conflict entries of
 * the commands that are held for them. A structure is three things of the same index:
 *
 *      a way in a set      key, closer, claim, wanted      struct region_set has 8 ways
 *      region words        31 lines of 8 words             one word a reservation (order.h)
 *      conflict entries    one a word, cold                who is held for it (conflict.h)
 *
 *      struct region_set                     struct region_words
 *      offset 0    keys[8]                   offset 0    words 0..7      of the whole region
 *      offset 64   closers[8]                offset 64   words 8..15     of cell 0
 *      offset 128  claims[8]                 ...
 *      offset 192  wanted[8]                 offset 1024 words 128..135  of cell 15
 *                                            offset 1088 words 136..247  of a crowd, wherever it is
 *                                            offset 1984 crowd
 *
 *      key         1..0 state, and then by state:
 *                  EMPTY       63..2 anything; 0: never used
 *                  ALLOCATING  63..16 nonce | 15..8 epoch | 7..2 seat; the region is in `claim`
 *                  LIVE        63..19 index of the region in its volume | 18..2 volume
 *                  CLOSING     the same
 *      closer      0, or 63..32 nonce | 31 one | 15..8 epoch | 7..0 seat of who may change the key
 *                  from EMPTY, and from LIVE
 *      claim       the key that will be LIVE; its writer is the closer, while the key is EMPTY
 *      crowd       at least how many words stand in the places of a crowd: counted up before one is
 *                  published there, and down after it was freed, by who does that. A death between
 *                  leaves it too high, which costs others a look at those places and nothing else.
 *      wanted      seats that were told FULL and are to hear of the next release here: a bit each
 *
 *      EMPTY --allocate--> ALLOCATING --settle--> LIVE <--anybody-- CLOSING --closer--> EMPTY
 *               closer       |  anybody            \----closer------^
 *                            \--anybody--> EMPTY
 *
 * Consecutive regions of a volume lie in consecutive sets, so no reservation needs two structures
 * of one set, and a reservation takes its regions in ascending order of sets. Since all do, and
 * whoever waits in a set holds only what lies in lower ones, no circle of waiting can close: not
 * for conflicts, not for places, and not for structures either (in ascending order of regions
 * alone, two volumes whose regions share sets crosswise could wait for each other's structures).
 *
 * Invariants
 *  1. Two ways of a set are never LIVE or CLOSING with the same region. Whoever settles an
 *     allocation looks at all ways after it was published, and so does everybody who helps. Of two
 *     for one region, the one published later is always looked at by somebody who sees the earlier:
 *     if that is LIVE, the later is withdrawn; if both are ALLOCATING, the higher way is (by
 * compare and swap, so either it is gone or it has just become LIVE, which is then seen). Nonces
 * keep a late helper from settling another allocation than the one it looked for.
 *  2. A structure that holds a reservation published by somebody who then saw its key LIVE is not
 *     given back: who closes it sets CLOSING and looks at all words after that, who reserves
 *     publishes its word and looks at the key after that; one sees the other.
 *  3. CLOSING may be set back to LIVE by anybody at any time: the closer's last step, a compare and
 *     swap from CLOSING, then fails. So nobody waits for a closer.
 */
#ifndef SHM_REGION_H
#define SHM_REGION_H

#include <stddef.h>

#include "shm/counters.h"
#include "shm/limits.h"

struct region_set {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t keys[REGION_WAYS];
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t closers[REGION_WAYS];
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t claims[REGION_WAYS];
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t wanted[REGION_WAYS];
};

struct region_words {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t words[REGION_PLACES];
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t crowd;
};

/*
 * The conflict table: what a held command says of itself, beside the word at the same place.
 * Writer: the owner of the word; only `state` is changed by others, who hand the reservation on or
 * clear away what a dead controller left.
 *
 *      state   63..32 generation | 23..16 epoch | 15..8 seat | 1..0 NONE, WAITING or HANDED
 */
struct conflict_entry {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t state;
    _Atomic uint64_t offset_bytes; /* in the volume */
    _Atomic uint64_t length_bytes;
    _Atomic uint64_t since_ns;
    _Atomic uint32_t volume;
    _Atomic uint32_t exclusive;
    _Atomic uint32_t cookie;
};

struct region_conflicts {
    struct conflict_entry entries[REGION_PLACES];
};

_Static_assert(sizeof(struct region_set) == 256, "as drawn above");
_Static_assert(sizeof(struct region_words) == 2048, "as drawn above");
_Static_assert(sizeof(struct conflict_entry) == 64, "one line each");
_Static_assert(VOLUMES_MAX <= 1 << 17, "a volume fits a key");
_Static_assert(CONTROLLERS_MAX <= 64, "a seat fits a key");

/* Where the table lies, in this process. */
struct region_table {
    struct region_set *sets;
    struct region_words *words;
    struct region_conflicts *conflicts;
    uint32_t regions; /* structures; a power of two */
    uint32_t controllers;
    uint32_t region_shift;
};

/* Tells `seat` that its command `cookie`, held with this generation, may go on, or with the cookie
 * RESERVE_COOKIE_FULL that commands told FULL may. A hint that may come twice or for nothing, and
 * to the caller's own seat too. Called from reserve_*; must not call back into it. */
typedef void reserve_notify(void *context, uint32_t seat, uint32_t cookie, uint32_t generation);

#define RESERVE_COOKIE_FULL UINT32_MAX

/* The coordination table as one controller uses it; private to one thread. */
struct coordination {
    struct region_table table;
    uint8_t seat;
    uint8_t epoch;       /* the low bits of the seat's */
    uint32_t nonce;      /* of the last reservation published */
    uint32_t generation; /* of the last conflict entry */
    uint64_t claims;     /* made so far: nonces of allocations and closers */
    reserve_notify *notify;
    void *context;
    struct coordination_counters *counters; /* its seat's, in the segment */
};

/* One region structure; a plain copy that stays valid as an address for ever, and as a place of
 * reservations of `key` while region_is_live. */
struct region {
    struct region_set *set;
    struct region_words *words;
    struct region_conflicts *conflicts;
    uint64_t key; /* as it is when LIVE */
    uint32_t way;
    uint32_t index; /* of the structure in the table */
};

enum region_key_state { KEY_EMPTY = 0, KEY_ALLOCATING, KEY_LIVE, KEY_CLOSING };

static inline enum region_key_state region_key_state(uint64_t key)
{
    return (enum region_key_state)(key & 3);
}
static inline uint64_t region_key(uint32_t volume, uint64_t region)
{
    return region << 19 | (uint64_t)volume << 2 | KEY_LIVE;
}
static inline uint32_t region_key_volume(uint64_t key)
{
    return key >> 2 & ((1 << 17) - 1);
}
static inline uint64_t region_key_index(uint64_t key)
{
    return key >> 19;
}

/* The set in which a region of a volume lies. */
uint32_t region_set_of(const struct region_table *table, uint32_t volume, uint64_t region);

/* Structure `index`, whatever it is used for. */
static inline struct region region_at(const struct region_table *table, uint32_t index)
{
    return (struct region){.set = &table->sets[index / REGION_WAYS],
                           .words = &table->words[index],
                           .conflicts = &table->conflicts[index],
                           .way = index % REGION_WAYS,
                           .index = index};
}

/* How many structures belong to a region now, or are about to. They are given back only when
 * another region needs one. For those who look on; the table may be mapped for reading only. */
uint32_t region_table_used(const struct region_table *table);

/* The structure of a region, allocated when there is none; of all structures in the set, one that
 * holds no reservation is given back for that when none is empty. 0, or -ENOBUFS: all are in use,
 * of which region_ask_set hears; or -EAGAIN: others changed the set too often meanwhile, of which
 * nobody hears. Lock-free: another's unfinished step is finished or undone, never waited for. */
int region_find(struct coordination *c, uint32_t volume, uint64_t region,
                struct region *ret_region);

/* Whether the structure still belongs to region->key, after a word was published in it; one that is
 * being closed is taken back. */
static inline bool region_is_live(const struct region *region)
{
    _Atomic uint64_t *key = &region->set->keys[region->way];
    uint64_t expected = (region->key & ~3ull) | KEY_CLOSING;

    if (load_seq_cst(key) == region->key)
        return true;
    /* pairs with the closer's swap from CLOSING: one of us wins */
    return cas_seq_cst(key, &expected, region->key) || expected == region->key;
}

/* Asks to be told of the next release in this structure, or in all of its set. Look once more
 * afterwards: a release before that is not told. */
void region_ask(struct coordination *c, const struct region *region);
void region_ask_set(struct coordination *c, uint32_t volume, uint64_t region);

/* Tells those who asked; to be called after something here became free. */
void region_tell_slowly(struct coordination *c, const struct region *region);
static inline void region_tell(struct coordination *c, const struct region *region)
{
    if (load_seq_cst(&region->set->wanted[region->way]) != 0)
        region_tell_slowly(c, region);
}

/* Tells a seat, if there is such a one; seats come from memory that others can write. */
static inline void coordination_notify(struct coordination *c, uint32_t seat, uint32_t cookie,
                                       uint32_t generation)
{
    if (seat < c->table.controllers)
        c->notify(c->context, seat, cookie, generation);
}

/* Undoes what `seat` in `epoch` left unfinished with this structure's key. Any survivor, any number
 * of times. */
void region_recover(struct coordination *c, const struct region *region, uint32_t seat,
                    uint32_t epoch);

#endif
