/*
 * Publishing, numbering and comparing reservations; the essay is in order.h.
 */
#include "shm/order.h"

#include <assert.h>

#include "shm/crash_point.h"

/* Tests make places rare, so that crowds are common, and FULL too. */
#ifdef ANYPORT_TEST_FEW_PLACES
enum { LINE_WORDS = 2, CROWD_LINES = 1 };
#else
enum { LINE_WORDS = REGION_LINE_WORDS, CROWD_LINES = REGION_CROWD_LINES };
#endif

/* A free place of one line, or -1. Seats begin at different ones, so that they seldom meet. */
static int publish_in_line(struct coordination *c, const struct region *region, uint32_t line,
                           uint64_t pending)
{
    for (uint32_t i = 0; i < LINE_WORDS; i++) {
        uint32_t place = line * REGION_LINE_WORDS + (c->seat + i) % LINE_WORDS;
        _Atomic uint64_t *word = &region->words->words[place];
        uint64_t none = 0;
        /* pairs with the same swap by others: one of us has the place; and with every scan */
        if (load_seq_cst(word) == 0 && cas_seq_cst(word, &none, pending))
            return (int)place;
    }
    return -1;
}

/* A free place in the lines of a crowd, or -1. */
static int publish_in_crowd(struct coordination *c, const struct region *region, uint64_t pending)
{
    const uint32_t first = REGION_CROWD_FIRST / REGION_LINE_WORDS;

    /* pairs with scope_of: who does not see this has looked there before the word came */
    add_seq_cst(&region->words->crowd, 1);
    CRASH_POINT("order.crowd_counted");
    for (uint32_t line = first; line < first + CROWD_LINES; line++) {
        int place = publish_in_line(c, region, line, pending);
        if (place >= 0)
            return place;
    }
    order_left(region, REGION_CROWD_FIRST);
    return -1;
}

int order_publish(struct coordination *c, const struct region *region, uint64_t pending)
{
    uint32_t cell = cell_of((struct word_range){word_first(pending), word_last(pending), false});
    int place = -1;

    if (cell < REGION_CELLS)
        place = publish_in_line(c, region, 1 + cell, pending);
    if (place < 0)
        place = publish_in_line(c, region, 0, pending);
    return place >= 0 ? place : publish_in_crowd(c, region, pending);
}

/* The highest number of those that conflict with the word at `place`; 0 when there is none. */
static uint32_t highest_number(const struct region *region, uint32_t place, uint64_t word)
{
    struct scope scope = scope_of(region, place);
    uint32_t highest = 0;

    SCOPE_FOR_EACH(at, scope)
    {
        uint64_t other = load_seq_cst(&region->words->words[at]);
        if (word_state(other) == WORD_NUMBERED && word_number(other) > highest && at != place &&
            words_conflict(word, other))
            highest = word_number(other);
    }
    return highest;
}

bool order_number(struct coordination *c, const struct region *region, uint32_t place,
                  uint64_t pending)
{
    _Atomic uint64_t *word = &region->words->words[place];
    uint32_t highest = highest_number(region, place, pending);

    if (highest < RESERVATION_NUMBER_MAX) {
        CRASH_POINT("order.scanned");
        /* pairs with the same swap by others who help: the first number counts */
        return cas_seq_cst(word, &pending, word_numbered(pending, highest + 1));
    }
    /* pairs with the swaps of others who help, as above */
    if (!cas_seq_cst(word, &pending, 0))
        return false;
    CRASH_POINT("order.withdrawn");
    order_left(region, place);
    region_tell(c, region);
    return true;
}

/* Whether `other`, seen at `at`, stands in the way of the NUMBERED word at `place`. */
static bool comes_before(struct coordination *c, const struct region *region, uint32_t at,
                         uint64_t other, uint32_t place, uint64_t word)
{
    if (word_state(other) == WORD_PENDING) {
        if (order_number(c, region, at, other))
            count_up(&c->counters->helped, 1);
        other = load_seq_cst(&region->words->words[at]);
        if (!words_conflict(word, other))
            return false;
    }
    if (word_state(other) != WORD_NUMBERED)
        return false; /* newer than ours, by the lemma; or no word at all */
    return word_number(other) < word_number(word) ||
           (word_number(other) == word_number(word) && at < place);
}

bool order_grantable(struct coordination *c, const struct region *region, uint32_t place,
                     uint64_t word)
{
    struct scope scope = scope_of(region, place);

    assert(word_state(word) == WORD_NUMBERED);
    SCOPE_FOR_EACH(at, scope)
    {
        uint64_t other = load_seq_cst(&region->words->words[at]);
        if (other != 0 && at != place && words_conflict(word, other) &&
            comes_before(c, region, at, other, place, word))
            return false;
    }
    return true;
}
