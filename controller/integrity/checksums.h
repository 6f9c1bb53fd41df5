/*
 * The checksums of an element's blocks, in its owner's memory: a word for each block, private to
 * the process that serves the element. On the image they are a row of little-endian words.
 *
 *      0   the block is zeroes: what it is in a new image, and after it was zeroed as a whole
 *      1   not known: whatever is read is taken as right, and its checksum as the block's
 *      2   damaged: whatever is read is wrong
 *      else CRC32C of the block, seeded with the block's number, so that a block that landed in
 *          another's place does not fit; a CRC of 0 to 2 counts as 3
 *
 * A write that was lost leaves a block that does not fit, and so does one that was torn.
 */
#ifndef CONTROLLER_INTEGRITY_CHECKSUMS_H
#define CONTROLLER_INTEGRITY_CHECKSUMS_H

#include <stdbool.h>
#include <stdint.h>

enum { CHECKSUM_ZEROES = 0, CHECKSUM_UNKNOWN = 1, CHECKSUM_DAMAGED = 2, CHECKSUM_CRC_FIRST = 3 };

struct checksums {
    uint32_t *words;      /* pages come into being when they are touched */
    uint64_t words_bytes; /* whole blocks */
    uint64_t blocks;
};

/* For an element of so many bytes: all zeroes. -ENOMEM. */
int checksums_new(struct checksums **ret_checksums, uint64_t element_bytes, uint64_t words_bytes);
void checksums_free(struct checksums *checksums); /* NULL is allowed */

/* The word of a block of BLOCK_BYTES with this number. */
uint32_t checksum_of(const uint8_t *block, uint64_t number);

/* Whether a block that was read is what its word says. One that is not known is known from now on:
 * whoever calls has made sure that it is what the element holds, or that a write which is under way
 * will enter what it made of it. */
bool checksums_fit(struct checksums *checksums, uint64_t number, const uint8_t *block);

/* A write of the block has ended. */
void checksums_enter(struct checksums *checksums, uint64_t number, const uint8_t *block);

/* Sets the words of a range of blocks to CHECKSUM_ZEROES, _UNKNOWN or _DAMAGED. */
void checksums_set(struct checksums *checksums, uint64_t first, uint64_t count, uint32_t word);

/* Those that may be wrong after an end without order become unknown; what was found damaged stays
 * so, because no write has mended it. */
void checksums_forget(struct checksums *checksums, uint64_t first, uint64_t count);

#endif
