#include "controller/integrity/intents.h"

#include <assert.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#include "shm/limits.h"

enum {
    SECTOR_WORDS = INTENT_SECTOR_REGIONS / 64,
    AT_STATE = INTENT_SECTOR_BYTES - 8,
    AT_CRC = INTENT_SECTOR_BYTES - 4,
};

/* --- making --- */

static int make_bitmaps(struct intents *intents)
{
    uint64_t **bitmaps[] = {&intents->set,      &intents->wanted,  &intents->adding,
                            &intents->kept,     &intents->resting, &intents->cold,
                            &intents->settling, &intents->settled, &intents->stuck};
    void *image;

    for (uint32_t i = 0; i < sizeof bitmaps / sizeof *bitmaps; i++) {
        *bitmaps[i] = calloc(intents->words, sizeof(uint64_t));
        if (*bitmaps[i] == NULL)
            return -ENOMEM;
    }
    intents->states = malloc(intents->sectors);
    if (intents->states == NULL || posix_memalign(&image, BLOCK_BYTES, intents->image_bytes) != 0)
        return -ENOMEM;
    memset(intents->states, INTENTS_STATES_ALL, intents->sectors);
    intents->image = image;
    return 0;
}

int intents_new(struct intents **ret_intents, const struct tail *tail, uint64_t element_bytes)
{
    struct intents *intents = calloc(1, sizeof *intents);

    assert(tail->intents_bytes != 0 && tail_covers(tail, element_bytes));
    if (intents == NULL)
        return -ENOMEM;
    intents->region_shift = tail->region_shift;
    intents->regions = tail_regions(element_bytes, tail->region_shift);
    intents->image_bytes = tail->intents_bytes;
    intents->sectors = tail->intents_bytes / INTENT_SECTOR_BYTES;
    intents->words = (uint64_t)intents->sectors * SECTOR_WORDS;
    int error = make_bitmaps(intents);
    if (error != 0) {
        intents_free(intents);
        return error;
    }
    *ret_intents = intents;
    return 0;
}

void intents_free(struct intents *intents)
{
    if (intents == NULL)
        return;
    free(intents->set);
    free(intents->wanted);
    free(intents->adding);
    free(intents->kept);
    free(intents->resting);
    free(intents->cold);
    free(intents->settling);
    free(intents->settled);
    free(intents->stuck);
    free(intents->states);
    free(intents->image);
    free(intents);
}

/* --- sectors --- */

