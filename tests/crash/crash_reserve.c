/*
 * Controllers as processes on one coordination table. One of them is killed at each CRASH_POINT in
 * turn, wherever among its work that happens, and for the points of recovery a second one while it
 * clears up after the first. The survivors recover and go on: nothing is granted twice, nobody who
 * is held is forgotten, and no reservation, entry or half-made structure is left in the end.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/conflict.h"
#include "shm/crash_point.h"
#include "tests/crash/work.h"

enum { WORKERS = 3, HOLDER = 3, AFTERWARDS = 300, BATCH = 20, DEADLINE_SECONDS = 20 };

/* A point, and who has to be dead before it is looked for. */
static const struct point {
    const char *name, *after;
} points[] = {
    {"reserve.published", NULL},
    {"reserve.numbered", NULL},
    {"reserve.waiting", NULL},
    {"reserve.granted", NULL},
    {"reserve.asked", NULL},
    {"order.crowd_counted", NULL},
    {"order.scanned", NULL},
    {"order.withdrawn", NULL},
    {"conflict.filled", NULL},
    {"conflict.handed", NULL},
    {"release.before", NULL},
    {"release.freed", NULL},
    {"release.handed", NULL},
    {"cancel.ended", NULL},
    {"region.closer_taken", NULL},
    {"region.claimed", NULL},
    {"region.allocating", NULL},
    {"region.settling", NULL},
    {"region.settled", NULL},
    {"region.closer_given", NULL},
    {"region.closer_for_eviction", NULL},
    {"region.closing", NULL},
    {"region.evicted", NULL},
    {"region.telling", NULL},
    {"recover.key", "region.closing"},
    {"recover.key", "region.allocating"},
    {"recover.cleared", "reserve.waiting"},
    {"recover.freed", "reserve.granted"},
    {"recover.freed", "reserve.published"},
    {"recover.region", "conflict.handed"},
    {"recover.telling", "region.telling"},
    {"region.closer_given", "region.claimed"},
    {"conflict.handed", "release.freed"},
};

/* What the processes share beside the segment. */
struct trial {
    struct yard yard;
    _Atomic uint32_t stop;
    _Atomic int32_t target;    /* an index into points, by its name; or -1 */
    _Atomic int32_t next;      /* and who is killed after that one */
    _Atomic int32_t countdown; /* passes of the point until the one that kills */
};

static struct trial *trial;
static bool is_worker;

static uint32_t find_point(const char *name)
{
    for (uint32_t i = 0; i < sizeof points / sizeof *points; i++)
        if (strcmp(points[i].name, name) == 0)
            return i;
    fprintf(stderr, "%s: no such point in the list\n", name);
    abort();
}

void crash_point(const char *name)
{
    if (!is_worker || load_seq_cst(&trial->target) != (int32_t)find_point(name))
        return;
    if (atomic_fetch_sub(&trial->countdown, 1) == 1) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

static void arm(const struct point *point, int32_t countdown)
{
    int32_t last = (int32_t)find_point(point->name);

    trial->countdown = countdown;
    trial->target = point->after ? (int32_t)find_point(point->after) : last;
    trial->next = point->after ? last : -1;
}

/* The first was killed: now the second, at once, for recovery comes only once; before the others
 * hear of the death. */
static void arm_next(void)
{
    trial->countdown = 1;
    trial->target = trial->next;
    trial->next = -1;
}

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(memory != MAP_FAILED);
    return memory;
}

/* --- the workers --- */

static _Noreturn void work(const struct segment *segment, uint32_t seat, uint32_t seed)
{
    static struct worker worker;
    enum work_end end = WORK_WELL;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    is_worker = true;
    worker_init(&worker, &trial->yard, segment, seat, seed);
    while (end == WORK_WELL && !load_seq_cst(&trial->stop))
        end = worker_run(&worker, BATCH);
    _exit((int)end);
}

/* --- the parent --- */

struct family {
    pid_t pids[WORKERS]; /* 0: ended */
    uint32_t killed;
    bool failed;
};

static void start(struct family *family, const struct segment *segment, uint32_t seed)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        family->pids[seat] = fork();
        assert(family->pids[seat] >= 0);
        if (family->pids[seat] == 0)
            work(segment, seat, seed);
    }
}

/* A worker ended: killed, which the others are told; or well, or not. */
static void ended(struct family *family, pid_t pid, int status)
{
    for (uint32_t seat = 0; seat < WORKERS; seat++) {
        if (family->pids[seat] != pid)
            continue;
        family->pids[seat] = 0;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
            arm_next();
            or_seq_cst(&trial->yard.deaths, 1u << seat); /* pairs with see_to_the_dead */
            family->killed++;
        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != WORK_WELL) {
            printf("seat %u ended with status %#x%s\n", seat, (unsigned)status,
                   WIFEXITED(status) && WEXITSTATUS(status) == WORK_FORGOTTEN ? ": forgotten"
                   : WIFEXITED(status) && WEXITSTATUS(status) == WORK_TWICE   ? ": granted twice"
                                                                              : "");
            family->failed = true;
        }
    }
}

static void reap(struct family *family, int options)
{
    int status;
    pid_t pid = waitpid(-1, &status, options);

    if (pid > 0)
        ended(family, pid, status);
}

static uint64_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

static bool await_deaths(struct family *family, uint32_t killed)
{
    uint64_t deadline = now_seconds() + DEADLINE_SECONDS;

    while (family->killed < killed && !family->failed) {
        reap(family, WNOHANG);
        usleep(200);
        if (now_seconds() > deadline) {
            printf("the point was not reached\n");
            family->failed = true;
        }
    }
    return !family->failed;
}

