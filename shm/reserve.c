/*
 * The way of a reservation through its regions. What makes it correct is argued in order.h (who
 * comes first), conflict.h (no lost wake-up) and region.h (the structure under it does not vanish).
 */
#include "shm/reserve.h"

#include <assert.h>
#include <errno.h>

#include "shm/conflict.h"
#include "shm/crash_point.h"

/* How often one call tries again because region structures were changing hands under it. */
enum { ATTEMPTS = 16 };

#define REGION_INDEX_MAX (((uint64_t)1 << 45) - 1)

_Static_assert(REGION_PLACES <= 256, "a place fits a spot");
_Static_assert(REGION_SHIFT_MIN >= 11 && REGION_UNITS == 1 << 11, "a unit is a byte or more");

/* What came of one try in one region. */
enum outcome { GRANTED, HELD, NO_STRUCTURE, NO_PLACE, TRY_AGAIN };

void coordination_init(struct coordination *ret_coordination, const struct segment *segment,
                       uint32_t seat, uint32_t epoch, reserve_notify *notify, void *context,
                       struct coordination_counters *counters)
{
    assert(seat < segment->geometry.controllers);
    *ret_coordination = (struct coordination){.table = segment_region_table(segment),
                                              .seat = (uint8_t)seat,
                                              .epoch = (uint8_t)epoch,
                                              .notify = notify,
                                              .context = context,
                                              .counters = counters};
}

/* --- the regions of a reservation, in their order --- */

/* The region, counted in the volume, that is taken in this step: in ascending order of sets, which
 * is that of regions except where the sets begin again with the first. */
static uint64_t region_of_step(const struct coordination *c, const struct reservation *r,
                               uint32_t step)
{
    uint32_t number = r->first_step + step;

    return (r->offset_bytes >> c->table.region_shift) +
           (number < r->regions ? number : number - r->regions);
}

static void plan(const struct coordination *c, struct reservation *r)
{
    uint32_t shift = c->table.region_shift;
    uint64_t first = r->offset_bytes >> shift;
    uint64_t last = (r->offset_bytes + r->length_bytes - 1) >> shift;
    uint32_t set = region_set_of(&c->table, r->volume, first);
    uint32_t sets = c->table.regions / REGION_WAYS;

    assert(r->length_bytes >= 1 && r->length_bytes <= RESERVATION_BYTES_MAX);
    assert(r->volume < VOLUMES_MAX && last <= REGION_INDEX_MAX);
    r->regions = (uint16_t)(last - first + 1);
    r->first_step = (uint16_t)(set + r->regions > sets ? sets - set : 0);
    r->taken = 0;
    r->published = false;
    r->was_held = false;
}

/* The part of the range that lies in the region, in its units. */
static struct word_range range_in(const struct coordination *c, const struct reservation *r,
                                  uint64_t region)
{
    uint32_t shift = c->table.region_shift, unit_shift = shift - 11;
    uint64_t start = region << shift, end = start + (1ull << shift);
    uint64_t first = r->offset_bytes > start ? r->offset_bytes : start;
    uint64_t last =
        r->offset_bytes + r->length_bytes < end ? r->offset_bytes + r->length_bytes - 1 : end - 1;

    return (struct word_range){.first_unit = (uint32_t)((first - start) >> unit_shift),
                               .last_unit = (uint32_t)((last - start) >> unit_shift),
                               .exclusive = r->exclusive};
}

/* Where the reservation stands in the region of a step that it has taken, or published in. */
static struct region spot_of(const struct coordination *c, const struct reservation *r,
                             uint32_t step, uint32_t *ret_place)
{
    uint32_t set = region_set_of(&c->table, r->volume, region_of_step(c, r, step));

    *ret_place = r->spots[step] & 255;
    return region_at(&c->table, set * REGION_WAYS + (r->spots[step] >> 8));
}

static bool is_same_word(uint64_t word, uint64_t pending)
{
    return ((word ^ pending) & WORD_IDENTITY_MASK) == 0;
}

