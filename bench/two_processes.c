/*
 * What two processes on two cores do together, beside one alone: the coordination table, OFD locks,
 * and the ring beside a bare cache line.
 *
 *      two_processes [SECONDS]     10 by default; exits 77 where there is one core only
 *
 * On a virtual machine the two cores are now neighbours that share a cache, or even the units of
 * one real core, and now far apart, and that changes within seconds. So all subjects are measured
 * in turns of a few milliseconds, ratios are taken within a turn, and their medians are printed
 * with the range of nine turns in ten. "tables of their own" is what the machine itself allows: two
 * processes that have nothing in common do the same work there.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/ends.h"
#include "shm/reserve.h"

enum {
    SIDES = 2,
    TABLES = 3, /* a common one, and one for each side alone */
    VOLUME = 3,
    CAPACITY = 512,
    RESERVATIONS = 16384, /* of each side in a turn: about a millisecond */
    LOCKS = 2048,
    ROUND_TRIPS = 2048,
    TURNS_MAX = 4096,
};

/* What both processes write: a line each. */
struct shared {
    struct {
        _Alignas(2 * CACHELINE_BYTES) _Atomic uint32_t ready; /* turns begun */
    } side[SIDES];
    _Alignas(2 * CACHELINE_BYTES) _Atomic uint32_t ended; /* turns of side 1 */
    _Alignas(2 * CACHELINE_BYTES) _Atomic uint64_t line;
    _Alignas(2 * CACHELINE_BYTES) _Atomic uint32_t failed;
};

/* A process's own things; the memory behind them is shared. */
struct side {
    uint32_t number;
    struct shared *shared;
    struct segment *segments;
    struct coordination tables[TABLES];
    struct ring *rings[SIDES]; /* from this side, and to it */
    int lock_fd;
};

/* --- the subjects --- */

static bool reserve_in(struct side *side, uint32_t table, uint64_t offset_bytes)
{
    struct reservation reservation = {.volume = VOLUME,
                                      .offset_bytes = offset_bytes,
                                      .length_bytes = BLOCK_BYTES,
                                      .exclusive = true};
    bool good = true;

    for (int i = 0; i < RESERVATIONS && good; i++) {
        good = reserve_start(&side->tables[table], &reservation, 0) == RESERVE_GRANTED;
        if (good)
            reserve_release(&side->tables[table], &reservation);
    }
    return good;
}

static bool own_tables(struct side *side)
{
    return reserve_in(side, 1 + side->number, 0);
}

static bool different_cells(struct side *side)
{
    return reserve_in(side, 0, side->number * (512ull << 10));
}

static bool one_cell(struct side *side)
{
    return reserve_in(side, 0, side->number * (16ull << 10));
}

static bool ofd_locks(struct side *side)
{
    struct flock lock = {
        .l_whence = SEEK_SET, .l_start = (off_t)side->number * (512 << 10), .l_len = BLOCK_BYTES};
    bool good = true;

    for (int i = 0; i < LOCKS; i++) {
        lock.l_type = F_WRLCK;
        good &= fcntl(side->lock_fd, F_OFD_SETLK, &lock) == 0;
        lock.l_type = F_UNLCK;
        good &= fcntl(side->lock_fd, F_OFD_SETLK, &lock) == 0;
    }
    return good;
}

/* One side sends odd numbers, the other answers with even ones. */
static bool line_there_and_back(struct side *side)
{
    _Atomic uint64_t *line = &side->shared->line;
    uint64_t number = load_acquire(line) & ~1ull;

    for (uint64_t end = number + 2 * ROUND_TRIPS; number < end; number += 2) {
        if (side->number == 0)
            store_release(line, number + 1); /* pairs with the other side's load */
        while (load_acquire(line) != number + 1 + (side->number == 0))
            cpu_relax();
        if (side->number == 1)
            store_release(line, number + 2); /* pairs with the other side's load */
    }
    return true;
}

static bool ring_there_and_back(struct side *side)
{
    struct ring_producer producer = producer_of(side->rings[0], CAPACITY);
    struct ring_consumer consumer = consumer_of(side->rings[1], CAPACITY);
    bool good = true;

    for (uint64_t number = 0; number < ROUND_TRIPS; number++) {
        if (side->number == 0)
            produce_one(&producer, number);
        good &= consume_one(&consumer) == (side->number == 0 ? ~number : number);
        if (side->number == 1)
            produce_one(&producer, ~number);
    }
    return good;
}

