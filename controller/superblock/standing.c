#include "controller/superblock/standing.h"

#include <assert.h>
#include <string.h>

static uint64_t latest_run(const struct superblock_member *const *records, uint32_t members)
{
    uint64_t run = 0;

    for (uint32_t i = 0; i < members; i++) {
        if (records[i] != NULL && records[i]->run > run)
            run = records[i]->run;
    }
    return run;
}

/* Masks of one run are each a part of the next greater one; all together are the greatest. */
static uint32_t named_in(const struct superblock_member *const *records, uint32_t members,
                         uint64_t run)
{
    uint32_t named = 0;

    for (uint32_t i = 0; i < members; i++) {
        if (records[i] != NULL && records[i]->run == run)
            named |= records[i]->failed;
    }
    return named;
}

/* What all that are not stale say, and the members themselves; see rule 5. */
static void find_rebuilding(const struct superblock_member *const *records, uint32_t members,
                            struct standing *standing)
{
    uint32_t rebuilding = standing->named & ~standing->earlier & ~standing->silent;
    uint64_t rebuilt_bytes = UINT64_MAX;

    for (uint32_t i = 0; i < members; i++) {
        bool stale = (standing->stale >> i & 1) != 0;
        uint32_t own = UINT32_C(1) << i;
        if (!stale)
            rebuilding &= records[i]->rebuilding;
        else if (records[i] == NULL || (records[i]->rebuilding & own) == 0)
            rebuilding &= ~own;
    }
    for (uint32_t i = 0; i < members; i++) {
        bool stale = (standing->stale & ~rebuilding) >> i & 1;
        if (!stale && records[i]->rebuilt_bytes < rebuilt_bytes)
            rebuilt_bytes = records[i]->rebuilt_bytes;
    }
    standing->rebuilding = rebuilding;
    standing->rebuilt_bytes = rebuilding != 0 ? rebuilt_bytes : 0;
}

struct standing standing_of(const struct superblock_member *const *records, uint32_t members)
{
    struct standing standing = {0};

    assert(members >= 1 && members <= MEMBERS_MAX);
    standing.run = latest_run(records, members);
    standing.is_new = standing.run == 0;
    standing.named = named_in(records, members, standing.run);
    for (uint32_t i = 0; i < members; i++) {
        const struct superblock_member *record = records[i];
        if (record == NULL)
            standing.silent |= UINT32_C(1) << i;
        else if (record->run != standing.run && record->next_run != standing.run)
            standing.earlier |= UINT32_C(1) << i;
    }
    if (!standing.is_new)
        standing.stale = standing.named | standing.earlier | standing.silent;
    if (standing.stale != 0)
        find_rebuilding(records, members, &standing);
    return standing;
}

bool standing_same_volume(const struct superblock_member *one,
                          const struct superblock_member *other)
{
    return strcmp(one->volume, other->volume) == 0 && one->layout == other->layout &&
           one->chunk_bytes == other->chunk_bytes && one->copies == other->copies &&
           one->members == other->members && one->place == other->place &&
           one->offset_bytes == other->offset_bytes && one->size_bytes == other->size_bytes;
}
