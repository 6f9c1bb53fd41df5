/*
 * Adoption: what the caches of dead controllers hold of an element, and its image does not have, is
 * written there, by who takes the element.
 *
 * A block of a dead one's region stays DIRTY until it is on the image, and then becomes CLEAN. So
 * who adopts may be killed at any place, and the next one finds what is left. At most one region
 * holds dirty blocks of an element: that of its last owner, for an owner begins only when those of
 * all before it are written. Two dirty blocks of one place are a write that was being answered and
 * the one before it: either is right (shm/cache_region.h).
 */
#ifndef CONTROLLER_RECOVERY_ADOPT_H
#define CONTROLLER_RECOVERY_ADOPT_H

#include "controller/path/command.h"
#include "shm/cache_region.h"

struct adopt_write {
    struct command command;
    uint32_t run[ADOPT_RUN_BLOCKS]; /* blocks of the region, that lie together on the element */
    bool in_use;
};

/* A block of the region and its place on the element. */
struct adopt_block {
    uint64_t block;
    uint32_t index;
};

struct adoption {
    struct controller *controller;
    uint32_t element;
    bool running, starting;
    uint32_t seat; /* of the region that is worked on */
    struct cache_region region;
    struct adopt_block *blocks; /* by place; NULL: none */
    uint32_t count, next;
    uint32_t in_flight;
    uint64_t adopted;           /* blocks that have been written */
    int32_t status;             /* the first error */
    struct adopt_write *writes; /* ADOPT_WRITES */
    /* All is on the image, or status says why not. Called once for each adopt_start, perhaps before
     * that returns. */
    void (*over)(struct adoption *adoption);
};

/* 0 or -ENOMEM. */
int adopt_init(struct controller *controller, struct adoption *adoption);
void adopt_done(struct adoption *adoption);

/* Begins; the element's image is open, and nobody else executes anything on it. */
void adopt_start(struct adoption *adoption, uint32_t element);

/* The element has failed: what dead ones' caches hold of it will never be written. */
void adopt_drop(const struct adoption *adoption, uint32_t element);

#endif
