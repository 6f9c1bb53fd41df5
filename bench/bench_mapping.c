/*
 * The mapping table: a volume found by its name, and the place of a range found by its volume.
 * Every volume is asked for in turn, in an order that no prefetcher guesses, so many volumes show
 * what cache misses cost.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "shm/mapping.h"

enum {
    CONTROLLERS = 4,
    ELEMENTS = 8,
    OPERATIONS = 1000,
    STRIDE = 61803, /* has no divisor in common with a power of ten: every volume has its turn */
    VOLUME_BYTES = 1 << 20,
};

struct probe {
    uint32_t volume;
    uint32_t name_bytes;
    char name[NAME_BYTES_MAX + 1];
};

struct table {
    struct segment segment;
    struct probe *probes; /* as many as volumes */
    uint32_t volumes;
    uint32_t at;
};

static struct volume_record record_of(uint32_t volume)
{
    struct volume_record record = {.element = volume % ELEMENTS,
                                   .offset_bytes = (uint64_t)volume * VOLUME_BYTES,
                                   .size_bytes = VOLUME_BYTES};

    snprintf(record.name, sizeof record.name, "volume-%06u", volume);
    return record;
}

static bool fill(struct table *table)
{
    bool good = true;

    for (uint32_t i = 0; i < ELEMENTS; i++)
        owner_enter(&segment_element(&table->segment, i)->owner, i % CONTROLLERS, 0);
    for (uint32_t i = 0; i < table->volumes; i++) {
        struct volume_record record = record_of(i);
        good &= mapping_add_volume(&table->segment, i, &record) == 0;

        struct probe *probe = &table->probes[i];
        probe->volume = (uint32_t)((uint64_t)i * STRIDE % table->volumes);
        record = record_of(probe->volume);
        probe->name_bytes = (uint32_t)strlen(record.name);
        memcpy(probe->name, record.name, sizeof probe->name);
    }
    return good;
}

static bool begin(struct table *table, struct bench *bench)
{
    const struct segment_wanted wanted = {.controllers = CONTROLLERS,
                                          .elements = ELEMENTS,
                                          .volumes = (uint32_t)bench_argument(bench),
                                          .slots = SLOTS_MIN,
                                          .ring_entries = RING_ENTRIES_MIN,
                                          .buffers_bytes = BUFFERS_BYTES_MIN};

    *table = (struct table){.volumes = wanted.volumes};
    table->probes = calloc(wanted.volumes, sizeof *table->probes);
    if (table->probes != NULL && segment_create(&table->segment, &wanted, "bench") == 0 &&
        fill(table))
        return true;
    bench_fail(bench, "no table");
    return false;
}

static void end(struct table *table, struct bench *bench, bool good)
{
    if (!good)
        bench_fail(bench, "a volume was not found where it lies");
    segment_done(&table->segment);
    free(table->probes);
}

static const struct probe *next_probe(struct table *table)
{
    const struct probe *probe = &table->probes[table->at];

    table->at = table->at + 1 == table->volumes ? 0 : table->at + 1;
    return probe;
}

static void mapping_find(struct bench *bench)
{
    struct table table;
    bool good = begin(&table, bench);

    while (good && bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            const struct probe *probe = next_probe(&table);
            uint32_t volume = UINT32_MAX;
            good &=
                mapping_find_volume(&table.segment, probe->name, probe->name_bytes, &volume) == 0;
            good &= volume == probe->volume;
        }
    }
    end(&table, bench, good);
}
BENCH(mapping_find, "mapping/find by name among 10", 10)
BENCH(mapping_find, "mapping/find by name among 100000", 100000)

static void mapping_place(struct bench *bench)
{
    enum { OFFSET = 8192, LENGTH = BLOCK_BYTES };
    struct table table;
    bool good = begin(&table, bench);

    while (good && bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            uint32_t volume = next_probe(&table)->volume, element = volume % ELEMENTS;
            struct mapping_place place;
            good &= mapping_resolve(&table.segment, volume, OFFSET, LENGTH, &place) == 0;
            good &= place.element == element && place.owner == element % CONTROLLERS;
            good &= place.element_offset_bytes == (uint64_t)volume * VOLUME_BYTES + OFFSET;
        }
    }
    end(&table, bench, good);
}
BENCH(mapping_place, "mapping/resolve among 10", 10)
BENCH(mapping_place, "mapping/resolve among 100000", 100000)
