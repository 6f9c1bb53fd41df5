/*
 * Names come and go while others look them up: the writer as the configuration controller, readers
 * as controllers. Whoever finds a name has the volume of that name, whole; a name that always is
 * there is always found; one that was withdrawn and that all readers have let go of is not.
 */
#include "shm/mapping.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { READERS = 2, VOLUMES = 24, NAMES = 40, FIXED = 4, CHANGES = 3000 };
enum { CHANGES_LEAST = 200, SECONDS_MOST = 10 }; /* a busy machine runs the readers in turns */

static struct segment segment;
static _Atomic uint32_t asked,
    answered[READERS]; /* the control channel's RELEASE, and its answers */
static _Atomic uint32_t over;

static uint32_t name_of(uint32_t number, char into[16])
{
    return (uint32_t)snprintf(into, 16, "name%u", number);
}

/* What a record holds follows from its name, so that a mixture of two is seen. */
static struct volume_record record_of(uint32_t number)
{
    struct volume_record record = {.size_bytes = 4096 * (number + 1),
                                   .offset_bytes = 8192 * number,
                                   .element = number,
                                   .chunk_bytes = number + 7};

    name_of(number, record.name);
    return record;
}

static void check_found(uint32_t number, uint32_t volume)
{
    const struct volume_record *found = segment_volume(&segment, volume);
    struct volume_record wanted = record_of(number);

    assert(strcmp(found->name, wanted.name) == 0);
    assert(found->size_bytes == wanted.size_bytes && found->offset_bytes == wanted.offset_bytes);
    assert(found->element == wanted.element && found->chunk_bytes == wanted.chunk_bytes);
}

/* As LIST does. */
static uint32_t walk(void)
{
    uint32_t there = 0, sum = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(&segment); i++) {
        if (!mapping_has_volume(&segment, i))
            continue;
        there++;
        sum += segment_volume(&segment, i)->name[0] == 'n';
    }
    assert(there == sum && there >= FIXED);
    return there;
}

static void *run_reader(void *argument)
{
    _Atomic uint32_t *mine = argument;
    uint32_t seed = (uint32_t)(mine - answered) + 1, found = 0;
    char name[16];

    while (load_acquire(&over) == 0) {
        /* A turn: what is found in it is not used in the next. pairs with the writer's loads */
        store_release(mine, load_acquire(&asked));
        for (uint32_t look = 0; look < 8; look++) {
            uint32_t number = thread_random(&seed) % NAMES, volume;
            int error = mapping_find_volume(&segment, name, name_of(number, name), &volume);
            assert(error == 0 || number >= FIXED);
            found += error == 0;
            if (error == 0)
                check_found(number, volume);
        }
        found += walk();
        thread_wait();
    }
    assert(found > 0);
    return NULL;
}

/* Until every reader has let go of what it had found before. */
static void release_everywhere(void)
{
    /* relaxed: we are its only writer */
    uint32_t question = load_relaxed(&asked) + 1;

    store_release(&asked, question); /* pairs with the readers' load */
    for (int i = 0; i < READERS; i++) {
        while (load_acquire(&answered[i]) != question)
            thread_wait();
    }
}

static uint32_t find(uint32_t number)
{
    uint32_t volume;
    char name[16];

    return mapping_find_volume(&segment, name, name_of(number, name), &volume) == 0 ? volume
                                                                                    : VOLUMES;
}

static void make(uint32_t number, uint32_t volume)
{
    struct volume_record record = record_of(number);

    mapping_enter_volume(&segment, volume, &record);
    assert(mapping_publish_volume(&segment, volume) == 0);
    assert(find(number) == volume);
}

/* Volume I is free while holds[I] is NAMES. */
static void change(uint32_t *holds, uint32_t *seed)
{
    uint32_t number = FIXED + thread_random(seed) % (NAMES - FIXED), volume = find(number);

    if (volume < VOLUMES) {
        mapping_withdraw_volume(&segment, volume);
        assert(find(number) == VOLUMES);
        release_everywhere();
        holds[volume] = NAMES;
        return;
    }
    for (volume = FIXED; volume < VOLUMES && holds[volume] != NAMES; volume++)
        continue;
    if (volume == VOLUMES)
        return;
    holds[volume] = number;
    make(number, volume);
}

static void names_come_and_go(void)
{
    struct segment_wanted wanted = {.controllers = 1,
                                    .elements = 1,
                                    .volumes = VOLUMES,
                                    .slots = 1,
                                    .ring_entries = 2,
                                    .buffers_bytes = BLOCK_BYTES};
    uint32_t holds[VOLUMES], seed = 1;
    pthread_t readers[READERS];

    assert(segment_create(&segment, &wanted, "lab") == 0);
    for (uint32_t i = 0; i < VOLUMES; i++)
        holds[i] = NAMES;
    for (uint32_t i = 0; i < FIXED; i++)
        make(i, i);
    for (int i = 0; i < READERS; i++)
        readers[i] = thread_start(run_reader, &answered[i]);
    time_t end = time(NULL) + SECONDS_MOST;
    for (uint32_t i = 0; i < CHANGES && (i < CHANGES_LEAST || time(NULL) < end); i++)
        change(holds, &seed);
    store_release(&over, 1); /* pairs with the readers' load */
    for (int i = 0; i < READERS; i++)
        thread_join(readers[i]);
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"names come and go while others look them up", names_come_and_go},
    };
    return UNIT_RUN("mapping, threads", tests);
}
