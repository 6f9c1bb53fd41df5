#include "controller/superblock/superblock.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#include "controller/layout/layout.h"

#define MAGIC UINT64_C(0x5374726f70796e61) /* "anyportS" */

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CRC = 12,
    AT_SEQUENCE = 16,
    AT_MEMBERS_COUNT = 24,
    AT_ARRAY_ID = 32,
    AT_ELEMENT_ID = 48,
    AT_ARRAY = 64,
    AT_ELEMENT = 128,
    AT_TAIL = 192,
    AT_JOURNAL = 240,
    AT_RECORDS = 256,
    RECORD_BYTES = 128,
    NAME_FIELD_BYTES = NAME_BYTES_MAX + 1,
};
enum { /* within the tail's field */
       IN_BYTES = 0,
       IN_CHECKSUMS_OFFSET = 8,
       IN_CHECKSUMS_BYTES = 16,
       IN_INTENTS_OFFSET = 24,
       IN_INTENTS_BYTES = 32,
       IN_REGION_SHIFT = 36,
       TAIL_FIELD_BYTES = 40,
};
enum { /* within a record */
       IN_VOLUME = 0,
       IN_LAYOUT = 64,
       IN_CHUNK = 68,
       IN_COPIES = 72,
       IN_MEMBERS = 76,
       IN_PLACE = 80,
       IN_FAILED = 84,
       IN_OFFSET = 88,
       IN_SIZE = 96,
       IN_RUN = 104,
       IN_NEXT_RUN = 112,
       IN_REBUILDING = 120,
       IN_REBUILT = 124,
};
_Static_assert((int)AT_RECORDS + (int)SUPERBLOCK_MEMBERS_MAX * (int)RECORD_BYTES <=
                   (int)SUPERBLOCK_COPY_BYTES,
               "a copy holds all records");
_Static_assert((int)AT_ELEMENT + (int)NAME_FIELD_BYTES <= (int)AT_TAIL && NAME_FIELD_BYTES == 64 &&
                   (int)AT_TAIL + (int)TAIL_FIELD_BYTES <= (int)AT_JOURNAL,
               "as drawn in the header");

/* --- bytes --- */

static void put(uint8_t *bytes, uint64_t value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put(bytes, value, 4);
}

static void put64(uint8_t *bytes, uint64_t value)
{
    put(bytes, value, 8);
}