/* The word of a step as it must be, apart from its state and number. */
static uint64_t identity_of(const struct coordination *c, const struct reservation *r,
                            uint32_t step)
{
    return word_pending(range_in(c, r, region_of_step(c, r, step)), c->seat, c->epoch, 0);
}

/* --- ending --- */

/* Frees the word and hands on what it covered. `bytes`: see conflict_hand_off. */
static void free_word(struct coordination *c, const struct region *region, uint32_t place,
                      uint64_t word, const struct byte_range *bytes)
{
#ifdef ANYPORT_DEFECT_SEARCH_BEFORE_FREE
    conflict_hand_off(c, region, place, word, bytes);
#endif
    CRASH_POINT("release.before");
    /* pairs with every scan: the range is free, and what was done under it is seen */
    store_seq_cst(&region->words->words[place], 0);
    CRASH_POINT("release.freed");
    order_left(region, place);
#ifndef ANYPORT_DEFECT_SEARCH_BEFORE_FREE
    conflict_hand_off(c, region, place, word, bytes);
#endif
    CRASH_POINT("release.handed");
    region_tell(c, region);
}

static void release_step(struct coordination *c, const struct reservation *r, uint32_t step)
{
    uint32_t place;
    struct region region = spot_of(c, r, step, &place);
    uint64_t word = load_seq_cst(&region.words->words[place]);
    struct byte_range bytes = {r->offset_bytes, r->length_bytes};

    /* A word that is not ours was scribbled over, or we were taken for dead: it is not ours to
     * free. */
    if (word_state(word) == WORD_NUMBERED && is_same_word(word, identity_of(c, r, step)))
        free_word(c, &region, place, word, &bytes);
}

/* --- one region --- */

static void count_held(struct coordination *c, struct reservation *r, uint64_t now_ns)
{
    uint64_t held_ns = now_ns > r->held_since_ns ? now_ns - r->held_since_ns : 0;
    uint32_t bucket = 63 - (uint32_t)__builtin_clzll(held_ns | 1);

    if (bucket >= HELD_HISTOGRAM_BUCKETS)
        bucket = HELD_HISTOGRAM_BUCKETS - 1;
    count_up(&c->counters->held_ns, held_ns);
    count_up(&c->counters->held_histogram[bucket], 1);
    r->was_held = false;
}

/* Not grantable: into the conflict table, and one more look. */
static enum outcome hold(struct coordination *c, struct reservation *r, const struct region *region,
                         uint32_t place, uint64_t word, uint64_t now_ns)
{
    if (!r->was_held) {
        r->was_held = true;
        r->held_since_ns = now_ns;
        count_up(&c->counters->held, 1);
    }
    r->generation =
        conflict_hold(c, region, place,
                      &(struct conflict_claim){.volume = r->volume,
                                               .bytes = {r->offset_bytes, r->length_bytes},
                                               .exclusive = r->exclusive,
                                               .cookie = r->cookie,
                                               .since_ns = r->held_since_ns});
    CRASH_POINT("reserve.waiting");
#ifdef ANYPORT_DEFECT_NO_SECOND_LOOK
    (void)word;
    return HELD;
#else
    return order_grantable(c, region, place, word) ? GRANTED : HELD;
#endif
}

/* Our word has its number: granted, or held. */
static enum outcome settle(struct coordination *c, struct reservation *r,
                           const struct region *region, uint32_t place, uint64_t word,
                           uint64_t now_ns)
{
    if (!order_grantable(c, region, place, word) && hold(c, r, region, place, word, now_ns) == HELD)
        return HELD;
    if (r->was_held) {
        conflict_end(c, region, place);
        count_held(c, r, now_ns);
    }
    r->published = false;
    CRASH_POINT("reserve.granted");
    return GRANTED;
}

/* Publishes a word in the region, numbers it, and settles. */
static enum outcome enter(struct coordination *c, struct reservation *r, uint64_t region_index,
                          struct region *region, uint64_t now_ns)
{
    int error = region_find(c, r->volume, region_index, region);
    if (error != 0)
        return error == -ENOBUFS ? NO_STRUCTURE : TRY_AGAIN;

