/*
 * Four controllers as threads on one coordination table: no range is granted twice, none that is
 * held is forgotten, nothing is left behind. Built with a defect (ANYPORT_DEFECT_...), it must find
 * that somebody is forgotten, and passes when it does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/work.h"
#include "tests/unit/threads.h"

#if defined(ANYPORT_DEFECT_NO_SECOND_LOOK) || defined(ANYPORT_DEFECT_SEARCH_BEFORE_FREE)
enum { DEFECTIVE = 1 };
#else
enum { DEFECTIVE = 0 };
#endif

static struct yard yard;
static struct segment segment;
static struct worker workers[WORK_SEATS];

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
    const char *value = getenv(name);
    return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

static void *run(void *argument)
{
    /* A defect is met by chance, and the test ends when it is. */
    uint32_t operations = from_environment("ANYPORT_TEST_LONG", 0) || DEFECTIVE ? 400000 : 8000;
    enum work_end end = worker_run(argument, operations);

    if (end == WORK_FORGOTTEN) {
        printf("somebody was forgotten%s\n", DEFECTIVE ? ", as was to be expected" : "");
        fflush(stdout);
        _Exit(DEFECTIVE ? 0 : 1);
    }
    assert(end == WORK_WELL);
    return NULL;
}

static uint64_t total(size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t seat = 0; seat < WORK_SEATS; seat++) {
        struct coordination_counters *counters = &segment_seat(&segment, seat)->coordination;
        /* relaxed: the threads have ended */
        sum += load_relaxed((_Atomic uint64_t *)(void *)((char *)counters + offset));
    }
    return sum;
}
#define TOTAL(name) total(offsetof(struct coordination_counters, name))

static void check_nothing_left(void)
{
    struct region_table table = segment_region_table(&segment);

    for (uint32_t index = 0; index < table.regions; index++) {
        struct region region = region_at(&table, index);
        uint64_t key = load_seq_cst(&region.set->keys[region.way]);
        assert(load_seq_cst(&region.set->closers[region.way]) == 0);
        assert(region_key_state(key) == KEY_EMPTY || region_key_state(key) == KEY_LIVE);
        for (uint32_t way = 0; way < region.way && region_key_state(key) == KEY_LIVE; way++)
            assert(load_seq_cst(&region.set->keys[way]) != key);
        for (uint32_t place = 0; place < REGION_PLACES; place++) {
            assert(load_seq_cst(&region.words->words[place]) == 0);
            assert((load_seq_cst(&region.conflicts->entries[place].state) & 3) == 0);
        }
    }
}

int main(void)
{
    struct segment_wanted wanted = {.controllers = WORK_SEATS,
                                    .elements = 1,
                                    .volumes = 1,
                                    .slots = 1,
                                    .ring_entries = RING_ENTRIES_MIN,
                                    .regions = REGIONS_MIN,
                                    .region_bytes = 1 << REGION_SHIFT_MIN,
                                    .buffers_bytes = BLOCK_BYTES};
    uint32_t seed = from_environment("ANYPORT_TEST_SEED", 1);
    pthread_t threads[WORK_SEATS];

    printf("ANYPORT_TEST_SEED=%u\n", seed);
    assert(segment_create(&segment, &wanted, "threads") == 0);
    for (uint32_t seat = 0; seat < WORK_SEATS; seat++)
        worker_init(&workers[seat], &yard, &segment, seat, seed);
    for (uint32_t seat = 0; seat < WORK_SEATS; seat++)
        threads[seat] = thread_start(run, &workers[seat]);
    for (uint32_t seat = 0; seat < WORK_SEATS; seat++)
        thread_join(threads[seat]);
    printf("granted %lu, held %lu, handed off %lu, full %lu, helped %lu, allocations %lu, "
           "evictions %lu\n",
           TOTAL(granted), TOTAL(held), TOTAL(handed_off), TOTAL(full), TOTAL(helped),
           TOTAL(allocations), TOTAL(evictions));
    assert(TOTAL(granted) == TOTAL(released) && TOTAL(granted) == yard.progress);
    assert(TOTAL(handed_off) > 0 && TOTAL(evictions) > 0);
#ifdef ANYPORT_TEST_FEW_PLACES
    assert(TOTAL(full) > 0);
#endif
    check_nothing_left();
    segment_done(&segment);
    return DEFECTIVE; /* the defect was not found */
}