/* The survivors go on for a while. A stall they find themselves. */
static bool await_progress(struct family *family)
{
    uint64_t goal = load_seq_cst(&trial->yard.progress) + AFTERWARDS;

    while (load_seq_cst(&trial->yard.progress) < goal && !family->failed) {
        reap(family, WNOHANG);
        usleep(200);
    }
    return !family->failed;
}

static void stop(struct family *family)
{
    store_seq_cst(&trial->stop, 1); /* pairs with work */
    if (family->failed)
        for (uint32_t seat = 0; seat < WORKERS; seat++)
            if (family->pids[seat] != 0)
                kill(family->pids[seat], SIGTERM);
    for (uint32_t seat = 0; seat < WORKERS; seat++)
        while (family->pids[seat] != 0)
            reap(family, 0);
}

static bool is_clean(const struct segment *segment)
{
    struct region_table table = segment_region_table(segment);

    for (uint32_t index = 0; index < table.regions; index++) {
        struct region region = region_at(&table, index);
        uint64_t key = load_seq_cst(&region.set->keys[region.way]);
        if (load_seq_cst(&region.set->closers[region.way]) != 0 ||
            (region_key_state(key) != KEY_EMPTY && region_key_state(key) != KEY_LIVE)) {
            printf("structure %u: left half way, key %#lx\n", index, key);
            return false;
        }
        for (uint32_t way = 0; way < region.way && region_key_state(key) == KEY_LIVE; way++) {
            if (load_seq_cst(&region.set->keys[way]) == key) {
                printf("structure %u: a second one for its region\n", index);
                return false;
            }
        }
        for (uint32_t place = 0; place < REGION_PLACES; place++) {
            uint64_t word = load_seq_cst(&region.words->words[place]);
            uint64_t state = load_seq_cst(&region.conflicts->entries[place].state);
            if (word != 0 || conflict_state(state) != CONFLICT_NONE) {
                printf("structure %u, place %u: word %#lx, entry %#lx\n", index, place, word,
                       state);
                return false;
            }
        }
    }
    return true;
}

/* Seat HOLDER begins with a reservation that has the last number, so that some of the others find
 * none left until it ends. */
static void hold_the_last_number(struct worker *holder)
{
    struct reservation *r = &holder->commands[0].reservation;
    uint32_t set;

    *r = (struct reservation){.volume = 3, .length_bytes = 64 * 4096, .exclusive = true};
    assert(reserve_start(&holder->coordination, r, 0) == RESERVE_GRANTED && r->regions == 1);
    set = region_set_of(&holder->coordination.table, 3, 0);
    struct region region =
        region_at(&holder->coordination.table, set * REGION_WAYS + (r->spots[0] >> 8));
    _Atomic uint64_t *word = &region.words->words[r->spots[0] & 255];
    /* pairs with every scan */
    store_seq_cst(word, word_numbered(load_seq_cst(word), RESERVATION_NUMBER_MAX));
}

static bool run_trial(const struct point *point, uint32_t seed)
{
    struct segment_wanted wanted = {.controllers = WORK_SEATS,
                                    .elements = 1,
                                    .volumes = 1,
                                    .slots = 1,
                                    .ring_entries = RING_ENTRIES_MIN,
                                    .regions = REGIONS_MIN,
                                    .region_bytes = 1 << REGION_SHIFT_MIN,
                                    .buffers_bytes = BLOCK_BYTES};
    /* A late one among the first, for some points are passed seldom. */
    int32_t countdown = 1 + (int32_t)((seed * 2654435761u >> 16) % 6);
    struct family family = {0};
    struct segment segment;
    struct worker holder;

    memset(trial, 0, sizeof *trial);
    arm(point, countdown);
    assert(segment_create(&segment, &wanted, "crash") == 0);
    worker_init(&holder, &trial->yard, &segment, HOLDER, seed);
    hold_the_last_number(&holder);
    start(&family, &segment, seed);
    bool well = strcmp(point->name, "order.withdrawn") == 0 ? await_deaths(&family, 1) : true;
    reserve_release(&holder.coordination, &holder.commands[0].reservation);
    well = well && await_deaths(&family, point->after ? 2 : 1) && await_progress(&family);
    stop(&family);
    well = well && !family.failed && is_clean(&segment);
    segment_done(&segment);
    return well;
}

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
    const char *value = getenv(name);
    return value ? (uint32_t)strtoul(value, NULL, 0) : otherwise;
}

int main(void)
{
    uint32_t seed = from_environment("ANYPORT_TEST_SEED", 1);
    uint32_t rounds = from_environment("ANYPORT_TEST_LONG", 0) ? 50 : 1;
    int failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ANYPORT_TEST_SEED=%u\n", seed);
    trial = shared_memory(sizeof *trial);
    for (uint32_t round = 0; round < rounds; round++, seed++) {
        for (uint32_t i = 0; i < sizeof points / sizeof *points; i++) {
            if (run_trial(&points[i], seed + i))
                continue;
            printf("killed at %s%s%s, seed %u: FAILED\n", points[i].name,
                   points[i].after ? " after one killed at " : "",
                   points[i].after ? points[i].after : "", seed + i);
            failed++;
        }
    }
    printf("%u rounds of %zu kills, %d failed\n", rounds, sizeof points / sizeof *points, failed);
    return failed != 0;
}
