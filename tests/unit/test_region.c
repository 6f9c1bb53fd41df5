/*
 * Region structures: found, allocated, given back, and finished for those who died half way.
 */
#include "shm/region.h"

#include <errno.h>

#include "tests/unit/table.h"
#include "tests/unit/unit.h"

enum { VOLUME = 3, SETS = REGIONS_MIN / REGION_WAYS };

static struct table table;
static struct coordination *const a = &table.seats[0], *const b = &table.seats[1];

/* The key of way 1 of the set where region 0 of the volume lies, and its other words. */
static struct region_set *set_of_zero(void)
{
    return &a->table.sets[region_set_of(&a->table, VOLUME, 0)];
}

/* pairs with nobody: one thread */
static void put(_Atomic uint64_t *word, uint64_t value)
{
    store_seq_cst(word, value); /* pairs with nobody */
}

static void a_region_is_found_where_it_was_allocated(void)
{
    struct region one, again, other;

    table_open(&table, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 5, &one), 0);
    CU_ASSERT_EQUAL(region_find(b, VOLUME, 5, &again), 0);
    CU_ASSERT_EQUAL(one.index, again.index);
    CU_ASSERT_EQUAL(region_find(b, VOLUME, 5 + SETS, &other), 0);
    CU_ASSERT_PTR_EQUAL(other.set, one.set);
    CU_ASSERT_NOT_EQUAL(other.way, one.way);
    CU_ASSERT_TRUE(region_is_live(&one) && region_is_live(&other));
    CU_ASSERT_EQUAL(region_key_volume(other.key), VOLUME);
    CU_ASSERT_EQUAL(region_key_index(other.key), 5 + SETS);
    CU_ASSERT_EQUAL(COUNTED(a, allocations), 1);
    CU_ASSERT_EQUAL(COUNTED(b, allocations), 1);
    table_close(&table);
}

static void consecutive_regions_lie_in_consecutive_sets(void)
{
    table_open(&table, 0);
    for (uint32_t volume = 0; volume < 1000; volume++)
        for (uint64_t region = 0; region < 3; region++)
            CU_ASSERT_EQUAL(region_set_of(&a->table, volume, region + 1),
                            (region_set_of(&a->table, volume, region) + 1) % SETS);
    table_close(&table);
}

static void the_largest_key_fits(void)
{
    uint64_t region = ((uint64_t)1 << 45) - 1;
    uint64_t key = region_key(VOLUMES_MAX - 1, region);

    CU_ASSERT_EQUAL(region_key_volume(key), VOLUMES_MAX - 1);
    CU_ASSERT_EQUAL(region_key_index(key), region);
    CU_ASSERT_EQUAL(region_key_state(key), KEY_LIVE);
}

static void an_unused_structure_is_given_back_for_another_region_only_when_none_is_empty(void)
{
    struct region region, used;

    table_open(&table, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &used), 0);
    put(&used.words->words[135], 1);
    for (uint64_t i = 1; i < REGION_WAYS; i++)
        CU_ASSERT_EQUAL(region_find(a, VOLUME, i * SETS, &region), 0);
    CU_ASSERT_EQUAL(COUNTED(a, evictions), 0);
    for (uint64_t i = REGION_WAYS; i < 5 * REGION_WAYS; i++) {
        CU_ASSERT_EQUAL(region_find(a, VOLUME, i * SETS, &region), 0);
        CU_ASSERT_EQUAL(COUNTED(a, evictions), i + 1 - REGION_WAYS);
    }
    CU_ASSERT_TRUE(region_is_live(&used));
    table_close(&table);
}

static void a_structure_being_closed_is_taken_back(void)
{
    struct region one, again;

    table_open(&table, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &one), 0);
    _Atomic uint64_t *key = &one.set->keys[one.way];
    put(key, (one.key & ~3ull) | KEY_CLOSING);
    CU_ASSERT_TRUE(region_is_live(&one));
    CU_ASSERT_EQUAL(load_seq_cst(key), one.key);
    put(key, (one.key & ~3ull) | KEY_CLOSING);
    CU_ASSERT_EQUAL(region_find(b, VOLUME, 0, &again), 0);
    CU_ASSERT_EQUAL(again.index, one.index);
    put(key, region_key(VOLUME, SETS));
    CU_ASSERT_FALSE(region_is_live(&one));
    table_close(&table);
}

