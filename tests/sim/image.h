/*
 * An image in memory, with a volatile cache in front of what survives a loss of power.
 *
 *      seen      what a read returns
 *      durable   what a loss of power leaves, but for
 *      pending   writes that have taken effect and were not flushed, in order; at a loss of power
 *                each unit (IMAGE_SECTOR_BYTES or more) of each of them is kept or not
 *
 * A flush makes durable all that had taken effect before it was submitted. A durable write makes
 * its own bytes durable; what was pending of them is superseded.
 */
#ifndef TESTS_SIM_IMAGE_H
#define TESTS_SIM_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "io/element.h"
#include "tests/sim/dice.h"

enum { IMAGE_SECTOR_BYTES = 512, IMAGE_HOLDERS_MAX = 8 };

struct image {
    char path[96]; /* empty: it does not exist */
    uint64_t bytes;
    uint8_t *seen, *durable;
    uint64_t *durable_order; /* by sector: which write is durable there */
    uint64_t order;          /* of the last write that took effect */
    struct pending_write *pending, **pending_end;
    enum element_mode mode;
    uint32_t unit_bytes;               /* what a loss of power keeps or loses whole */
    uint32_t element;                  /* of the array, that it is or was an image of */
    bool journal;                      /* of a controller: it is one of no element */
    uint32_t opens[IMAGE_HOLDERS_MAX]; /* descriptors, by who has them */
    uint64_t mark;                     /* of who opened it last (io/witness.h) */
    uint32_t in_flight;                /* operations that were submitted and have not landed */
    bool failing;                      /* operations may fail from now on */
};

/* All zeroes. */
void image_create(struct image *image, uint64_t bytes);
void image_free(struct image *image);

void image_read(const struct image *image, void *into, uint64_t bytes, uint64_t offset_bytes);
void image_write(struct image *image, const void *from, uint64_t bytes, uint64_t offset_bytes,
                 bool durable);

/* What had taken effect up to this order is durable. */
void image_flush(struct image *image, uint64_t order);

/* Of what is pending, each unit is kept once in `keep_once_in` (1: all is, 0: nothing). */
void image_lose_power(struct image *image, struct dice *dice, uint32_t keep_once_in);

#endif