struct subject {
    const char *name;
    bool (*run)(struct side *side);
    uint32_t operations;
    bool needs_both;
};

enum { OWN_TABLES, LINE = 4, RING };

static const struct subject subjects[] = {
    [OWN_TABLES] = {"reserve/tables of their own", own_tables, RESERVATIONS, false},
    {"reserve/different cells", different_cells, RESERVATIONS, false},
    {"reserve/one cell", one_cell, RESERVATIONS, false},
    {"ofd locks/different ranges", ofd_locks, LOCKS, false},
    [LINE] = {"line/there and back", line_there_and_back, ROUND_TRIPS, true},
    [RING] = {"ring/there and back", ring_there_and_back, ROUND_TRIPS, true},
};

enum { SUBJECTS = sizeof subjects / sizeof subjects[0] };

/* --- turns --- */

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Both say that they are there, so that neither measures the other's way out of its sleep. */
static void meet(struct side *side, uint32_t turn)
{
    /* pairs with the same by the other side: what it did before has ended */
    store_release(&side->shared->side[side->number].ready, turn);
    while (load_acquire(&side->shared->side[1 - side->number].ready) != turn)
        cpu_relax();
}

static void run_subject(struct side *side, const struct subject *subject)
{
    if (!subject->run(side))
        store_release(&side->shared->failed, 1); /* pairs with the load in main */
}

/* Side 1: sleeps until a byte says which subject both are to do, so that who is alone is alone. */
static void follow(struct side *side, int wishes)
{
    uint8_t subject;

    for (uint32_t turn = 1; read(wishes, &subject, 1) == 1; turn++) {
        meet(side, turn);
        run_subject(side, &subjects[subject]);
        store_release(&side->shared->ended, turn); /* pairs with time_both */
    }
}

static double time_alone(struct side *side, const struct subject *subject)
{
    double begin = now_ns();

    run_subject(side, subject);
    return (now_ns() - begin) / subject->operations;
}

/* Until the slower of them has ended; an operation of either counts. */
static double time_both(struct side *side, uint8_t subject, int wishes, uint32_t turn)
{
    if (write(wishes, &subject, 1) != 1)
        return 0;
    meet(side, turn);
    double begin = now_ns();
    run_subject(side, &subjects[subject]);
    while (load_acquire(&side->shared->ended) != turn)
        cpu_relax();
    double each = subjects[subject].needs_both ? 1 : SIDES;
    return (now_ns() - begin) / (each * subjects[subject].operations);
}

/* --- what is printed --- */

struct figures {
    double alone[SUBJECTS][TURNS_MAX], both[SUBJECTS][TURNS_MAX];
    uint32_t turns;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One row: over / under (NULL: 1) of each turn. */
static void print_row(const char *name, const double *over, const double *under, uint32_t turns)
{
    double values[TURNS_MAX];

    for (uint32_t i = 0; i < turns; i++)
        values[i] = over[i] / (under != NULL ? under[i] : 1);
    qsort(values, turns, sizeof values[0], compare);
    printf("%-57s %8.2f %8.2f %8.2f\n", name, values[turns / 2], values[turns / 20],
           values[turns - 1 - turns / 20]);
}

static void print_figures(struct figures *figures)
{
    char name[80];

    printf("%-57s %8s %8s %8s\n", "ns an operation", "median", "5 %", "95 %");
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        snprintf(name, sizeof name, "%s, one alone", subjects[i].name);
        if (!subjects[i].needs_both)
            print_row(name, figures->alone[i], NULL, figures->turns);
        snprintf(name, sizeof name, "%s, two together", subjects[i].name);
        print_row(name, figures->both[i], NULL, figures->turns);
    }
    printf("\nratios within a turn, of %u\n", figures->turns);
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        snprintf(name, sizeof name, "%s, throughput of two to one", subjects[i].name);
        if (!subjects[i].needs_both)
            print_row(name, figures->alone[i], figures->both[i], figures->turns);
    }
    for (uint32_t i = OWN_TABLES + 1; i < LINE; i++) {
        snprintf(name, sizeof name, "%s, time to tables of their own", subjects[i].name);
        print_row(name, figures->both[i], figures->both[OWN_TABLES], figures->turns);
    }
    print_row("ring to line, there and back", figures->both[RING], figures->both[LINE],
              figures->turns);
}

