/*
 * Finding, allocating and giving back region structures; the states and invariants are in region.h.
 */
#include "shm/region.h"

#include <assert.h>
#include <errno.h>

#include "shm/crash_point.h"

/* An EMPTY key that says that the structure was in use once: only such are looked at in recovery.
 */
#define KEY_EMPTY_AGAIN ((uint64_t)4)

/* How often region_find starts again because others changed the set under it. */
enum { FIND_ATTEMPTS = 64 };

uint32_t region_set_of(const struct region_table *table, uint32_t volume, uint64_t region)
{
    /* A volume begins anywhere (a multiplicative hash), its regions follow one another. */
    uint32_t start = (uint32_t)((volume + 1) * 0x9e3779b97f4a7c15ull >> 40);

    return (start + (uint32_t)region) & (table->regions / REGION_WAYS - 1);
}

uint32_t region_table_used(const struct region_table *table)
{
    uint32_t used = 0;

    for (uint32_t index = 0; index < table->regions; index++) {
        struct region region = region_at(table, index);
        used += region_key_state(load_seq_cst(&region.set->keys[region.way])) != KEY_EMPTY;
    }
    return used;
}

static struct region region_in(const struct region_table *table, uint32_t set, uint32_t way,
                               uint64_t key)
{
    struct region region = region_at(table, set * REGION_WAYS + way);
    region.key = key;
    return region;
}

static uint64_t closing(uint64_t live)
{
    return (live & ~3ull) | KEY_CLOSING;
}

/* The way that is LIVE with this key, CLOSING being taken back; or -1. */
static int find_live(struct region_set *set, uint64_t live)
{
    for (int way = 0; way < REGION_WAYS; way++)
        if (load_seq_cst(&set->keys[way]) == live)
            return way;
    for (int way = 0; way < REGION_WAYS; way++) {
        uint64_t expected = closing(live);
        /* pairs with the closer's swap from CLOSING: one of us wins */
        if (load_seq_cst(&set->keys[way]) == expected &&
            cas_seq_cst(&set->keys[way], &expected, live))
            return way;
    }
    return -1;
}

/* --- allocating --- */

enum look { LOOK_OTHER, LOOK_CLAIMED, LOOK_LIVE, LOOK_UNSTEADY };

/* What a way is to the region of `live`; *ret_key is the key that was seen. */
static enum look look_at(struct region_set *set, uint32_t way, uint64_t live, uint64_t *ret_key)
{
    uint64_t key = load_seq_cst(&set->keys[way]);

    *ret_key = key;
    if (key == live || key == closing(live))
        return LOOK_LIVE;
    if (region_key_state(key) != KEY_ALLOCATING)
        return LOOK_OTHER;
    uint64_t claim = load_seq_cst(&set->claims[way]);
    /* A claim belongs to the key only if that is still the same: it has a nonce. */
    if (load_seq_cst(&set->keys[way]) != key)
        return LOOK_UNSTEADY;
    return claim == live ? LOOK_CLAIMED : LOOK_OTHER;
}

static bool withdraw(struct region_set *set, uint32_t way, uint64_t allocating)
{
    /* pairs with the swaps in settle and withdraw of whoever else looks at it: one of us wins */
    return cas_seq_cst(&set->keys[way], &allocating, KEY_EMPTY_AGAIN);
}

/* Whether the other way forbids that `way` becomes LIVE, after what can be done about it. */
static bool forbids(struct region_set *set, uint32_t way, uint32_t other, uint64_t live)
{
    uint64_t key;

    switch (look_at(set, other, live, &key)) {
    case LOOK_OTHER:
        return false;
    case LOOK_CLAIMED:
        /* The lower way wins; and where the higher cannot be withdrawn, it may be LIVE by now. */
        return other < way || !withdraw(set, other, key);
    case LOOK_LIVE:
    case LOOK_UNSTEADY: /* withdrawing is always right: whoever wants the region tries again */
        break;
    }
    return true;
}

