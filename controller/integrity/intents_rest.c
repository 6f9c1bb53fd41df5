/* Write intents of regions at rest: how bits go while the array runs. Drawn in intents.h. */
#include <assert.h>
#include <string.h>

#include "controller/integrity/intents.h"

static uint64_t region_of(const struct intents *intents, uint64_t at_bytes)
{
    return at_bytes >> intents->region_shift;
}

static uint64_t bit_of(uint64_t region)
{
    return UINT64_C(1) << region % 64;
}

/* --- waking --- */

static void wake(struct intents *intents, uint64_t word, uint64_t bits)
{
    uint64_t woken = bits & (intents->resting[word] | intents->cold[word] |
                             intents->settling[word] | intents->settled[word]);

    intents->set[word] |= woken;
    intents->resting[word] &= ~bits;
    intents->cold[word] &= ~bits;
    intents->settling[word] &= ~bits;
    intents->settled[word] &= ~bits;
}

void intents_wake(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes)
{
    uint64_t region = region_of(intents, offset_bytes);
    uint64_t last = region_of(intents, offset_bytes + length_bytes - 1);

    assert(length_bytes > 0 && last < intents->regions);
    for (; region <= last; region++)
        wake(intents, region / 64, bit_of(region));
}

void intents_hold(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes)
{
    uint64_t last = region_of(intents, offset_bytes + length_bytes - 1);

    intents_wake(intents, offset_bytes, length_bytes);
    for (uint64_t region = region_of(intents, offset_bytes); region <= last; region++)
        intents->stuck[region / 64] |= bit_of(region);
}

/* --- time --- */

bool intents_age(struct intents *intents)
{
    uint64_t left = 0;

    for (uint64_t word = 0; word < intents->words; word++) {
        uint64_t rests = intents->set[word] & ~intents->stuck[word];
        intents->cold[word] |= intents->resting[word];
        intents->resting[word] = rests;
        intents->set[word] &= ~rests;
        left |= intents->resting[word] | intents->cold[word] | intents->settling[word] |
                intents->settled[word] | intents->kept[word];
    }
    return left != 0;
}

/* What is settled has not gone yet, because elsewhere something was not: it is tried again. What is
 * of earlier times is durable since then, and may go when its volume lacks nothing any more. */
static uint64_t may_go(const struct intents *intents, uint64_t word)
{
    return intents->cold[word] | intents->settled[word] | intents->kept[word];
}

uint64_t intents_next_cold(const struct intents *intents, uint64_t region)
{
    for (; region < intents->regions; region++) {
        uint64_t word = region / 64;
        if ((may_go(intents, word) & bit_of(region)) != 0)
            break;
        if (region % 64 == 0 && may_go(intents, word) == 0)
            region += 63;
    }
    return region < intents->regions ? region : intents->regions;
}

/* --- asking --- */

bool intents_rest(const struct intents *intents, uint64_t first, uint64_t end)
{
    for (uint64_t region = first; region < end; region++) {
        uint64_t word = region / 64;
        uint64_t awake = intents->set[word] | intents->wanted[word] | intents->adding[word];
        if ((awake & bit_of(region)) != 0)
            return false;
    }
    return true;
}

bool intents_are_settled(const struct intents *intents, uint64_t first, uint64_t end)
{
    for (uint64_t region = first; region < end; region++) {
        uint64_t word = region / 64;
        uint64_t unsettled = intents->resting[word] | intents->cold[word] | intents->settling[word];
        if ((unsettled & bit_of(region)) != 0)
            return false;
    }
    return intents_rest(intents, first, end);
}

/* --- settling --- */

void intents_settle(struct intents *intents, uint64_t first, uint64_t end)
{
    assert(!intents->flushing);
    intents->flushing = true;
    for (uint64_t region = first; region < end; region++) {
        uint64_t word = region / 64;
        uint64_t rests = (intents->resting[word] | intents->cold[word]) & bit_of(region);
        intents->settling[word] |= rests;
        intents->resting[word] &= ~rests;
        intents->cold[word] &= ~rests;
    }
}

void intents_flushed(struct intents *intents, bool durable)
{
    assert(intents->flushing);
    intents->flushing = false;
    for (uint64_t word = 0; word < intents->words; word++) {
        *(durable ? &intents->settled[word] : &intents->cold[word]) |= intents->settling[word];
        intents->settling[word] = 0;
    }
}

bool intents_drop(struct intents *intents, uint64_t region)
{
    uint64_t word = region / 64;
    bool dropped = ((intents->settled[word] | intents->kept[word]) & bit_of(region)) != 0;

    assert(!intents->writing);
    intents->settled[word] &= ~bit_of(region);
    intents->kept[word] &= ~bit_of(region);
    return dropped;
}