static void put_bytes(uint8_t *bytes, uint64_t value, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_bytes(const uint8_t *bytes, uint32_t count)
{
    uint64_t value = 0;

    for (uint32_t i = count; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static uint32_t crc_of(uint8_t *sector, uint32_t number)
{
    return ~crc32_iscsi(sector, AT_CRC, ~number);
}

static bool was_never_written(const uint8_t *sector)
{
    for (uint32_t i = 0; i < INTENT_SECTOR_BYTES; i++) {
        if (sector[i] != 0)
            return false;
    }
    return true;
}

/* What a sector means that cannot be read: everything. */
static void load_damaged(struct intents *intents, uint32_t number)
{
    memset(&intents->set[number * SECTOR_WORDS], 0xff, SECTOR_WORDS * sizeof(uint64_t));
    intents->states[number] = 0;
}

/* A sector that has lost a state is as good as written: its bits are set. While it has one, the
 * first new bit must be written, to take that away. */
static void load_sector(struct intents *intents, uint32_t number)
{
    uint8_t *sector = intents->image + number * INTENT_SECTOR_BYTES;

    if (was_never_written(sector))
        return;
    if (get_bytes(sector + AT_CRC, 4) != crc_of(sector, number)) {
        load_damaged(intents, number);
        return;
    }
    intents->states[number] = (uint8_t)get_bytes(sector + AT_STATE, 4) & INTENTS_STATES_ALL;
    uint64_t *bitmap = intents->states[number] == 0 ? intents->set : intents->kept;
    for (uint32_t i = 0; i < SECTOR_WORDS; i++)
        bitmap[number * SECTOR_WORDS + i] = get_bytes(sector + 8 * i, 8);
}

void intents_load(struct intents *intents)
{
    for (uint32_t i = 0; i < intents->sectors; i++)
        load_sector(intents, i);
}

static void fill_sector(struct intents *intents, uint32_t number)
{
    uint8_t *sector = intents->image + number * INTENT_SECTOR_BYTES;
    uint64_t first = (uint64_t)number * SECTOR_WORDS;

    for (uint32_t i = 0; i < SECTOR_WORDS; i++)
        put_bytes(sector + 8 * i, intents_standing(intents, first + i) | intents->adding[first + i],
                  8);
    put_bytes(sector + AT_STATE, intents->states[number], 4);
    put_bytes(sector + AT_CRC, crc_of(sector, number), 4);
}

/* --- adding --- */

void intents_want(struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes)
{
    uint64_t region = offset_bytes >> intents->region_shift;
    uint64_t last = (offset_bytes + length_bytes - 1) >> intents->region_shift;

    intents_wake(intents, offset_bytes, length_bytes);
    for (; region <= last; region++)
        intents->wanted[region / 64] |=
            UINT64_C(1) << region % 64 & ~intents->set[region / 64] & ~intents->adding[region / 64];
}

/* A state goes with the first bit that is added to its sector: from then on the sector's bits of
 * earlier times are as much in doubt as the new ones. */
static void take_states(struct intents *intents)
{
    for (uint64_t word = 0; word < intents->words; word++) {
        uint64_t sector = word / SECTOR_WORDS;
        if (intents->adding[word] != 0)
            intents->states[sector] = 0;
    }
}

void intents_begin(struct intents *intents)
{
    assert(!intents->writing);
    intents->writing = true;
    memcpy(intents->adding, intents->wanted, intents->words * sizeof(uint64_t));
    memset(intents->wanted, 0, intents->words * sizeof(uint64_t));
    take_states(intents);
    for (uint32_t i = 0; i < intents->sectors; i++)
        fill_sector(intents, i);
}

static bool adds_to(const struct intents *intents, uint64_t sector)
{
    for (uint64_t i = 0; i < SECTOR_WORDS; i++) {
        if (intents->adding[sector * SECTOR_WORDS + i] != 0)
            return true;
    }
    return false;
}

/* Of a sector that was written its bits of earlier times stand without states as well. */
void intents_written(struct intents *intents)
{
    assert(intents->writing);
    intents->writing = false;
    for (uint64_t word = 0; word < intents->words; word++) {
        if (word % SECTOR_WORDS == 0 && !adds_to(intents, word / SECTOR_WORDS)) {
            word += SECTOR_WORDS - 1;
            continue;
        }
        intents->set[word] |= intents->adding[word] | intents->kept[word];
        intents->adding[word] = intents->kept[word] = 0;
    }
}

void intents_failed(struct intents *intents)
{
    assert(intents->writing);
    intents->writing = false;
    memset(intents->adding, 0, intents->words * sizeof(uint64_t));
}

/* --- asking --- */

bool intents_doubt(const struct intents *intents, uint64_t region, enum intents_state state)
{
    uint64_t word = region / 64;
    uint64_t meant = intents_standing(intents, word) >> region % 64 & 1;

    return meant != 0 && (intents->states[word / SECTOR_WORDS] & state) == 0;
}

uint64_t intents_count(const struct intents *intents, uint64_t offset_bytes, uint64_t length_bytes,
                       enum intents_state state)
{
    uint64_t region = offset_bytes >> intents->region_shift;
    uint64_t last = (offset_bytes + length_bytes - 1) >> intents->region_shift, count = 0;

    for (; length_bytes > 0 && region <= last && region < intents->regions; region++)
        count += intents_doubt(intents, region, state);
    return count;
}

/* --- ending --- */

void intents_end(struct intents *intents, const uint64_t *keep, uint8_t states)
{
    assert(!intents->writing);
    for (uint64_t word = 0; word < intents->words; word++) {
        intents->kept[word] = intents_standing(intents, word) & keep[word];
        intents->set[word] = intents->resting[word] = intents->cold[word] = 0;
        intents->settling[word] = intents->settled[word] = intents->stuck[word] = 0;
    }
    memset(intents->states, states, intents->sectors);
    for (uint32_t i = 0; i < intents->sectors; i++)
        fill_sector(intents, i);
}