static uint64_t get64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (uint32_t i = 8; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static void put_name(uint8_t *bytes, const char *name)
{
    size_t length = strnlen(name, NAME_BYTES_MAX);

    memcpy(bytes, name, length);
    memset(bytes + length, 0, NAME_FIELD_BYTES - length);
}

/* False: it does not end within its field, or is empty. */
static bool get_name(const uint8_t *bytes, char ret_name[NAME_FIELD_BYTES])
{
    memcpy(ret_name, bytes, NAME_FIELD_BYTES);
    return bytes[0] != 0 && memchr(bytes, 0, NAME_FIELD_BYTES) != NULL;
}

/* CRC32C of a copy, its own field taken as zeroes. ISA-L leaves both inversions to its caller, and
 * does not change what it reads although its argument says so. */
static uint32_t crc_of(const uint8_t *copy)
{
    static uint8_t zeroes[4];
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy;
    uint32_t crc = crc32_iscsi(bytes, AT_CRC, UINT32_MAX);

    crc = crc32_iscsi(zeroes, sizeof zeroes, crc);
    crc = crc32_iscsi(bytes + AT_CRC + 4, SUPERBLOCK_COPY_BYTES - AT_CRC - 4, crc);
    return ~crc;
}

uint64_t superblock_rebuilt_unit(uint64_t size_bytes)
{
    uint64_t unit_bytes = 64 << 10;

    while (size_bytes / unit_bytes > UINT32_MAX)
        unit_bytes *= 2;
    return unit_bytes;
}

/* --- writing --- */

static void encode_member(const struct superblock_member *member, uint8_t *record)
{
    put_name(record + IN_VOLUME, member->volume);
    put32(record + IN_LAYOUT, member->layout);
    put32(record + IN_CHUNK, member->chunk_bytes);
    put32(record + IN_COPIES, member->copies);
    put32(record + IN_MEMBERS, member->members);
    put32(record + IN_PLACE, member->place);
    put32(record + IN_FAILED, member->failed);
    put64(record + IN_OFFSET, member->offset_bytes);
    put64(record + IN_SIZE, member->size_bytes);
    put64(record + IN_RUN, member->run);
    put64(record + IN_NEXT_RUN, member->next_run);
    put32(record + IN_REBUILDING, member->rebuilding);
    put32(record + IN_REBUILT,
          (uint32_t)(member->rebuilt_bytes / superblock_rebuilt_unit(member->size_bytes)));
}

static void encode_tail(const struct tail *tail, uint8_t *field)
{
    put64(field + IN_BYTES, tail->bytes);
    put64(field + IN_CHECKSUMS_OFFSET, tail->checksums_offset_bytes);
    put64(field + IN_CHECKSUMS_BYTES, tail->checksums_bytes);
    put64(field + IN_INTENTS_OFFSET, tail->intents_offset_bytes);
    put32(field + IN_INTENTS_BYTES, tail->intents_bytes);
    put32(field + IN_REGION_SHIFT, tail->region_shift);
}

void superblock_encode(const struct superblock *superblock, uint8_t *copy)
{
    bool alone = superblock->tail.bytes == 0;

    assert(superblock->members_count <= SUPERBLOCK_MEMBERS_MAX);
    memset(copy, 0, SUPERBLOCK_COPY_BYTES);
    put64(copy + AT_MAGIC, MAGIC);
    put32(copy + AT_VERSION, alone ? SUPERBLOCK_VERSION_ALONE : SUPERBLOCK_VERSION);
    put64(copy + AT_SEQUENCE, superblock->sequence);
    put32(copy + AT_MEMBERS_COUNT, superblock->members_count);
    memcpy(copy + AT_ARRAY_ID, superblock->array_id, SUPERBLOCK_ID_BYTES);
    memcpy(copy + AT_ELEMENT_ID, superblock->element_id, SUPERBLOCK_ID_BYTES);
    put_name(copy + AT_ARRAY, superblock->array);
    put_name(copy + AT_ELEMENT, superblock->element);
    encode_tail(&superblock->tail, copy + AT_TAIL);
    put64(copy + AT_JOURNAL, superblock->journal);
    for (uint32_t i = 0; i < superblock->members_count; i++)
        encode_member(&superblock->members[i], copy + AT_RECORDS + i * RECORD_BYTES);
    put32(copy + AT_CRC, crc_of(copy));
}

/* --- reading --- */

static bool decode_member(const uint8_t *record, struct superblock_member *member)
{
    bool named = get_name(record + IN_VOLUME, member->volume);

    member->layout = get32(record + IN_LAYOUT);
    member->chunk_bytes = get32(record + IN_CHUNK);
    member->copies = get32(record + IN_COPIES);
    member->members = get32(record + IN_MEMBERS);
    member->place = get32(record + IN_PLACE);
    member->failed = get32(record + IN_FAILED);
    member->offset_bytes = get64(record + IN_OFFSET);
    member->size_bytes = get64(record + IN_SIZE);
    member->run = get64(record + IN_RUN);
    member->next_run = get64(record + IN_NEXT_RUN);
    member->rebuilding = get32(record + IN_REBUILDING);
    member->rebuilt_bytes =
        get32(record + IN_REBUILT) * superblock_rebuilt_unit(member->size_bytes);
    return named && layout_name((enum layout_kind)member->layout) != NULL && member->members >= 1 &&
           member->members <= MEMBERS_MAX && member->place < member->members &&
           (uint64_t)member->failed >> member->members == 0 &&
           (member->rebuilding & ~member->failed) == 0 &&
           member->offset_bytes < ELEMENT_BYTES_MAX && member->size_bytes < ELEMENT_BYTES_MAX;
}

static bool decode_tail(const uint8_t *field, struct tail *tail)
{
    tail->bytes = get64(field + IN_BYTES);
    tail->checksums_offset_bytes = get64(field + IN_CHECKSUMS_OFFSET);
    tail->checksums_bytes = get64(field + IN_CHECKSUMS_BYTES);
    tail->intents_offset_bytes = get64(field + IN_INTENTS_OFFSET);
    tail->intents_bytes = get32(field + IN_INTENTS_BYTES);
    tail->region_shift = get32(field + IN_REGION_SHIFT);
    return tail_valid(tail);
}

static int decode_known(const uint8_t *copy, struct superblock *superblock)
{
    superblock->sequence = get64(copy + AT_SEQUENCE);
    superblock->members_count = get32(copy + AT_MEMBERS_COUNT);
    superblock->journal = get64(copy + AT_JOURNAL);
    memcpy(superblock->array_id, copy + AT_ARRAY_ID, SUPERBLOCK_ID_BYTES);
    memcpy(superblock->element_id, copy + AT_ELEMENT_ID, SUPERBLOCK_ID_BYTES);
    if (!get_name(copy + AT_ARRAY, superblock->array) ||
        !get_name(copy + AT_ELEMENT, superblock->element) ||
        !decode_tail(copy + AT_TAIL, &superblock->tail) ||
        superblock->members_count > SUPERBLOCK_MEMBERS_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < superblock->members_count; i++) {
        if (!decode_member(copy + AT_RECORDS + i * RECORD_BYTES, &superblock->members[i]))
            return -EBADMSG;
    }
    return 0;
}

int superblock_decode(const uint8_t *copy, struct superblock *ret_superblock)
{
    struct superblock superblock = {0};

    if (get64(copy + AT_MAGIC) != MAGIC)
        return -ENOENT;
    if (get32(copy + AT_CRC) != crc_of(copy))
        return -EBADMSG;
    if (get32(copy + AT_VERSION) != SUPERBLOCK_VERSION &&
        get32(copy + AT_VERSION) != SUPERBLOCK_VERSION_ALONE)
        return -EPROTONOSUPPORT;
    int error = decode_known(copy, &superblock);
    if (error == 0)
        *ret_superblock = superblock;
    return error;
}

/* Of two reasons why there is none: a newer version's superblock is not to be overlooked because an
 * older copy can still be read, nor a damaged one because the other is not there. */
static int worse(int one, int other)
{
    if (one == -EPROTONOSUPPORT || other == -EPROTONOSUPPORT)
        return -EPROTONOSUPPORT;
    return one == -EBADMSG ? one : other;
}

int superblock_choose(const uint8_t *copies, struct superblock *ret_superblock, uint32_t *ret_copy)
{
    struct superblock first = {0}, second = {0};
    int error = superblock_decode(copies, &first);
    int other = superblock_decode(copies + SUPERBLOCK_COPY_BYTES, &second);

    if (error == -EPROTONOSUPPORT || other == -EPROTONOSUPPORT || (error != 0 && other != 0))
        return worse(error, other);
    bool take_second = error != 0 || (other == 0 && second.sequence > first.sequence);
    *ret_superblock = take_second ? second : first;
    *ret_copy = take_second;
    return 0;
}

const struct superblock_member *superblock_find(const struct superblock *superblock,
                                                const char *volume)
{
    for (uint32_t i = 0; i < superblock->members_count; i++) {
        if (strcmp(superblock->members[i].volume, volume) == 0)
            return &superblock->members[i];
    }
    return NULL;
}
