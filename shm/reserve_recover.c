/*
 * The whole table at once: what a dead controller left, and what a reader sees.
 */
#include "shm/conflict.h"
#include "shm/crash_point.h"
#include "shm/reserve.h"

/* Whether a word belongs to the dead one, or to nobody: a state or seat that there is not. */
static bool is_left_behind(const struct coordination *c, uint64_t word, uint32_t seat,
                           uint32_t epoch)
{
    if (word_state(word) == WORD_FREE)
        return word != 0;
    if (word_state(word) > WORD_NUMBERED || word_seat(word) >= c->table.controllers)
        return true;
    return word_seat(word) == seat && word_epoch(word) == epoch;
}

static void end_word(struct coordination *c, const struct region *region, uint32_t place,
                     uint32_t seat, uint32_t epoch)
{
    _Atomic uint64_t *at = &region->words->words[place];
    uint64_t word = load_seq_cst(at);

    /* It changes at most once more without being freed: a helper may number it. */
    for (int attempt = 0; attempt < 2 && is_left_behind(c, word, seat, epoch); attempt++) {
        conflict_clear(region, place, seat, epoch);
        CRASH_POINT("recover.cleared");
        /* pairs with every scan; and with the same swap by other survivors */
        if (cas_seq_cst(at, &word, 0)) {
            CRASH_POINT("recover.freed");
            order_left(region, place);
            count_up(&c->counters->recovered, 1);
            conflict_hand_off(c, region, place, word, NULL);
            region_tell(c, region);
            return;
        }
    }
}

/* Structures that were never used are not looked at, so that their memory does not come into
 * being. */
static bool was_used(const struct region *region)
{
    return load_seq_cst(&region->set->keys[region->way]) != 0;
}

void reserve_recover(struct coordination *c, uint32_t dead_seat, uint32_t dead_epoch)
{
    dead_epoch &= 255;
    for (uint32_t index = 0; index < c->table.regions; index++) {
        struct region region = region_at(&c->table, index);
        region_recover(c, &region, dead_seat, dead_epoch);
        if (!was_used(&region))
            continue;
        for (uint32_t place = 0; place < REGION_PLACES; place++)
            end_word(c, &region, place, dead_seat, dead_epoch);
        CRASH_POINT("recover.region");
        conflict_recover(c, &region);
    }
    CRASH_POINT("recover.telling");
    /* It may have taken the list of those who asked and told nobody. */
    for (uint32_t seat = 0; seat < c->table.controllers; seat++)
        if (seat != dead_seat)
            coordination_notify(c, seat, RESERVE_COOKIE_FULL, 0);
}

/* --- reading --- */

/* What the word alone tells: its units. */
static struct reserve_view view_of_word(const struct region_table *table, uint64_t key,
                                        uint64_t word)
{
    uint32_t unit_shift = table->region_shift - 11;
    uint64_t start = region_key_index(key) << table->region_shift;
    uint32_t first = word_first(word), last = word_last(word);

    return (struct reserve_view){
        .state = word_state(word) == WORD_PENDING ? RESERVE_VIEW_PENDING : RESERVE_VIEW_RESERVED,
        .volume = region_key_volume(key),
        .seat = word_seat(word),
        .exclusive = word_exclusive(word),
        .offset_bytes = start + ((uint64_t)first << unit_shift),
        .length_bytes = last < first ? 0 : (uint64_t)(last - first + 1) << unit_shift};
}

/* What the entry of a held command adds. */
static void add_entry(struct reserve_view *view, struct conflict_entry *entry, uint64_t word)
{
    uint64_t state = load_seq_cst(&entry->state);

    if (conflict_state(state) != CONFLICT_WAITING && conflict_state(state) != CONFLICT_HANDED)
        return;
    if (conflict_seat(state) != word_seat(word) || conflict_epoch(state) != word_epoch(word))
        return;
    /* relaxed: stored before the state; a reader that meets a change sees a mixture, which the
     * second look at the state tells */
    uint64_t offset = load_relaxed(&entry->offset_bytes);
    uint64_t length = load_relaxed(&entry->length_bytes); /* relaxed: as above */
    uint64_t since = load_relaxed(&entry->since_ns);      /* relaxed: as above */
    if (load_seq_cst(&entry->state) != state)
        return;
    view->state =
        conflict_state(state) == CONFLICT_WAITING ? RESERVE_VIEW_HELD : RESERVE_VIEW_HANDED;
    view->exact = true;
    view->offset_bytes = offset;
    view->length_bytes = length;
    view->since_ns = since;
}

void reserve_walk(const struct region_table *table,
                  void (*see)(void *context, const struct reserve_view *view), void *context)
{
    for (uint32_t index = 0; index < table->regions; index++) {
        struct region region = region_at(table, index);
        uint64_t key = load_seq_cst(&region.set->keys[region.way]);
        if (region_key_state(key) != KEY_LIVE)
            continue;
        for (uint32_t place = 0; place < REGION_PLACES; place++) {
            uint64_t word = load_seq_cst(&region.words->words[place]);
            if (word_state(word) != WORD_PENDING && word_state(word) != WORD_NUMBERED)
                continue;
            struct reserve_view view = view_of_word(table, key, word);
            add_entry(&view, &region.conflicts->entries[place], word);
            see(context, &view);
        }
    }
}
