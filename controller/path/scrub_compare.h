/*
 * Comparing what the members of a redundant volume hold at one place: copies with each other, or
 * parity with its data. Pure; the buffers are the caller's.
 *
 * Differences are counted in blocks of BLOCK_BYTES, and what is right is put into the buffers:
 *
 *      copies   what most of them say; where no more say one thing than another, the first of them
 *      parity   what the data says; but where P and Q both say that one certain column is wrong,
 *               and nothing speaks for that column, what they say of it. One parity alone does not
 *               tell which column is wrong; who knows better (checksums) does not let wrong data
 *               come here.
 */
#ifndef CONTROLLER_PATH_SCRUB_COMPARE_H
#define CONTROLLER_PATH_SCRUB_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

struct scrub_found {
    uint32_t blocks;      /* that differ */
    uint64_t first_bytes; /* where the first of them begins; valid when there is one */
    uint32_t located;     /* those of them of which P and Q told the wrong column */
    uint32_t changed;     /* mask of buffers that do not hold any more what they did */
};

/* `count` copies, of which those of the mask `known` have been read, at least one; the others are
 * given what is right, and do not count as different. */
struct scrub_found scrub_compare_copies(uint8_t *const *copies, uint32_t count, uint32_t known,
                                        size_t length_bytes);

/* A place of a row. Bits of `lost` and of scrub_found.changed: 0 to columns - 1 the data, then P,
 * then Q. */
struct scrub_row {
    uint8_t *data[MEMBERS_MAX];
    uint32_t columns;
    uint8_t *p, *q;           /* q NULL: there is none */
    uint8_t *made_p, *made_q; /* of the same length, to work in */
    uint32_t lost;            /* those that could not be read */
    uint32_t trusted; /* data that fits a checksum: when parity does not fit, parity is wrong */
};

/* False: more is lost than parity can give back; nothing was done. Lost ones are given what they
 * should hold, and do not count as different. */
bool scrub_compare_row(const struct scrub_row *row, size_t length_bytes,
                       struct scrub_found *ret_found);

#endif
