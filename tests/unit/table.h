/*
 * A coordination table for tests: a segment of its own, and controllers that note down whom they
 * were told to notify.
 */
#ifndef TESTS_UNIT_TABLE_H
#define TESTS_UNIT_TABLE_H

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "shm/conflict.h"
#include "shm/reserve.h"

enum { TABLE_SEATS = 4, TABLE_NOTES = 64, TABLE_EPOCH = 7 };

struct table_note {
    uint32_t seat, cookie, generation;
};

struct table_notes {
    struct table_note notes[TABLE_NOTES];
    uint32_t count;
};

struct table {
    struct segment segment;
    struct coordination seats[TABLE_SEATS];
    struct table_notes told; /* of all */
};

static inline void table_note_down(void *context, uint32_t seat, uint32_t cookie,
                                   uint32_t generation)
{
    struct table_notes *told = context;

    assert(told->count < TABLE_NOTES);
    told->notes[told->count++] = (struct table_note){seat, cookie, generation};
}

static inline void table_open(struct table *table, uint64_t region_bytes)
{
    struct segment_wanted wanted = {.controllers = TABLE_SEATS,
                                    .elements = 1,
                                    .volumes = 1,
                                    .slots = 1,
                                    .ring_entries = RING_ENTRIES_MIN,
                                    .regions = REGIONS_MIN,
                                    .region_bytes = region_bytes,
                                    .buffers_bytes = BLOCK_BYTES};

    memset(table, 0, sizeof *table);
    int status = segment_create(&table->segment, &wanted, "table");
    assert(status == 0);
    for (uint32_t seat = 0; seat < TABLE_SEATS; seat++)
        coordination_init(&table->seats[seat], &table->segment, seat, TABLE_EPOCH, table_note_down,
                          &table->told, &segment_seat(&table->segment, seat)->coordination);
}

static inline void table_close(struct table *table)
{
    segment_done(&table->segment);
}

/* Whether the last notification, now forgotten, was the only one and said this. */
static inline bool table_told_only(struct table *table, uint32_t seat, uint32_t cookie)
{
    bool right = table->told.count == 1 && table->told.notes[0].seat == seat &&
                 table->told.notes[0].cookie == cookie;
    table->told.count = 0;
    return right;
}

static inline void table_count_view(void *context, const struct reserve_view *view)
{
    (void)view;
    ++*(uint32_t *)context;
}

/* How many words there are in the table. */
static inline uint32_t table_words(struct table *table)
{
    uint32_t words = 0;
    reserve_walk(&table->seats[0].table, table_count_view, &words);
    return words;
}

static inline struct reservation wish(uint64_t offset_bytes, uint64_t length_bytes, bool exclusive,
                                      uint32_t cookie)
{
    return (struct reservation){.volume = 3,
                                .offset_bytes = offset_bytes,
                                .length_bytes = length_bytes,
                                .exclusive = exclusive,
                                .cookie = cookie};
}

/* relaxed: one thread, or threads that have ended */
#define COUNTED(coordination, name) load_relaxed(&(coordination)->counters->name)

#endif