    uint64_t pending = word_pending(range_in(c, r, region_index), c->seat, c->epoch, ++c->nonce);
    int place = order_publish(c, region, pending);
    if (place < 0)
        return NO_PLACE;
    CRASH_POINT("reserve.published");

    bool live = region_is_live(region);
    order_number(c, region, (uint32_t)place, pending);
    uint64_t word = load_seq_cst(&region->words->words[place]);
    if (word_state(word) != WORD_NUMBERED || !is_same_word(word, pending))
        return live ? NO_PLACE : TRY_AGAIN; /* there was no number left */
    if (!live) {
        /* Numbered first, because others may hold commands for it already: an end like any. */
        free_word(c, region, (uint32_t)place, word, NULL);
        return TRY_AGAIN;
    }
    CRASH_POINT("reserve.numbered");
    r->spots[r->taken] = (uint16_t)(region->way << 8 | (uint32_t)place);
    r->published = true;
    return settle(c, r, region, (uint32_t)place, word, now_ns);
}

/* Looks again at the region where the reservation was held. */
static enum outcome look_again(struct coordination *c, struct reservation *r, uint64_t now_ns)
{
    uint32_t place;
    struct region region = spot_of(c, r, r->taken, &place);
    uint64_t word = load_seq_cst(&region.words->words[place]);

    if (word_state(word) != WORD_NUMBERED || !is_same_word(word, identity_of(c, r, r->taken))) {
        r->published = false; /* scribbled over */
        return TRY_AGAIN;
    }
    return settle(c, r, &region, place, word, now_ns);
}

/* Takes the region of the next step. FULL is said only after asking to be told and looking once
 * more. */
static enum reserve_verdict take(struct coordination *c, struct reservation *r, uint64_t now_ns)
{
    uint64_t index = region_of_step(c, r, r->taken);
    bool asked = false;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct region region;
        enum outcome outcome =
            r->published ? look_again(c, r, now_ns) : enter(c, r, index, &region, now_ns);
        if (outcome == GRANTED)
            return RESERVE_GRANTED;
        if (outcome == HELD)
            return RESERVE_HELD;
        if (outcome == TRY_AGAIN) {
            asked = false;
            continue;
        }
        if (asked)
            return RESERVE_FULL;
        if (outcome == NO_STRUCTURE)
            region_ask_set(c, r->volume, index);
        else
            region_ask(c, &region);
        CRASH_POINT("reserve.asked");
        asked = true;
    }
    /* Others were quicker every time; nobody knows that we wait, so we remind ourselves. */
    coordination_notify(c, c->seat, RESERVE_COOKIE_FULL, 0);
    return RESERVE_FULL;
}

/* --- all regions --- */

enum reserve_verdict reserve_start(struct coordination *c, struct reservation *r, uint64_t now_ns)
{
    plan(c, r);
    return reserve_continue(c, r, now_ns);
}

enum reserve_verdict reserve_continue(struct coordination *c, struct reservation *r,
                                      uint64_t now_ns)
{
    while (r->taken < r->regions) {
        enum reserve_verdict verdict = take(c, r, now_ns);
        if (verdict != RESERVE_GRANTED) {
            count_up(&c->counters->full, verdict == RESERVE_FULL);
            return verdict;
        }
        r->taken++;
    }
    count_up(&c->counters->granted, 1);
    return RESERVE_GRANTED;
}

void reserve_release(struct coordination *c, struct reservation *r)
{
    assert(r->taken == r->regions && !r->published);
    for (uint32_t step = 0; step < r->taken; step++)
        release_step(c, r, step);
    r->taken = 0;
    count_up(&c->counters->released, 1);
}

void reserve_cancel(struct coordination *c, struct reservation *r)
{
    assert(r->taken < r->regions);
    if (r->published) {
        uint32_t place;
        struct region region = spot_of(c, r, r->taken, &place);
        conflict_end(c, &region, place);
        CRASH_POINT("cancel.ended");
        release_step(c, r, r->taken);
    }
    for (uint32_t step = 0; step < r->taken; step++)
        release_step(c, r, step);
    r->taken = 0;
    r->published = false;
    r->was_held = false;
    count_up(&c->counters->cancelled, 1);
}
