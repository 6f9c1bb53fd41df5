#include "tests/sim/record.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/history/history.h"

enum { SECTOR_WORDS = IMAGE_SECTOR_BYTES / 8 };

uint32_t record_add(struct world *world, const struct record *record)
{
    if (world->records_count == world->records_room) {
        world->records_room = world->records_room != 0 ? 2 * world->records_room : 256;
        world->records = realloc(world->records, world->records_room * sizeof *world->records);
        assert(world->records != NULL);
    }
    world->records[world->records_count] = *record;
    world->records[world->records_count].invoke_ns = sim_tick(world);
    world->records[world->records_count].return_ns = RECORD_NEVER;
    return world->records_count++;
}

void records_clear(struct world *world)
{
    for (uint32_t i = 0; i < world->records_count; i++)
        free(world->records[i].seen);
    world->records_count = 0;
}

/* Word 0 is the tag, word 1 the place, and the rest follows from both. */
static uint64_t word_of(uint64_t tag, uint64_t place, uint32_t word)
{
    return word == 0 ? tag : word == 1 ? place : (tag ^ place << 20) * 2654435769u + word;
}

void stamp_sectors(uint8_t *into, uint64_t tag, uint32_t volume, uint32_t first, uint32_t sectors)
{
    for (uint32_t i = 0; i < sectors; i++) {
        for (uint32_t word = 0; word < SECTOR_WORDS; word++, into += sizeof(uint64_t)) {
            uint64_t value = word_of(tag, (uint64_t)volume << 32 | (first + i), word);
            memcpy(into, &value, sizeof value);
        }
    }
}

uint64_t stamp_of_sector(const uint8_t *sector, uint32_t volume, uint32_t number)
{
    uint64_t words[SECTOR_WORDS], place = (uint64_t)volume << 32 | number, wrong = 0, any = 0;

    memcpy(words, sector, sizeof words);
    for (uint32_t word = 0; word < SECTOR_WORDS; word++) {
        any |= words[word];
        wrong |= words[word] ^ word_of(words[0], words[1], word);
    }
    if (any == 0)
        return 0;
    if (wrong != 0)
        return HISTORY_TORN;
    return words[1] == place ? words[0] : HISTORY_ASTRAY;
}
