/*
 * The order of the reservations in one region: who comes before whom, and who may go on.
 *
 * A reservation is one 64-bit word:
 *
 *      1..0 state | 2 exclusive | 8..3 seat | 16..9 epoch | 27..17 first unit | 38..28 last unit
 *      | 63..39 number, or while PENDING a nonce of the seat
 *
 *      0 --publish--> PENDING --number--> NUMBERED --release--> 0
 *          owner         |    anybody                owner, or who recovers it
 *                        \--withdraw--> 0      anybody who finds that there is no number left
 *
 * A unit is 1/2048 of the region. Two words conflict when their units overlap and one of them is
 * exclusive. A word of a cell (its range lies within that 1/16 of the region) stands in the line of
 * the cell, or, when that is full, in the region's; one that spans cells stands in the region's
 * line. Who stands in a cell's line scans that line and the region's; who stands in the region's
 * scans all. So two words that conflict are in each other's scope, always, and reservations of
 * different cells write no line in common.
 *
 * When both lines are taken, a word stands in one of the lines of a crowd, which are as the
 * region's, and which nobody looks at while `crowd` says that they are empty. That is a look at
 * them all: a word that is published there was counted before, and is until it was freed. So who
 * comes when there are no places in its cell still has its number before those who come later.
 *
 * This is Lamport's bakery, with helping in the place of waiting. A word is published PENDING. Its
 * number is one more than the highest of all NUMBERED words in its scope that conflict with it,
 * found by a scan that began after it was published; whoever meets it PENDING makes that scan and
 * the swap in its owner's stead. A word is grantable when no conflicting word with a lesser
 * (number, place) is there, once every conflicting PENDING word that the scan met has been
 * numbered.
 *
 * All accesses are sequentially consistent: "before" below is the one order of all of them.
 *
 * Lemma. A word y that conflicts with x and is published after x was numbered gets a higher number
 * than x, or x has ended. For y is numbered by a swap from its own PENDING word (the nonce makes it
 * that word and no other), by somebody who saw that word before he scanned; so the scan came after
 * x was numbered, and saw x NUMBERED, or ended.
 *
 * 1. Grantable is stable: true once, it is true until x ends. A scan for x that began after x was
 *    numbered looks at each place once. What it finds there with a higher (number, place) keeps it;
 * what it finds PENDING is numbered and compared; what comes to a place after the look was
 * published after x was numbered, and so comes after x (lemma). This is also why one more look
 * after helping is enough: another word at that place then is a newer one. So grantable is a fact
 * that anybody can establish about any word, and being granted needs no transition: no third party
 * changes a word but to number it.
 * 2. Two conflicting words are never both grantable. Of two that are NUMBERED let x be the lesser.
 *    A scan for y that does not see x ran, at x's place, before x was published; it began after y
 * was numbered; so x was published after y was numbered and is the greater (lemma). Contradiction.
 * 3. No circle of waiting: a word waits only for lesser ones. Nothing starves: who conflicts with a
 *    word and comes after it waits for it, granted or not.
 *
 * Numbers do not wrap. They grow along a chain of conflicting words of which each overlaps the next
 * in time, and begin with 1 again where the chain breaks. At RESERVATION_NUMBER_MAX newcomers are
 * withdrawn and told FULL until those that conflict have ended, which breaks the chain: 33 million
 * hand-offs without a gap cost one pause. Compared with numbers that wrap in a window, this needs
 * no argument about how far apart living numbers can drift while somebody is stopped.
 *
 * A nonce has 25 bits. A helper that is stopped between its scan and its swap while the same seat
 * publishes exactly a multiple of 2^25 words (seconds of doing nothing else), the last of them at
 * the same place with the same range and mode and PENDING at that instant, would number that with
 * the outcome of an old scan. That is the one thing here that is improbable and not impossible.
 */
#ifndef SHM_ORDER_H
#define SHM_ORDER_H

#include "shm/region.h"

enum word_state { WORD_FREE = 0, WORD_PENDING, WORD_NUMBERED };

/* Of one region: which units, and how. */
struct word_range {
    uint32_t first_unit;
    uint32_t last_unit;
    bool exclusive;
};

#define WORD_NUMBER_SHIFT 39
/* What stays the same in a word from publication to release. */
#define WORD_IDENTITY_MASK ((((uint64_t)1 << WORD_NUMBER_SHIFT) - 1) & ~(uint64_t)3)