/* Makes an allocation LIVE, or withdraws it. Anybody may, its allocator or not. */
static void settle(struct region_set *set, uint32_t way, uint64_t allocating, uint64_t live)
{
    for (uint32_t other = 0; other < REGION_WAYS; other++) {
        if (other != way && forbids(set, way, other, live)) {
            withdraw(set, way, allocating);
            return;
        }
    }
    CRASH_POINT("region.settling");
    /* pairs with the swap in withdraw: one of us wins */
    cas_seq_cst(&set->keys[way], &allocating, live);
}

static uint64_t closer_mark(struct coordination *c)
{
    return ++c->claims << 32 | 1u << 31 | (uint32_t)c->epoch << 8 | c->seat;
}

/* Becomes the one who may change the key of this way from EMPTY and LIVE. */
static bool closer_take(struct coordination *c, const struct region *region, uint64_t *ret_mark)
{
    uint64_t none = 0, mark = closer_mark(c);

    if (load_seq_cst(&region->set->closers[region->way]) != 0)
        return false;
    /* pairs with the same swap by others: one of us is the closer */
    if (!cas_seq_cst(&region->set->closers[region->way], &none, mark))
        return false;
    *ret_mark = mark;
    return true;
}

static void closer_give(struct coordination *c, const struct region *region, uint64_t mark)
{
    /* pairs with closer_take: the next closer sees what we did to the key */
    cas_seq_cst(&region->set->closers[region->way], &mark, 0);
    CRASH_POINT("region.closer_given");
    region_tell(c, region);
}

/* Claims an empty way for region->key and settles it; false when it was not to be had. */
static bool allocate(struct coordination *c, const struct region *region)
{
    struct region_set *set = region->set;
    uint64_t mark, empty = load_seq_cst(&set->keys[region->way]);

    if (region_key_state(empty) != KEY_EMPTY || !closer_take(c, region, &mark))
        return false;
    CRASH_POINT("region.closer_taken");
    uint64_t allocating =
        ++c->claims << 16 | (uint64_t)c->epoch << 8 | (uint64_t)c->seat << 2 | KEY_ALLOCATING;
    empty = load_seq_cst(&set->keys[region->way]);
    bool claimed = region_key_state(empty) == KEY_EMPTY;
    if (claimed) {
        /* pairs with look_at: who sees the key ALLOCATING sees what is claimed */
        store_seq_cst(&set->claims[region->way], region->key);
        CRASH_POINT("region.claimed");
        /* pairs with look_at, as above */
        claimed = cas_seq_cst(&set->keys[region->way], &empty, allocating);
    }
    if (claimed) {
        CRASH_POINT("region.allocating");
        settle(set, region->way, allocating, region->key);
        count_up(&c->counters->allocations, 1);
    }
    CRASH_POINT("region.settled");
    closer_give(c, region, mark);
    return claimed;
}

/* Finishes, or starts, the allocation of a region that is not LIVE; false when no way is empty. */
static bool allocate_somewhere(struct coordination *c, uint32_t set_index, uint64_t live)
{
    struct region_set *set = &c->table.sets[set_index];

    for (uint32_t way = 0; way < REGION_WAYS; way++) {
        uint64_t key;
        if (look_at(set, way, live, &key) == LOOK_CLAIMED) {
            settle(set, way, key, live);
            return true;
        }
    }
    for (uint32_t way = 0; way < REGION_WAYS; way++) {
        struct region region = region_in(&c->table, set_index, way, live);
        if (allocate(c, &region))
            return true;
    }
    return false;
}

/* --- giving back --- */

static bool is_unused(const struct region *region)
{
    for (uint32_t place = 0; place < REGION_PLACES; place++)
        if (load_seq_cst(&region->words->words[place]) != 0)
            return false;
    return true;
}

