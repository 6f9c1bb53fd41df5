#include "controller/journal/record.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#define HEADER_MAGIC UINT64_C(0x4174726f70796e61) /* "anyportA" */
#define BATCH_MAGIC  UINT64_C(0x4a74726f70796e61) /* "anyportJ" */

enum { /* of a header and a batch */
       AT_MAGIC = 0,
       AT_VERSION = 8,
       AT_CRC = 12,
};
enum { /* of a header */
       AT_WRITING = 16,
       AT_GENERATION = 24,
       AT_PREVIOUS = 32,
       AT_REPLAY_FROM = 40,
       AT_RING_BYTES = 48,
       AT_SEAT = 56,
       AT_CONTROLLERS = 60,
       AT_ARRAY_ID = 64,
       AT_ARRAY = 80,
       AT_LOST_COUNT = 144,
       AT_LOST = 152,
};
_Static_assert((int)AT_LOST + 8 * (int)JOURNAL_LOST_MAX <= (int)BLOCK_BYTES, "a header is a block");
enum { /* of a batch */
       IN_GENERATION = 16,
       IN_SEQUENCE = 24,
       IN_PREVIOUS = 32,
       IN_PLACE = 40,
       IN_BYTES = 48,
       IN_RECORDS = 52,
       IN_PAYLOAD_CRC = 56,
};
enum { /* of a record */
       OF_TAG = 0,
       OF_PLACE = 8,
       OF_LENGTH = 16,
       OF_MEMBERS = 20,
       OF_ZEROES = 24,
};

/* --- bytes --- */

