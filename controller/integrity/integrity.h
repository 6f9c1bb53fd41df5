/*
 * What the owner of an element keeps beside its data: write intents and, where its image has them,
 * checksums. Read when the owner starts, before anything is served; put in order at an orderly end.
 *
 * When a bit of the intents may be taken away
 *  1. Nothing that it stands for is under way: no write of a virtual volume on any member. A write
 *     that was done on this member and not yet begun on another one would else be forgotten, if
 *     everything ended then. At an orderly end all hosts are gone everywhere before any controller
 *     ends (SEAT_QUIESCED); a controller that died, or was not waited for, may have left something.
 *     While the array runs, whoever has it cleared has reserved it (controller/path/split_clear.c).
 *  2. The data is durable, on all members, and so are the checksums of the region.
 *  3. No member of a volume that it is of has failed: the bits say what that one lacks.
 *  4. Members that may differ since an earlier end have been made equal.
 *
 * What is true after such an end although bits stand is said by the states (intents.h).
 */
#ifndef CONTROLLER_INTEGRITY_INTEGRITY_H
#define CONTROLLER_INTEGRITY_INTEGRITY_H

#include "controller/integrity/checksums.h"
#include "controller/integrity/intents.h"
#include "io/element.h"

struct integrity {
    struct tail tail;
    struct intents *intents;
    struct checksums *checksums; /* NULL: none */
    uint64_t said_ns;            /* when a block that does not fit was last said to be one */
    uint64_t unsaid;             /* how many were met since */
};

/* Reads what is kept of an open element that has its tail. Checksums that may be wrong since the
 * last end are not known any more. 0, -ENOMEM, or what reading said. */
int integrity_open(struct integrity **ret_integrity, const struct element *element,
                   const struct tail *tail);
void integrity_free(struct integrity *integrity); /* NULL is allowed */

/* The element's data is durable, and nothing is under way. Makes the checksums durable, then takes
 * away all intents but those of the bitmap `keep` (a bit a region, intents->words words); `agree`:
 * these are only what failed members lack. 0, or -errno: then the intents stand as they did. */
int integrity_end(struct integrity *integrity, const struct element *element, const uint64_t *keep,
                  bool agree);

/* The same for an element that another controller goes on with, while writes may be under way on
 * other members: all intents stand, and say that the checksums are right. */
int integrity_keep(struct integrity *integrity, const struct element *element);

/* Where the bitmap is in the tail, and what is to be written there: the writing that was begun. */
struct loop_io integrity_intents_io(const struct integrity *integrity);

/* Where in the tail the checksums of regions [first, end) are, whole blocks, and what they are to
 * say: words of the table itself, of which others may change meanwhile. There are checksums. */
struct loop_io integrity_checksums_io(const struct integrity *integrity, uint64_t first_region,
                                      uint64_t end_region);

#endif