_Static_assert(REGION_UNITS == 1 << 11, "a unit fits its field");
_Static_assert(RESERVATION_NUMBER_MAX == (1 << (64 - WORD_NUMBER_SHIFT)) - 1,
               "a number fits its field");

static inline enum word_state word_state(uint64_t word)
{
    return (enum word_state)(word & 3);
}
static inline bool word_exclusive(uint64_t word)
{
    return word >> 2 & 1;
}
static inline uint32_t word_seat(uint64_t word)
{
    return word >> 3 & 63;
}
static inline uint32_t word_epoch(uint64_t word)
{
    return word >> 9 & 255;
}
static inline uint32_t word_first(uint64_t word)
{
    return word >> 17 & (REGION_UNITS - 1);
}
static inline uint32_t word_last(uint64_t word)
{
    return word >> 28 & (REGION_UNITS - 1);
}
static inline uint32_t word_number(uint64_t word)
{
    return (uint32_t)(word >> WORD_NUMBER_SHIFT);
}

static inline uint64_t word_pending(struct word_range range, uint32_t seat, uint32_t epoch,
                                    uint32_t nonce)
{
    return (uint64_t)nonce << WORD_NUMBER_SHIFT | (uint64_t)range.last_unit << 28 |
           (uint64_t)range.first_unit << 17 | (uint64_t)(epoch & 255) << 9 | (uint64_t)seat << 3 |
           (uint64_t)range.exclusive << 2 | WORD_PENDING;
}
static inline uint64_t word_numbered(uint64_t word, uint32_t number)
{
    return (word & WORD_IDENTITY_MASK) | (uint64_t)number << WORD_NUMBER_SHIFT | WORD_NUMBERED;
}

static inline bool words_conflict(uint64_t a, uint64_t b)
{
    return word_first(a) <= word_last(b) && word_first(b) <= word_last(a) && ((a | b) & 4) != 0;
}

/* The places that count for one: the region's line, then a cell's or all cells', then a crowd's. */
struct scope {
    struct {
        uint32_t first, end;
    } parts[3];
    uint32_t count;
};

/* To be taken anew for each scan: it looks whether there is a crowd. */
static inline struct scope scope_of(const struct region *region, uint32_t place)
{
    uint32_t line = place & ~(REGION_LINE_WORDS - 1u);
    bool all = line == 0 || line >= REGION_CROWD_FIRST;
    bool crowd = load_seq_cst(&region->words->crowd) != 0;

    return (struct scope){.parts = {{0, REGION_LINE_WORDS},
                                    {all ? REGION_LINE_WORDS : line,
                                     all ? REGION_CROWD_FIRST : line + REGION_LINE_WORDS},
                                    {REGION_CROWD_FIRST, REGION_PLACES}},
                          .count = crowd ? 3 : 2};
}
/* Two loops in one: what is done for each place may return, but not break. */
#define SCOPE_FOR_EACH(at, scope)                                                                  \
    for (uint32_t part = 0; part < (scope).count; part++)                                          \
        for (uint32_t at = (scope).parts[part].first; at < (scope).parts[part].end; at++)

/* The cell that holds the whole range, or REGION_CELLS. */
static inline uint32_t cell_of(struct word_range range)
{
    const uint32_t units = REGION_UNITS / REGION_CELLS;

    return range.first_unit / units == range.last_unit / units ? range.first_unit / units
                                                               : REGION_CELLS;
}

/* Publishes a PENDING word at a free place of its cell's line, the region's, or a crowd's. The
 * place, or -1 when all are taken. Wait-free. */
int order_publish(struct coordination *c, const struct region *region, uint64_t pending);

/* After a word at `place` was freed, by who freed it. */
static inline void order_left(const struct region *region, uint32_t place)
{
    if (place >= REGION_CROWD_FIRST) /* pairs with scope_of: the place is looked at until then */
        add_seq_cst(&region->words->crowd, (uint64_t)-1);
}

/* Gives the PENDING word at `place` its number, whosever it is; or withdraws it when there is none
 * left. Nothing when it is not there any more. True when we did. Wait-free. */
bool order_number(struct coordination *c, const struct region *region, uint32_t place,
                  uint64_t pending);

/* Whether the NUMBERED word at `place` may go on; see above. Wait-free. */
bool order_grantable(struct coordination *c, const struct region *region, uint32_t place,
                     uint64_t word);

#endif
