/*
 * Holding and handing on; the argument that nobody is forgotten is in conflict.h.
 */
#include "shm/conflict.h"

#include "shm/crash_point.h"

static struct conflict_entry *entry_at(const struct region *region, uint32_t place)
{
    return &region->conflicts->entries[place];
}

/* The claim is written while the entry is NONE, or HANDED to us: nobody uses it then, though a
 * reader may look. */
static void fill(struct conflict_entry *entry, const struct conflict_claim *claim)
{
    /* relaxed: published by the state, which is stored after */
    store_relaxed(&entry->offset_bytes, claim->bytes.offset_bytes);
    store_relaxed(&entry->length_bytes, claim->bytes.length_bytes); /* relaxed: as above */
    store_relaxed(&entry->since_ns, claim->since_ns);               /* relaxed: as above */
    store_relaxed(&entry->volume, claim->volume);                   /* relaxed: as above */
    store_relaxed(&entry->exclusive, claim->exclusive);             /* relaxed: as above */
    store_relaxed(&entry->cookie, claim->cookie);                   /* relaxed: as above */
}

uint32_t conflict_hold(struct coordination *c, const struct region *region, uint32_t place,
                       const struct conflict_claim *claim)
{
    struct conflict_entry *entry = entry_at(region, place);
    uint32_t generation = ++c->generation;

    fill(entry, claim);
    CRASH_POINT("conflict.filled");
    /* pairs with the load in conflict_hand_off, between which and this stands a look at the words
     * on either side */
    store_seq_cst(&entry->state, conflict_pack(CONFLICT_WAITING, c->seat, c->epoch, generation));
    return generation;
}

void conflict_end(struct coordination *c, const struct region *region, uint32_t place)
{
    (void)c;
    /* pairs with the swap in hand_over, which fails from now on */
    store_seq_cst(&entry_at(region, place)->state, 0);
}

/* The swap, and the notification by who wins it. */
static bool hand_over(struct coordination *c, struct conflict_entry *entry, uint64_t waiting)
{
    uint32_t seat = conflict_seat(waiting), generation = conflict_generation(waiting);
    /* relaxed: ordered after the state that was read before, and void if the swap fails */
    uint32_t cookie = load_relaxed(&entry->cookie);
    uint64_t handed = conflict_pack(CONFLICT_HANDED, seat, conflict_epoch(waiting), generation);

    /* pairs with the same swap by others, of whom one notifies; and with conflict_hold */
    if (!cas_seq_cst(&entry->state, &waiting, handed))
        return false;
    CRASH_POINT("conflict.handed");
    coordination_notify(c, seat, cookie, generation);
    return true;
}

static bool bytes_overlap(const struct conflict_entry *entry, const struct byte_range *bytes)
{
    /* relaxed: for a counter only, and read before the swap that makes it count */
    uint64_t offset = load_relaxed(&entry->offset_bytes);
    uint64_t length = load_relaxed(&entry->length_bytes); /* relaxed: as above */

    return offset < bytes->offset_bytes + bytes->length_bytes &&
           bytes->offset_bytes < offset + length;
}

/* Hands the reservation to the word at `at`, if its command is held and may go on. */
static void offer(struct coordination *c, const struct region *region, uint32_t at, uint64_t word,
                  const struct byte_range *bytes)
{
    struct conflict_entry *entry = entry_at(region, at);
    uint64_t state = load_seq_cst(&entry->state);

    if (conflict_state(state) != CONFLICT_WAITING || !order_grantable(c, region, at, word))
        return;
    bool overlap = bytes != NULL && bytes_overlap(entry, bytes);
    if (!hand_over(c, entry, state))
        return;
    count_up(&c->counters->handed_off, 1);
    if (bytes != NULL)
        count_up(overlap ? &c->counters->conflicts_true : &c->counters->conflicts_false, 1);
}

void conflict_hand_off(struct coordination *c, const struct region *region, uint32_t place,
                       uint64_t freed, const struct byte_range *bytes)
{
    struct scope scope = scope_of(region, place);

    SCOPE_FOR_EACH(at, scope)
    {
        uint64_t word = load_seq_cst(&region->words->words[at]);
        if (word_state(word) == WORD_NUMBERED && at != place && words_conflict(freed, word))
            offer(c, region, at, word, bytes);
    }
}

void conflict_recover(struct coordination *c, const struct region *region)
{
    for (uint32_t at = 0; at < REGION_PLACES; at++) {
        struct conflict_entry *entry = entry_at(region, at);
        uint64_t word = load_seq_cst(&region->words->words[at]);
        if (word_state(word) != WORD_NUMBERED)
            continue;
        uint64_t state = load_seq_cst(&entry->state);
        if (conflict_state(state) == CONFLICT_HANDED) {
            /* relaxed: a hint; a wrong cookie wakes somebody for nothing */
            uint32_t cookie = load_relaxed(&entry->cookie);
            coordination_notify(c, conflict_seat(state), cookie, conflict_generation(state));
        } else {
            offer(c, region, at, word, NULL);
        }
    }
}

void conflict_clear(const struct region *region, uint32_t place, uint32_t seat, uint32_t epoch)
{
    struct conflict_entry *entry = entry_at(region, place);
    uint64_t state = load_seq_cst(&entry->state);

    if (conflict_state(state) != CONFLICT_NONE && conflict_seat(state) == seat &&
        conflict_epoch(state) == epoch) {
        /* pairs with the swap in hand_over, which may make it HANDED first */
        if (!cas_seq_cst(&entry->state, &state, 0) && conflict_seat(state) == seat &&
            conflict_epoch(state) == epoch)
            cas_seq_cst(&entry->state, &state, 0); /* pairs with nobody: HANDED is the last */
    }
}