static void measure(struct side *side, int wishes, double seconds, struct figures *figures)
{
    double end = now_ns() + seconds * 1e9;
    uint32_t meetings = 0;

    for (figures->turns = 0; figures->turns < TURNS_MAX && now_ns() < end; figures->turns++) {
        for (uint8_t i = 0; i < SUBJECTS; i++) {
            if (!subjects[i].needs_both)
                figures->alone[i][figures->turns] = time_alone(side, &subjects[i]);
            figures->both[i][figures->turns] = time_both(side, i, wishes, ++meetings);
        }
    }
}

/* --- the two processes --- */

static void no_notification(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    (void)context, (void)seat, (void)cookie, (void)generation;
}

static void *map_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("two_processes");
        exit(1);
    }
    return memory;
}

static void make_segments(struct segment segments[TABLES])
{
    struct segment_wanted wanted = {.controllers = SIDES,
                                    .elements = 1,
                                    .volumes = 1,
                                    .slots = 1,
                                    .ring_entries = RING_ENTRIES_MIN,
                                    .buffers_bytes = BLOCK_BYTES};

    for (uint32_t i = 0; i < TABLES; i++) {
        if (segment_create(&segments[i], &wanted, "bench") < 0) {
            fputs("two_processes: no segment\n", stderr);
            exit(1);
        }
    }
}

/* What each process makes for itself; the description of a lock must be its own. */
static void side_init(struct side *side, uint32_t number, int lock_memory, cpu_set_t core)
{
    char path[32];

    sched_setaffinity(0, sizeof core, &core);
    side->number = number;
    for (uint32_t i = 0; i < TABLES; i++)
        coordination_init(&side->tables[i], &side->segments[i], number, 1, no_notification, NULL,
                          &segment_seat(&side->segments[i], number)->coordination);
    if (number == 1) {
        struct ring *mine = side->rings[1];
        side->rings[1] = side->rings[0];
        side->rings[0] = mine;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", lock_memory);
    side->lock_fd = open(path, O_RDWR | O_CLOEXEC);
}

static struct ring *new_shared_ring(void)
{
    struct ring *ring = map_shared(ring_size_bytes(CAPACITY));

    ring_init(ring, 0);
    return ring;
}

/* The first two cores that we may use. */
static bool find_cores(cpu_set_t cores[SIDES])
{
    cpu_set_t all;
    uint32_t found = 0;

    if (sched_getaffinity(0, sizeof all, &all) < 0)
        return false;
    for (size_t core = 0; core < CPU_SETSIZE && found < SIDES; core++) {
        if (!CPU_ISSET(core, &all))
            continue;
        CPU_ZERO(&cores[found]);
        CPU_SET(core, &cores[found++]);
    }
    return found == SIDES;
}

int main(int argc, char **argv)
{
    static struct figures figures;
    static struct segment segments[TABLES];
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 10;
    struct side side = {.shared = map_shared(sizeof(struct shared)),
                        .segments = segments,
                        .rings = {new_shared_ring(), new_shared_ring()}};
    cpu_set_t cores[SIDES];
    int wishes[2], lock_memory = memfd_create("locks", MFD_CLOEXEC), status;

    if (!find_cores(cores)) {
        puts("skipped: needs two cores");
        return 77;
    }
    make_segments(segments);
    if (pipe2(wishes, O_CLOEXEC) < 0 || ftruncate(lock_memory, 1 << 20) < 0)
        return 1;
    pid_t other = fork();
    if (other == 0) {
        close(wishes[1]); /* or else we would never see its end */
        side_init(&side, 1, lock_memory, cores[1]);
        follow(&side, wishes[0]);
        _exit(0);
    }
    side_init(&side, 0, lock_memory, cores[0]);
    measure(&side, wishes[1], seconds, &figures);
    close(wishes[1]);
    waitpid(other, &status, 0);
    if (load_acquire(&side.shared->failed) || status != 0 || figures.turns == 0) {
        fputs("two_processes: something was refused, or came out wrong\n", stderr);
        return 1;
    }
    print_figures(&figures);
    return 0;
}
