/*
 * The tail of an image: what stands behind the element and is the array's own. Pure arithmetic.
 *
 *      | the element, from byte 0 | checksums | intents | superblock |
 *                                 |<----------- tail.bytes --------->|
 *
 *      checksums   a word of CHECKSUM_BYTES for each block (controller/integrity/checksums.h)
 *      intents     a bit for each region of 1 << region_shift bytes
 * (controller/integrity/intents.h)
 *
 * Either may be missing. Where the parts are is said in the superblock, so that an image stays as
 * it was made. Offsets count from the tail's beginning.
 */
#ifndef CONTROLLER_SUPERBLOCK_TAIL_H
#define CONTROLLER_SUPERBLOCK_TAIL_H

#include <stdbool.h>
#include <stdint.h>

struct tail {
    uint64_t bytes; /* 0: the superblock alone, as in older images; all others are 0 then */
    uint64_t checksums_offset_bytes, checksums_bytes; /* 0 bytes: none */
    uint64_t intents_offset_bytes;
    uint32_t intents_bytes; /* 0: none */
    uint32_t region_shift;
};

/* That of a new image whose element has so many bytes (1 to ELEMENT_BYTES_MAX - 1; with checksums a
 * multiple of BLOCK_BYTES, up to CHECKSUMMED_BYTES_MAX). */
struct tail tail_of(uint64_t element_bytes, bool checksums);

/* How long it is, the superblock included. */
uint32_t tail_bytes(const struct tail *tail);

/* Whether its parts lie within it, apart, and within the limits. */
bool tail_valid(const struct tail *tail);

/* Whether its parts have room for what is kept of an element of so many bytes. */
bool tail_covers(const struct tail *tail, uint64_t element_bytes);

/* How many regions an element of so many bytes has. */
uint64_t tail_regions(uint64_t element_bytes, uint32_t region_shift);

#endif