/* Gives a LIVE structure without reservations back; false when it is in use. */
static bool evict(struct coordination *c, const struct region *region)
{
    _Atomic uint64_t *key = &region->set->keys[region->way];
    uint64_t live = load_seq_cst(key), mark;
    bool evicted = false;

    if (region_key_state(live) != KEY_LIVE || !is_unused(region) || !closer_take(c, region, &mark))
        return false;
    CRASH_POINT("region.closer_for_eviction");
    uint64_t expected = live;
    /* pairs with region_is_live: who published a word before this is seen below, who does later
     * sees CLOSING */
    if (cas_seq_cst(key, &expected, closing(live))) {
        CRASH_POINT("region.closing");
        expected = closing(live);
        bool unused = is_unused(region);
        /* pairs with region_is_live and find_live, which take a CLOSING one back */
        evicted = cas_seq_cst(key, &expected, unused ? KEY_EMPTY_AGAIN : live) && unused;
    }
    CRASH_POINT("region.evicted");
    closer_give(c, region, mark);
    if (evicted)
        count_up(&c->counters->evictions, 1);
    return evicted;
}

static bool evict_somewhere(struct coordination *c, uint32_t set)
{
    /* Begins elsewhere each time, so that no structure is given back and allocated in turns while
     * its neighbours lie idle. */
    uint32_t start = (uint32_t)(c->claims % REGION_WAYS);

    for (uint32_t i = 0; i < REGION_WAYS; i++) {
        struct region region = region_at(&c->table, set * REGION_WAYS + (start + i) % REGION_WAYS);
        if (evict(c, &region))
            return true;
    }
    return false;
}

int region_find(struct coordination *c, uint32_t volume, uint64_t region, struct region *ret_region)
{
    uint32_t set = region_set_of(&c->table, volume, region);
    uint64_t live = region_key(volume, region);

    for (int attempt = 0; attempt < FIND_ATTEMPTS; attempt++) {
        int way = find_live(&c->table.sets[set], live);
        if (way >= 0) {
            *ret_region = region_in(&c->table, set, (uint32_t)way, live);
            return 0;
        }
        if (!allocate_somewhere(c, set, live) && !evict_somewhere(c, set))
            return -ENOBUFS;
    }
    return -EAGAIN;
}

/* --- those who were told FULL --- */

void region_ask(struct coordination *c, const struct region *region)
{
    /* pairs with region_tell: who frees something after we looked sees that we asked */
    or_seq_cst(&region->set->wanted[region->way], 1ull << c->seat);
}

void region_ask_set(struct coordination *c, uint32_t volume, uint64_t index)
{
    uint32_t set = region_set_of(&c->table, volume, index);

    for (uint32_t way = 0; way < REGION_WAYS; way++) {
        struct region region = region_in(&c->table, set, way, 0);
        region_ask(c, &region);
    }
}

void region_tell_slowly(struct coordination *c, const struct region *region)
{
    /* pairs with region_ask; and with the same exchange by others: each who asked is told once */
    uint64_t seats = exchange_seq_cst(&region->set->wanted[region->way], 0);

    CRASH_POINT("region.telling");
    for (uint32_t seat = 0; seats != 0; seat++, seats >>= 1)
        if (seats & 1)
            coordination_notify(c, seat, RESERVE_COOKIE_FULL, 0);
}

/* --- death --- */

void region_recover(struct coordination *c, const struct region *region, uint32_t seat,
                    uint32_t epoch)
{
    struct region_set *set = region->set;
    uint64_t mark = load_seq_cst(&set->closers[region->way]);

    if ((mark & 0xffffffff) == (1u << 31 | epoch << 8 | seat)) {
        /* Its key first: as long as the mark stands, nobody else begins anything here. */
        uint64_t key = load_seq_cst(&set->keys[region->way]);
        if (region_key_state(key) == KEY_ALLOCATING)
            withdraw(set, region->way, key);
        if (region_key_state(key) == KEY_CLOSING) {
            /* pairs with a closer's swap from CLOSING, which then fails */
            cas_seq_cst(&set->keys[region->way], &key, (key & ~3ull) | KEY_LIVE);
        }
        CRASH_POINT("recover.key");
        closer_give(c, region, mark);
    }
    /* pairs with region_ask: the dead are not told */
    and_seq_cst(&set->wanted[region->way], ~(1ull << seat));
}
