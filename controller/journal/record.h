/*
 * What a journal holds, as bytes. Pure: bytes in, a checked structure out, and back. Numbers are
 * little-endian.
 *
 * The journal of one controller:
 *
 *      | header 0 | header 1 | ring of batches ...                                             |
 *        a block    a block    each begins at a whole block, lies in one piece, and was one write
 *
 *      header, a block; the newer good one of both counts:
 *      offset 0    magic           "anyportA"
 *      offset 8    version         JOURNAL_VERSION
 *      offset 12   crc             CRC32C of the block, this field taken as 0
 *      offset 16   sequence        grows by 1 with each writing of a header
 *      offset 24   generation      64 random bits, drawn anew at each start of the array
 *      offset 32   previous        the generation before, all of which has been replayed
 *      offset 40   replay from     batches of the whole array with a lower sequence are void
 *      offset 48   ring bytes
 *      offset 56   seat, controllers     whose it is, and how many there are
 *      offset 64   array id        as in superblocks; 16 bytes
 *      offset 80   array name      64 bytes, filled with 0
 *      offset 144  lost            how many tags follow (8 bytes each, from offset 152 on), of
 *                                  volumes of which batches are void that were not made durable: so
 *                                  many members failed. More than JOURNAL_LOST_MAX: all volumes
 *
 *      batch:
 *      offset 0    magic           "anyportJ"
 *      offset 8    version
 *      offset 12   crc             CRC32C of the batch's head, this field taken as 0
 *      offset 16   generation      as in the header
 *      offset 24   sequence        one order for all batches of the array
 *      offset 32   previous        the sequence of the batch that this controller wrote before; 0:
 *                                  none
 *      offset 40   place           of the batch in the ring
 *      offset 48   bytes           of the batch
 *      offset 52   records
 *      offset 56   payload's CRC32C
 *      offset 60   0
 *      offset 64   records, 32 bytes each:
 *          offset 0    volume's tag (journal_tag)
 *          offset 8    place on each member
 *          offset 16   length
 *          offset 20   members     mask of those that are written
 *          offset 24   zeroes      mask of those of them that become zeroes: they have no payload
 *          offset 28   0
 *      then payload: of each record, of each of its members in order, `length` bytes
 *
 * Invariants
 *  1. A record says all that is written to one place of a row: whoever writes it once more, after
 *     any part of it was written, leaves data and parity that fit each other.
 *  2. A batch of which any byte is missing or changed is not good, and none of its records counts:
 *     nothing of them was written in place, because that begins when the batch is durable.
 *  3. What looks like a batch and is payload of another is not taken for one: its generation would
 *     have to be this journal's, which no host can know, and its place where it stands.
 */
#ifndef CONTROLLER_JOURNAL_RECORD_H
#define CONTROLLER_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/superblock/superblock.h"
#include "shm/limits.h"

enum {
    JOURNAL_VERSION = 1,
    JOURNAL_BATCH_HEAD_BYTES = 64, /* in front of its records */
    JOURNAL_RECORD_BYTES = 32,
};

struct journal_header {
    uint64_t sequence;
    uint64_t generation, previous;
    uint64_t replay_from;
    uint64_t ring_bytes;
    uint32_t seat, controllers;
    uint8_t array_id[SUPERBLOCK_ID_BYTES];
    char array[NAME_BYTES_MAX + 1];
    uint32_t lost_count; /* JOURNAL_LOST_MAX + 1: all */
    uint64_t lost[JOURNAL_LOST_MAX];
};

struct journal_record {
    uint64_t tag;
    uint64_t member_offset_bytes;
    uint32_t length_bytes;
    uint32_t members, zeroes;
};

/* Which batch it is. */
struct journal_batch_name {
    uint64_t generation, sequence, previous, place_bytes;
};

/* A good batch; its records are read by journal_batch_record. */
struct journal_batch {
    struct journal_batch_name name;
    uint32_t bytes, records;
    const uint8_t *memory; /* the decoder's caller's: as long as that is there */
};

/* Fills one copy of a header: BLOCK_BYTES. */
void journal_header_encode(const struct journal_header *header, uint8_t *block);

/* Reads both copies, JOURNAL_HEADERS_BYTES. -ENODATA: all of it is zeroes, as in a new file.
 * -ENOENT: there is something else. -EBADMSG: both are damaged. -EPROTONOSUPPORT: they are of a
 * version that is not known here. */
int journal_header_choose(const uint8_t *copies, struct journal_header *ret_header);

/* Adds a volume to those that are lost, if it is not among them. */
void journal_header_add_lost(struct journal_header *header, uint64_t tag);
bool journal_header_is_lost(const struct journal_header *header, uint64_t tag);

/* How much of a batch's payload a record is. */
uint64_t journal_record_payload_bytes(const struct journal_record *record);

/* How long a batch is. */
uint64_t journal_batch_bytes(uint32_t records, uint64_t payload_bytes);

/* Where its payload begins. */
uint32_t journal_batch_payload_at(uint32_t records);

/* Record `index` of a batch that is being filled: any memory, JOURNAL_BATCH_BYTES_MAX of it. */
void journal_batch_put(uint8_t *memory, uint32_t index, const struct journal_record *record);

/* The last step, when its records and payload stand there: what is left to the end of the last
 * block is filled with 0. Returns the batch's bytes. */
uint32_t journal_batch_seal(uint8_t *memory, uint32_t records, uint64_t payload_bytes,
                            const struct journal_batch_name *name);

/* How many bytes the batch has that seems to begin here, by its head alone (BLOCK_BYTES are there);
 * 0: none of this generation and place does. */
uint32_t journal_batch_look(const uint8_t *memory, uint64_t generation, uint64_t place_bytes);

/* Reads a batch of which `bytes` are there, as journal_batch_look said. -EBADMSG: it is torn, or
 * damaged. */
int journal_batch_decode(const uint8_t *memory, uint32_t bytes, uint64_t generation,
                         uint64_t place_bytes, struct journal_batch *ret_batch);

/* Record `index` of a good batch, and where its payload begins. */
struct journal_record journal_batch_record(const struct journal_batch *batch, uint32_t index,
                                           const uint8_t **ret_payload);

/* --- tags: a volume as records name it, by all that says where its bytes lie --- */

uint64_t journal_tag_volume(const char *name, uint32_t layout, uint32_t chunk_bytes,
                            uint32_t members);
/* Its members are added in order. */
uint64_t journal_tag_member(uint64_t tag, const char *element, uint64_t offset_bytes);

#endif