/* An allocation by somebody who went no further, in `way`. */
static uint64_t leave_allocating(uint32_t way, uint64_t region)
{
    uint64_t allocating = (uint64_t)(way + 1) << 16 | TABLE_EPOCH << 8 | 1 << 2 | KEY_ALLOCATING;

    put(&set_of_zero()->closers[way], 1ull << 32 | 1u << 31 | TABLE_EPOCH << 8 | 1);
    put(&set_of_zero()->claims[way], region_key(VOLUME, region));
    put(&set_of_zero()->keys[way], allocating);
    return allocating;
}

static uint32_t live_ways(void)
{
    uint32_t live = 0;
    for (uint32_t way = 0; way < REGION_WAYS; way++)
        live += load_seq_cst(&set_of_zero()->keys[way]) == region_key(VOLUME, 0);
    return live;
}

static void an_allocation_left_half_way_is_finished(void)
{
    struct region region;

    table_open(&table, 0);
    leave_allocating(4, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &region), 0);
    CU_ASSERT_EQUAL(region.way, 4);
    CU_ASSERT_EQUAL(live_ways(), 1);
    table_close(&table);
}

static void of_two_allocations_for_a_region_one_becomes_live(void)
{
    struct region region;

    table_open(&table, 0);
    leave_allocating(2, 0);
    leave_allocating(6, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &region), 0);
    CU_ASSERT_EQUAL(region.way, 2);
    CU_ASSERT_EQUAL(live_ways(), 1);
    CU_ASSERT_EQUAL(region_key_state(load_seq_cst(&region.set->keys[6])), KEY_EMPTY);
    /* And where the other is live already, whichever way it has, the newcomer is withdrawn. */
    leave_allocating(1, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &region), 0);
    CU_ASSERT_EQUAL(region.way, 2);
    CU_ASSERT_EQUAL(live_ways(), 1);
    table_close(&table);
}

static void what_the_dead_began_with_a_key_is_undone(void)
{
    struct region region, closing;

    table_open(&table, 0);
    CU_ASSERT_EQUAL(region_find(a, VOLUME, SETS, &closing), 0);
    CU_ASSERT_EQUAL(closing.way, 0);
    put(&closing.set->keys[0], (closing.key & ~3ull) | KEY_CLOSING);
    put(&closing.set->closers[0], 9ull << 32 | 1u << 31 | TABLE_EPOCH << 8 | 1);
    leave_allocating(3, 0);
    put(&closing.set->closers[5], 8ull << 32 | 1u << 31 | TABLE_EPOCH << 8 | 1);
    put(&closing.set->closers[6], 8ull << 32 | 1u << 31 | TABLE_EPOCH << 8 | 2);
    put(&closing.set->closers[7], 8ull << 32 | 1u << 31 | (TABLE_EPOCH + 1) << 8 | 1);
    put(&closing.set->wanted[7], 7);
    reserve_recover(a, 1, TABLE_EPOCH);
    CU_ASSERT_EQUAL(load_seq_cst(&closing.set->keys[0]), closing.key);
    CU_ASSERT_EQUAL(region_key_state(load_seq_cst(&closing.set->keys[3])), KEY_EMPTY);
    for (uint32_t way = 0; way < 6; way++)
        CU_ASSERT_EQUAL(load_seq_cst(&closing.set->closers[way]), 0);
    CU_ASSERT_NOT_EQUAL(load_seq_cst(&closing.set->closers[6]), 0);
    CU_ASSERT_NOT_EQUAL(load_seq_cst(&closing.set->closers[7]), 0);
    CU_ASSERT_EQUAL(load_seq_cst(&closing.set->wanted[7]), 5);
    table.told.count = 0;
    CU_ASSERT_EQUAL(region_find(a, VOLUME, 0, &region), 0);
    table_close(&table);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a region is found where it was allocated", a_region_is_found_where_it_was_allocated},
        {"consecutive regions lie in consecutive sets",
         consecutive_regions_lie_in_consecutive_sets},
        {"the largest key fits", the_largest_key_fits},
        {"an unused structure is given back for another region only when none is empty",
         an_unused_structure_is_given_back_for_another_region_only_when_none_is_empty},
        {"a structure being closed is taken back", a_structure_being_closed_is_taken_back},
        {"an allocation left half way is finished", an_allocation_left_half_way_is_finished},
        {"of two allocations for a region one becomes live",
         of_two_allocations_for_a_region_one_becomes_live},
        {"what the dead began with a key is undone", what_the_dead_began_with_a_key_is_undone},
    };
    return UNIT_RUN("region", tests);
}
