/*
 * Records: what hosts asked for in this life and what they were told. And what stands in the
 * sectors that they write: a stamp, all of its bytes, from the write's tag and the sector's place.
 */
#ifndef TESTS_SIM_RECORD_H
#define TESTS_SIM_RECORD_H

#include "tests/sim/world.h"

#define RECORD_NEVER UINT64_MAX /* a return_ns: there was no answer */

struct record {
    uint8_t op, flags;
    bool scripted; /* of the inspection, before hosts began */
    uint32_t host;
    uint32_t volume; /* of world->volumes */
    uint32_t first, sectors;
    uint64_t tag; /* WRITE and ZERO */
    uint64_t invoke_ns, return_ns;
    int32_t status;
    uint64_t *seen; /* READ, once it was answered well: a tag a sector; 0: zeroes */
};

/* A new one, of this instant. Returns its place in world->records. */
uint32_t record_add(struct world *world, const struct record *record);
void records_clear(struct world *world);

void stamp_sectors(uint8_t *into, uint64_t tag, uint32_t volume, uint32_t first, uint32_t sectors);

/* The tag of a sector's bytes; 0: all are zero; HISTORY_TORN, HISTORY_ASTRAY: of no one write, or
 * of another place. */
uint64_t stamp_of_sector(const uint8_t *sector, uint32_t volume, uint32_t number);

#endif
