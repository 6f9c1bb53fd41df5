/*
 * Write intents: which regions of an element may differ from what is kept of them elsewhere, on
 * the other members of a redundant volume and in the table of checksums. Pure: bits and bytes.
 *
 * A bit stands durably on the image before the first write to its region begins, so that after any
 * end it is known where writes may have been under way. Bits are only ever taken away when nothing
 * of their region is under way anywhere (integrity.h says when that is).
 *
 * The bitmap on the image is a row of sectors of INTENT_SECTOR_BYTES, which a disk writes wholly or
 * not at all:
 *
 *      offset 0    bits, the region's number / 8 on: INTENT_SECTOR_REGIONS of them
 *      offset 504  state       INTENTS_CHECKSUMS_RIGHT, INTENTS_MEMBERS_AGREE; little-endian
 *      offset 508  crc         CRC32C of what is before it, seeded with the sector's number
 *
 * Invariants
 *  1. All zeroes is a sector that was never written: no region is meant, nothing is in doubt.
 *  2. A sector whose CRC is wrong (a disk that tears sectors, damage) means all of its regions.
 *  3. While an array runs, a writing adds bits, takes states away, and takes away bits that nothing
 *     needs any more. So whichever of its sectors reach the disk, all bits that are needed stand.
 *  4. A state is only true of a sector until the first bit is added to it, and is then taken away
 *     by the same writing.
 *
 * While the array runs, a bit goes when its region has been left alone for a while. Until then it
 * stands on the image, and is in one of these bitmaps; a write takes it back to `set` at once, at
 * no I/O (intents_want):
 *
 *      set --> resting --> cold --> settling --> settled --> gone
 *          age         age      \__ a flush __/          intents_drop, and the next writing
 *
 *      resting, cold   not written since the last, or the last but one, intents_age
 *      settling        no write is under way, and a flush has begun since
 *      settled         all that was written there is durable, checksums too
 *
 * Who may call what, so that this is true, is said in controller/path/execute_clear.c; why a bit
 * may go then, in controller/path/split_clear.c.
 */
#ifndef CONTROLLER_INTEGRITY_INTENTS_H
#define CONTROLLER_INTEGRITY_INTENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/superblock/tail.h"

enum intents_state {
    INTENTS_CHECKSUMS_RIGHT = 1 << 0, /* the table of checksums is right, whatever the bits say */
    INTENTS_MEMBERS_AGREE = 1 << 1,   /* the bits are only what members lack that have failed */
    INTENTS_STATES_ALL = (1 << 2) - 1,
};

struct intents {
    uint32_t region_shift;
    uint32_t sectors;
    uint64_t regions;
    uint64_t words;   /* of 64 regions, in each of the bitmaps below */
    uint64_t *set;    /* durably on the image, its sector without states: writes may begin */
    uint64_t *wanted; /* to be added by the next writing */
    uint64_t *adding; /* by the one that is under way */
    uint64_t *kept;   /* of earlier times, in sectors whose states still hold */
    uint64_t *resting, *cold, *settling, *settled; /* as drawn above */
    uint64_t *stuck; /* a write failed there: of them none rests, before an orderly end */
    uint8_t *states; /* by sector */
    uint8_t *image;  /* what is being written: image_bytes, aligned to a block */
    uint32_t image_bytes;
    bool writing;
    bool flushing; /* something may be settling */
};

/* Makes an empty bitmap for an element of so many bytes, as its tail says. 0 or -ENOMEM. */
int intents_new(struct intents **ret_intents, const struct tail *tail, uint64_t element_bytes);
void intents_free(struct intents *intents); /* NULL is allowed */

/* Takes over what stands on the image: image_bytes, in intents->image. */
void intents_load(struct intents *intents);

/* Whether all regions of the range are set: what a write costs where they are. */
static inline bool intents_cover(const struct intents *intents, uint64_t offset_bytes,
                                 uint64_t length_bytes)
{
    uint64_t region = offset_bytes >> intents->region_shift;
    uint64_t last = (offset_bytes + length_bytes - 1) >> intents->region_shift;

    for (; region <= last; region++) {
        if ((intents->set[region / 64] >> region % 64 & 1) == 0)
            return false;
    }
    return true;
}

/* Asks that those of the range that are neither set nor being added be added; those that stand on
 * the image and rest are set again at once. Not an empty range. */
void intents_want(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes);

/* Begins a writing of all that is wanted: fills intents->image. One at a time. */
void intents_begin(struct intents *intents);

/* It is durable: what it added is set. */
void intents_written(struct intents *intents);

/* It failed; what of it reached the image is not known. What it added is not set, and not wanted
 * any more. */
void intents_failed(struct intents *intents);

/* Whether a region is meant that was not in order by the image: with `state`, one in a sector that
 * does not have this state. */
bool intents_doubt(const struct intents *intents, uint64_t region, enum intents_state state);

/* How many regions of the range are meant and not in this state. */
uint64_t intents_count(const struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes,
                       enum intents_state state);

/* --- at rest (intents_rest.c) --- */

/* Regions that are written from now on rest no more; also those that a write has just left
 * unwritten, or written in part (`stuck`). Not an empty range. */
void intents_wake(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes);
void intents_hold(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes);

/* Some time has passed. False: there is no region left that may come to rest. */
bool intents_age(struct intents *intents);

/* The first cold region from this one on; intents->regions: there is none. */
uint64_t intents_next_cold(const struct intents *intents, uint64_t region);

/* Of regions [first, end): whether each is at rest or not meant at all; whether each is settled, or
 * not meant. */
bool intents_rest(const struct intents *intents, uint64_t first, uint64_t end);
bool intents_are_settled(const struct intents *intents, uint64_t first, uint64_t end);

/* A flush begins: those of [first, end) that rest are settling. None is settling. */
void intents_settle(struct intents *intents, uint64_t first, uint64_t end);
/* And has ended: those that still are settling are settled, or rest as before. */
void intents_flushed(struct intents *intents, bool durable);

/* The region's bit is not needed any more, if it is settled or of earlier times: the next writing
 * is without it. True: it was. Not while a writing is under way. */
bool intents_drop(struct intents *intents, uint64_t region);

/* All that the image may say of 64 regions. */
static inline uint64_t intents_standing(const struct intents *intents, uint64_t word)
{
    return intents->set[word] | intents->kept[word] | intents->resting[word] | intents->cold[word] |
           intents->settling[word] | intents->settled[word];
}

/* An orderly end: takes away all bits but those that `keep` says, a bit a region, and fills
 * intents->image, with `states` for each sector. Nothing is wanted or being written. */
void intents_end(struct intents *intents, const uint64_t *keep, uint8_t states);

#endif
