/*
 * The superblock: what an image says of itself, in its last SUPERBLOCK_BYTES, outside the element.
 * The data begins at the image's first byte, so that other tools can still look at it. Pure: bytes
 * in, a checked structure out, and back. Numbers are little-endian.
 *
 *      image       | the element: what commands reach ... | what else is kept | copy 0 | copy 1 |
 *
 *      copy, SUPERBLOCK_COPY_BYTES:
 *      offset 0    magic           "anyportS"
 *      offset 8    version         SUPERBLOCK_VERSION
 *      offset 12   crc             CRC32C of the whole copy, this field taken as 0
 *      offset 16   sequence        grows by 1 with each writing
 *      offset 24   members         how many records there are
 *      offset 32   array id        random, made when the array's first image was; 16 bytes
 *      offset 48   element id      random, made with the image; 16 bytes
 *      offset 64   array name      64 bytes, filled with 0
 *      offset 128  element name    64 bytes, filled with 0
 *      offset 192  tail            what else is kept, in front of the copies (tail.h); all of it 0:
 *                                  nothing, and the version is 1, as in older images
 *      offset 240  journal         the generation of the array's journal
 * (controller/journal/record.h) that knows all that is written to volumes with parity here; 0: none
 * does offset 256  records, 128 bytes each: offset 0    volume name     64 bytes, filled with 0
 *          offset 64   layout, chunk, copies, members
 *          offset 80   place, failed
 *          offset 88   member's offset on the element, and its size
 *          offset 104  run, next run
 *          offset 120  rebuilding, and how far: in so many units (superblock_rebuilt_unit)
 *
 * Invariants
 *  1. A writing goes to the copy that is not the newest good one, with a sequence one higher; only
 *     when it is known to be durable does that copy become the newest. So whenever the process or
 *     the machine stops, one good copy is left: the one before, or the new one.
 *  2. A copy of which any byte has changed is not good.
 */
#ifndef CONTROLLER_SUPERBLOCK_SUPERBLOCK_H
#define CONTROLLER_SUPERBLOCK_SUPERBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/superblock/tail.h"
#include "shm/limits.h"

enum {
    SUPERBLOCK_VERSION = 2,       /* the latest that is known here */
    SUPERBLOCK_VERSION_ALONE = 1, /* of an image that keeps nothing else: older programs know it */
    SUPERBLOCK_ID_BYTES = 16,
    SUPERBLOCK_COPIES = 2,
};

/* What it says of one member of a redundant volume. standing.h says what follows from it. */
struct superblock_member {
    char volume[NAME_BYTES_MAX + 1]; /* the virtual one */
    uint32_t layout;                 /* enum layout_kind */
    uint32_t chunk_bytes, copies, members;
    uint32_t place;                    /* of this member in the layout */
    uint32_t failed;                   /* mask of members that are stale */
    uint64_t offset_bytes, size_bytes; /* of the member, on the element */
    uint64_t run;           /* of the volume: how often it was started, with this member */
    uint64_t next_run;      /* that is being started; 0: none */
    uint32_t rebuilding;    /* mask of members, some of the failed, that are being rebuilt */
    uint64_t rebuilt_bytes; /* so much of them, from their beginning, holds all; rounded down */
};

struct superblock {
    uint64_t sequence;
    uint8_t array_id[SUPERBLOCK_ID_BYTES], element_id[SUPERBLOCK_ID_BYTES];
    char array[NAME_BYTES_MAX + 1], element[NAME_BYTES_MAX + 1];
    struct tail tail;
    uint64_t journal;
    uint32_t members_count;
    struct superblock_member members[SUPERBLOCK_MEMBERS_MAX];
};

/* In what rebuilt_bytes is kept, of a member of this size. A power of two, 64 KiB or more. */
uint64_t superblock_rebuilt_unit(uint64_t size_bytes);

/* Fills one copy: SUPERBLOCK_COPY_BYTES of any memory. */
void superblock_encode(const struct superblock *superblock, uint8_t *copy);

/* Reads one copy. -ENOENT: there is none here. -EBADMSG: there is, and it is damaged, or was torn.
 * -EPROTONOSUPPORT: it is of a version that is not known here. */
int superblock_decode(const uint8_t *copy, struct superblock *ret_superblock);

/* The newest good one of two copies that stand one behind the other. Where there is none: as above,
 * the worst of both. */
int superblock_choose(const uint8_t *copies, struct superblock *ret_superblock, uint32_t *ret_copy);

/* The record of the member that this volume has on the element, or NULL. */
const struct superblock_member *superblock_find(const struct superblock *superblock,
                                                const char *volume);

#endif