static void put32(uint8_t *bytes, uint32_t value)
{
    for (uint32_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void put64(uint8_t *bytes, uint64_t value)
{
    put32(bytes, (uint32_t)value);
    put32(bytes + 4, (uint32_t)(value >> 32));
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint64_t get64(const uint8_t *bytes)
{
    return get32(bytes) | (uint64_t)get32(bytes + 4) << 32;
}

/* ISA-L does not change what it reads although its argument says so, and leaves both inversions to
 * its caller. */
static uint32_t crc_more(uint32_t crc, const uint8_t *bytes, uint32_t count)
{
    return crc32_iscsi((uint8_t *)(uintptr_t)bytes, (int)count, crc);
}

/* Of [0, count), the field at AT_CRC taken as 0. */
static uint32_t crc_of(const uint8_t *bytes, uint32_t count)
{
    static const uint8_t zeroes[4];
    uint32_t crc = crc_more(UINT32_MAX, bytes, AT_CRC);

    crc = crc_more(crc, zeroes, sizeof zeroes);
    return ~crc_more(crc, bytes + AT_CRC + 4, count - AT_CRC - 4);
}

/* --- headers --- */

void journal_header_encode(const struct journal_header *header, uint8_t *block)
{
    memset(block, 0, BLOCK_BYTES);
    put64(block + AT_MAGIC, HEADER_MAGIC);
    put32(block + AT_VERSION, JOURNAL_VERSION);
    put64(block + AT_WRITING, header->sequence);
    put64(block + AT_GENERATION, header->generation);
    put64(block + AT_PREVIOUS, header->previous);
    put64(block + AT_REPLAY_FROM, header->replay_from);
    put64(block + AT_RING_BYTES, header->ring_bytes);
    put32(block + AT_SEAT, header->seat);
    put32(block + AT_CONTROLLERS, header->controllers);
    memcpy(block + AT_ARRAY_ID, header->array_id, SUPERBLOCK_ID_BYTES);
    memcpy(block + AT_ARRAY, header->array, strnlen(header->array, NAME_BYTES_MAX));
    put32(block + AT_LOST_COUNT, header->lost_count);
    for (uint32_t i = 0; i < header->lost_count && i < JOURNAL_LOST_MAX; i++)
        put64(block + AT_LOST + i * 8, header->lost[i]);
    put32(block + AT_CRC, crc_of(block, BLOCK_BYTES));
}

static bool header_is_sane(const struct journal_header *header)
{
    return header->generation != 0 && header->controllers >= 1 &&
           header->controllers <= CONTROLLERS_MAX && header->seat < header->controllers &&
           header->ring_bytes % BLOCK_BYTES == 0 && header->ring_bytes > 0 &&
           header->ring_bytes <= JOURNAL_BYTES_MAX - JOURNAL_HEADERS_BYTES &&
           header->lost_count <= JOURNAL_LOST_MAX + 1 &&
           memchr(header->array, 0, sizeof header->array) != NULL;
}

static int header_decode(const uint8_t *block, struct journal_header *ret_header)
{
    struct journal_header header;

    if (get64(block + AT_MAGIC) != HEADER_MAGIC)
        return -ENOENT;
    if (get32(block + AT_CRC) != crc_of(block, BLOCK_BYTES))
        return -EBADMSG;
    if (get32(block + AT_VERSION) != JOURNAL_VERSION)
        return -EPROTONOSUPPORT;
    header = (struct journal_header){.sequence = get64(block + AT_WRITING),
                                     .generation = get64(block + AT_GENERATION),
                                     .previous = get64(block + AT_PREVIOUS),
                                     .replay_from = get64(block + AT_REPLAY_FROM),
                                     .ring_bytes = get64(block + AT_RING_BYTES),
                                     .seat = get32(block + AT_SEAT),
                                     .controllers = get32(block + AT_CONTROLLERS),
                                     .lost_count = get32(block + AT_LOST_COUNT)};
    for (uint32_t i = 0; i < JOURNAL_LOST_MAX; i++)
        header.lost[i] = get64(block + AT_LOST + i * 8);
    memcpy(header.array_id, block + AT_ARRAY_ID, SUPERBLOCK_ID_BYTES);
    memcpy(header.array, block + AT_ARRAY, sizeof header.array);
    if (!header_is_sane(&header))
        return -EBADMSG;
    *ret_header = header;
    return 0;
}

static bool is_zero(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Of two reasons why there is none, as of superblocks: a newer version's is not to be overlooked,
 * nor a damaged one. The first writing of a new file that was torn left zeroes in the other copy.
 */
static int reason(const uint8_t *copies, int one, int other)
{
    if (one == -EPROTONOSUPPORT || other == -EPROTONOSUPPORT)
        return -EPROTONOSUPPORT;
    if (is_zero(copies + BLOCK_BYTES, BLOCK_BYTES) &&
        (one == -EBADMSG || is_zero(copies, BLOCK_BYTES)))
        return -ENODATA;
    return one == -EBADMSG || other == -EBADMSG ? -EBADMSG : -ENOENT;
}

int journal_header_choose(const uint8_t *copies, struct journal_header *ret_header)
{
    struct journal_header first = {0}, second = {0};
    int error = header_decode(copies, &first);
    int other = header_decode(copies + BLOCK_BYTES, &second);

    if (error == -EPROTONOSUPPORT || other == -EPROTONOSUPPORT || (error != 0 && other != 0))
        return reason(copies, error, other);
    *ret_header = error != 0 || (other == 0 && second.sequence > first.sequence) ? second : first;
    return 0;
}

bool journal_header_is_lost(const struct journal_header *header, uint64_t tag)
{
    for (uint32_t i = 0; i < header->lost_count && i < JOURNAL_LOST_MAX; i++) {
        if (header->lost[i] == tag)
            return true;
    }
    return header->lost_count > JOURNAL_LOST_MAX;
}

void journal_header_add_lost(struct journal_header *header, uint64_t tag)
{
    if (journal_header_is_lost(header, tag))
        return;
    if (header->lost_count < JOURNAL_LOST_MAX)
        header->lost[header->lost_count] = tag;
    header->lost_count++;
}

/* --- batches --- */

uint64_t journal_record_payload_bytes(const struct journal_record *record)
{
    uint32_t with_payload = record->members & ~record->zeroes;

    return (uint64_t)__builtin_popcount(with_payload) * record->length_bytes;
}

uint32_t journal_batch_payload_at(uint32_t records)
{
    return JOURNAL_BATCH_HEAD_BYTES + records * JOURNAL_RECORD_BYTES;
}

uint64_t journal_batch_bytes(uint32_t records, uint64_t payload_bytes)
{
    uint64_t bytes = journal_batch_payload_at(records) + payload_bytes;

    return (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

void journal_batch_put(uint8_t *memory, uint32_t index, const struct journal_record *record)
{
    uint8_t *bytes = memory + journal_batch_payload_at(index);

    memset(bytes, 0, JOURNAL_RECORD_BYTES);
    put64(bytes + OF_TAG, record->tag);
    put64(bytes + OF_PLACE, record->member_offset_bytes);
    put32(bytes + OF_LENGTH, record->length_bytes);
    put32(bytes + OF_MEMBERS, record->members);
    put32(bytes + OF_ZEROES, record->zeroes);
}

uint32_t journal_batch_seal(uint8_t *memory, uint32_t records, uint64_t payload_bytes,
                            const struct journal_batch_name *name)
{
    uint32_t bytes = (uint32_t)journal_batch_bytes(records, payload_bytes);
    uint32_t payload_at = journal_batch_payload_at(records);
    uint64_t end = payload_at + payload_bytes;

    assert(records > 0 && bytes <= JOURNAL_BATCH_BYTES_MAX && name->sequence != 0);
    memset(memory + end, 0, bytes - end);
    memset(memory, 0, JOURNAL_BATCH_HEAD_BYTES);
    put64(memory + AT_MAGIC, BATCH_MAGIC);
    put32(memory + AT_VERSION, JOURNAL_VERSION);
    put64(memory + IN_GENERATION, name->generation);
    put64(memory + IN_SEQUENCE, name->sequence);
    put64(memory + IN_PREVIOUS, name->previous);
    put64(memory + IN_PLACE, name->place_bytes);
    put32(memory + IN_BYTES, bytes);
    put32(memory + IN_RECORDS, records);
    put32(memory + IN_PAYLOAD_CRC, ~crc_more(UINT32_MAX, memory + payload_at, bytes - payload_at));
    put32(memory + AT_CRC, crc_of(memory, payload_at));
    return bytes;
}

uint32_t journal_batch_look(const uint8_t *memory, uint64_t generation, uint64_t place_bytes)
{
    uint32_t bytes = get32(memory + IN_BYTES), records = get32(memory + IN_RECORDS);

    if (get64(memory + AT_MAGIC) != BATCH_MAGIC || get32(memory + AT_VERSION) != JOURNAL_VERSION ||
        get64(memory + IN_GENERATION) != generation || get64(memory + IN_PLACE) != place_bytes ||
        bytes == 0 || bytes % BLOCK_BYTES != 0 || bytes > JOURNAL_BATCH_BYTES_MAX || records == 0 ||
        records > JOURNAL_BATCH_RECORDS_MAX || journal_batch_payload_at(records) > bytes)
        return 0;
    return bytes;
}

static bool record_is_sane(const struct journal_record *record)
{
    return record->length_bytes > 0 && record->length_bytes <= PARITY_COLUMN_BYTES &&
           record->members != 0 && (record->zeroes & ~record->members) == 0 &&
           record->member_offset_bytes < ELEMENT_BYTES_MAX;
}

static struct journal_record get_record(const uint8_t *memory, uint32_t index)
{
    const uint8_t *bytes = memory + journal_batch_payload_at(index);

    return (struct journal_record){.tag = get64(bytes + OF_TAG),
                                   .member_offset_bytes = get64(bytes + OF_PLACE),
                                   .length_bytes = get32(bytes + OF_LENGTH),
                                   .members = get32(bytes + OF_MEMBERS),
                                   .zeroes = get32(bytes + OF_ZEROES)};
}

static bool records_fit(const uint8_t *memory, uint32_t records, uint32_t bytes)
{
    uint64_t payload_bytes = 0;

    for (uint32_t i = 0; i < records; i++) {
        const struct journal_record record = get_record(memory, i);
        if (!record_is_sane(&record))
            return false;
        payload_bytes += journal_record_payload_bytes(&record);
    }
    return journal_batch_bytes(records, payload_bytes) == bytes;
}

int journal_batch_decode(const uint8_t *memory, uint32_t bytes, uint64_t generation,
                         uint64_t place_bytes, struct journal_batch *ret_batch)
{
    uint32_t records = get32(memory + IN_RECORDS);

    if (bytes == 0 || journal_batch_look(memory, generation, place_bytes) != bytes)
        return -EBADMSG;
    uint32_t payload_at = journal_batch_payload_at(records);
    if (get32(memory + AT_CRC) != crc_of(memory, payload_at) ||
        get32(memory + IN_PAYLOAD_CRC) !=
            ~crc_more(UINT32_MAX, memory + payload_at, bytes - payload_at) ||
        get64(memory + IN_SEQUENCE) == 0 || !records_fit(memory, records, bytes))
        return -EBADMSG;
    *ret_batch = (struct journal_batch){.name = {.generation = generation,
                                                 .sequence = get64(memory + IN_SEQUENCE),
                                                 .previous = get64(memory + IN_PREVIOUS),
                                                 .place_bytes = place_bytes},
                                        .bytes = bytes,
                                        .records = records,
                                        .memory = memory};
    return 0;
}

struct journal_record journal_batch_record(const struct journal_batch *batch, uint32_t index,
                                           const uint8_t **ret_payload)
{
    const uint8_t *payload = batch->memory + journal_batch_payload_at(batch->records);

    assert(index < batch->records);
    for (uint32_t i = 0; i < index; i++) {
        const struct journal_record before = get_record(batch->memory, i);
        payload += journal_record_payload_bytes(&before);
    }
    *ret_payload = payload;
    return get_record(batch->memory, index);
}

/* --- tags: FNV-1a --- */

static uint64_t tag_bytes(uint64_t tag, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tag = (tag ^ bytes[i]) * UINT64_C(0x100000001b3);
    return tag;
}

static uint64_t tag_number(uint64_t tag, uint64_t number)
{
    uint8_t bytes[8];

    put64(bytes, number);
    return tag_bytes(tag, bytes, sizeof bytes);
}

/* With its NUL, so that what follows is apart from it. */
static uint64_t tag_name(uint64_t tag, const char *name)
{
    return tag_bytes(tag, (const uint8_t *)name, strlen(name) + 1);
}

uint64_t journal_tag_volume(const char *name, uint32_t layout, uint32_t chunk_bytes,
                            uint32_t members)
{
    uint64_t tag = tag_name(UINT64_C(0xcbf29ce484222325), name);

    tag = tag_number(tag, layout);
    tag = tag_number(tag, chunk_bytes);
    return tag_number(tag, members);
}

uint64_t journal_tag_member(uint64_t tag, const char *element, uint64_t offset_bytes)
{
    return tag_number(tag_name(tag, element), offset_bytes);
}
