#include "controller/superblock/tail.h"

#include <assert.h>

#include "shm/limits.h"

enum { REGIONS_MAX_OF_ELEMENT = INTENTS_BYTES_MAX / INTENT_SECTOR_BYTES * INTENT_SECTOR_REGIONS };

_Static_assert(CHECKSUMS_BYTES_MAX <= UINT32_MAX - INTENTS_BYTES_MAX - SUPERBLOCK_BYTES,
               "a tail's length is 32 bits");
_Static_assert(ELEMENT_BYTES_MAX <= (uint64_t)1 << INTENT_REGION_SHIFT_MAX,
               "any element is covered by some size of regions");

static uint64_t whole_blocks(uint64_t bytes)
{
    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

uint64_t tail_regions(uint64_t element_bytes, uint32_t region_shift)
{
    return (element_bytes + (UINT64_C(1) << region_shift) - 1) >> region_shift;
}

static uint64_t intents_bytes(uint64_t regions)
{
    uint64_t sectors = (regions + INTENT_SECTOR_REGIONS - 1) / INTENT_SECTOR_REGIONS;

    return whole_blocks(sectors * INTENT_SECTOR_BYTES);
}

static uint64_t checksums_bytes(uint64_t element_bytes)
{
    return whole_blocks(whole_blocks(element_bytes) / BLOCK_BYTES * CHECKSUM_BYTES);
}

struct tail tail_of(uint64_t element_bytes, bool checksums)
{
    struct tail tail = {.region_shift = INTENT_REGION_SHIFT_MIN};

    assert(element_bytes > 0 && element_bytes < ELEMENT_BYTES_MAX);
    assert(!checksums ||
           (element_bytes <= CHECKSUMMED_BYTES_MAX && element_bytes % BLOCK_BYTES == 0));
    while (tail_regions(element_bytes, tail.region_shift) > REGIONS_MAX_OF_ELEMENT)
        tail.region_shift++;
    tail.checksums_bytes = checksums ? checksums_bytes(element_bytes) : 0;
    tail.intents_offset_bytes = tail.checksums_bytes;
    tail.intents_bytes = (uint32_t)intents_bytes(tail_regions(element_bytes, tail.region_shift));
    tail.bytes = tail.intents_offset_bytes + tail.intents_bytes + SUPERBLOCK_BYTES;
    return tail;
}

uint32_t tail_bytes(const struct tail *tail)
{
    return tail->bytes == 0 ? SUPERBLOCK_BYTES : (uint32_t)tail->bytes;
}

bool tail_valid(const struct tail *tail)
{
    uint64_t intents_end = tail->intents_offset_bytes + tail->intents_bytes;

    if (tail->bytes == 0)
        return tail->checksums_bytes == 0 && tail->intents_bytes == 0;
    return tail->checksums_bytes <= CHECKSUMS_BYTES_MAX &&
           tail->intents_bytes <= INTENTS_BYTES_MAX &&
           tail->bytes <= (uint64_t)CHECKSUMS_BYTES_MAX + INTENTS_BYTES_MAX + SUPERBLOCK_BYTES &&
           (tail->checksums_bytes | tail->checksums_offset_bytes | tail->intents_bytes |
            tail->intents_offset_bytes) %
                   BLOCK_BYTES ==
               0 &&
           tail->checksums_offset_bytes <= tail->bytes &&
           tail->intents_offset_bytes <= tail->bytes &&
           tail->checksums_offset_bytes + tail->checksums_bytes <= tail->intents_offset_bytes &&
           intents_end + SUPERBLOCK_BYTES <= tail->bytes &&
           (tail->intents_bytes == 0 || (tail->region_shift >= INTENT_REGION_SHIFT_MIN &&
                                         tail->region_shift <= INTENT_REGION_SHIFT_MAX)) &&
           (tail->checksums_bytes == 0 || tail->intents_bytes != 0);
}

bool tail_covers(const struct tail *tail, uint64_t element_bytes)
{
    return (tail->checksums_bytes == 0 ||
            (element_bytes % BLOCK_BYTES == 0 &&
             tail->checksums_bytes >= checksums_bytes(element_bytes))) &&
           (tail->intents_bytes == 0 ||
            tail->intents_bytes >= intents_bytes(tail_regions(element_bytes, tail->region_shift)));
}
