/*
 * Reservations: on one core beside what else could lock a range, on two cores, over many regions,
 * and from one controller to another.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/pair.h"
#include "shm/reserve.h"

enum { OPERATIONS = 1024, SEATS = 2, VOLUME = 3 };

/* A table, and for each seat the number of its last notification. */
struct table {
    struct segment segment;
    struct seat_view {
        /* Private to each controller, so no line of it is shared. */
        _Alignas(2 * CACHELINE_BYTES) struct coordination c;
    } seats[SEATS];
    struct told {
        _Alignas(2 * CACHELINE_BYTES) _Atomic uint32_t count;
    } told[SEATS];
};

static void tell(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    struct table *table = context;

    (void)cookie;
    (void)generation;
    /* relaxed: a count of hints; the reservation itself is looked at after it was seen */
    add_relaxed(&table->told[seat].count, 1);
}

static bool table_open(struct table *table, struct bench *bench)
{
    struct segment_wanted wanted = {.controllers = SEATS,
                                    .elements = 1,
                                    .volumes = 1,
                                    .slots = 1,
                                    .ring_entries = RING_ENTRIES_MIN,
                                    .buffers_bytes = BLOCK_BYTES};

    memset(table, 0, sizeof *table);
    if (segment_create(&table->segment, &wanted, "bench") < 0) {
        bench_fail(bench, "no segment");
        return false;
    }
    for (uint32_t seat = 0; seat < SEATS; seat++)
        coordination_init(&table->seats[seat].c, &table->segment, seat, 1, tell, table,
                          &segment_seat(&table->segment, seat)->coordination);
    return true;
}

static void count_word(void *context, const struct reserve_view *view)
{
    (void)view;
    ++*(uint32_t *)context;
}

/* Nothing may be left, and everything must have been granted. */
static void table_close(struct table *table, struct bench *bench, bool good)
{
    uint32_t words = 0;

    reserve_walk(&table->seats[0].c.table, count_word, &words);
    if (!good || words != 0)
        bench_fail(bench, "a reservation was wrong, or left behind");
    segment_done(&table->segment);
}

static struct reservation range(uint64_t offset_bytes, uint64_t length_bytes, bool exclusive)
{
    return (struct reservation){.volume = VOLUME,
                                .offset_bytes = offset_bytes,
                                .length_bytes = length_bytes,
                                .exclusive = exclusive};
}

static bool reserve_and_release(struct coordination *c, struct reservation *reservation)
{
    if (reserve_start(c, reservation, 0) != RESERVE_GRANTED)
        return false;
    reserve_release(c, reservation);
    return true;
}

/* --- one core --- */

static void reserve_alone(struct bench *bench, struct reservation reservation)
{
    struct table table;
    bool good = true;

    if (!table_open(&table, bench))
        return;
    while (bench_more(bench, OPERATIONS))
        for (int i = 0; i < OPERATIONS; i++)
            good &= reserve_and_release(&table.seats[0].c, &reservation);
    table_close(&table, bench, good);
}

static void reserve_exclusive(struct bench *bench)
{
    reserve_alone(bench, range(8192, BLOCK_BYTES, true));
}
BENCH(reserve_exclusive, "reserve/exclusive, 4 KiB", 1)

static void reserve_shared(struct bench *bench)
{
    reserve_alone(bench, range(8192, BLOCK_BYTES, false));
}
BENCH(reserve_shared, "reserve/shared, 4 KiB", 1)

static void reserve_across_cells(struct bench *bench)
{
    reserve_alone(bench, range(0, 256 << 10, true));
}
BENCH(reserve_across_cells, "reserve/exclusive, 256 KiB", 1)

static void reserve_regions(struct bench *bench)
{
    reserve_alone(bench, range((1 << 20) - 512, 32 << 20, true));
}
BENCH(reserve_regions, "reserve/exclusive, 33 regions", 1)

/* Wherever it falls: other regions each time, 4096 of them. */
static void reserve_scattered(struct bench *bench)
{
    struct table table;
    bool good = true;
    uint32_t at = 1;

    if (!table_open(&table, bench))
        return;
    while (bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            at = at * 1664525u + 1013904223u;
            struct reservation reservation = range((uint64_t)(at >> 12) << 12, BLOCK_BYTES, true);
            good &= reserve_and_release(&table.seats[0].c, &reservation);
        }
    }
    table_close(&table, bench, good);
}
BENCH(reserve_scattered, "reserve/exclusive, 4 KiB anywhere in 4 GiB", 1)

static bool lock_file(int fd, short type)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = 8192, .l_len = BLOCK_BYTES};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void ofd_lock(struct bench *bench)
{
    int fd = memfd_create("bench", MFD_CLOEXEC);
    bool good = fd >= 0 && ftruncate(fd, 1 << 20) == 0;

    while (bench_more(bench, OPERATIONS))
        for (int i = 0; i < OPERATIONS; i++)
            good &= lock_file(fd, F_WRLCK) && lock_file(fd, F_UNLCK);
    if (!good)
        bench_fail(bench, "no lock");
    close(fd);
}
BENCH(ofd_lock, "ofd lock/4 KiB", 1)

static void robust_mutex(struct bench *bench)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t *mutex =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool good = true;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    if (mutex == MAP_FAILED || pthread_mutex_init(mutex, &attributes) != 0) {
        bench_fail(bench, "no mutex");
        return;
    }
    while (bench_more(bench, OPERATIONS))
        for (int i = 0; i < OPERATIONS; i++)
            good &= pthread_mutex_lock(mutex) == 0 && pthread_mutex_unlock(mutex) == 0;
    if (!good)
        bench_fail(bench, "no lock");
    pthread_mutex_destroy(mutex);
    munmap(mutex, 4096);
}
BENCH(robust_mutex, "robust mutex/lock and unlock", 1)

/* --- two cores, threads --- */

/* The other controller: does a batch whenever `begun` grows, and says so in `ended`. */
struct other {
    struct table *table;
    struct reservation reservation;
    bool waits; /* for what is held; or else every reservation must be granted at once */
    _Atomic uint64_t *protected;
    _Atomic uint32_t begun, ended; /* batches; UINT32_MAX begun: stop */
    bool good;
};

/* Reserves, waiting to be told where need be, counts in a plain manner, and releases. */
static bool one_round(struct coordination *c, struct reservation *reservation, bool waits,
                      _Atomic uint64_t *protected)
{
    struct table *table = c->context;
    _Atomic uint32_t *told = &table->told[c->seat].count;
    /* relaxed: a count of hints */
    uint32_t before = load_relaxed(told);
    enum reserve_verdict verdict = reserve_start(c, reservation, 0);

    while (verdict != RESERVE_GRANTED && waits) {
        while (load_relaxed(told) == before) /* relaxed: as above */
            cpu_relax();
        before = load_relaxed(told); /* relaxed: as above */
        verdict = reserve_continue(c, reservation, 0);
    }
    if (verdict != RESERVE_GRANTED) {
        reserve_cancel(c, reservation);
        return false;
    }
    count_up(protected, 1); /* lost, if it is not alone */
    reserve_release(c, reservation);
    return true;
}

static void *run_other(void *argument)
{
    struct other *other = argument;
    struct coordination *c = &other->table->seats[1].c;
    struct reservation reservation = other->reservation; /* on a stack of its own */
    bool good = true;

    for (uint32_t batch = 0;; batch++) {
        while (load_acquire(&other->begun) == batch)
            cpu_relax();
        if (load_acquire(&other->begun) == UINT32_MAX)
            break;
        for (int i = 0; i < OPERATIONS; i++)
            good &= one_round(c, &reservation, other->waits, other->protected);
        store_release(&other->ended, batch + 1); /* pairs with the caller's load */
    }
    other->good = good;
    return NULL;
}

/* The time of one operation of two controllers together, which do equally many. */
static void two_at_once(struct bench *bench, uint64_t second_offset, bool waits)
{
    static struct {
        _Alignas(2 * CACHELINE_BYTES) _Atomic uint64_t count;
    } counts[SEATS];
    struct table table;
    _Alignas(2 * CACHELINE_BYTES) struct reservation mine = range(0, BLOCK_BYTES, true);
    _Alignas(2 * CACHELINE_BYTES) struct other other = {
        .table = &table,
        .reservation = range(second_offset, BLOCK_BYTES, true),
        .waits = waits,
        .protected = waits ? &counts[0].count : &counts[1].count};
    struct pair pair;
    bool good = true;
    uint32_t batches = 0;

    counts[0].count = counts[1].count = 0;
    if (!table_open(&table, bench))
        return;
    if (pair_start(&pair, bench, run_other, &other)) {
        while (bench_more(bench, 2 * OPERATIONS)) {
            store_release(&other.begun, ++batches); /* pairs with run_other */
            for (int i = 0; i < OPERATIONS; i++)
                good &= one_round(&table.seats[0].c, &mine, waits, &counts[0].count);
            while (load_acquire(&other.ended) != batches)
                cpu_relax();
        }
        store_release(&other.begun, UINT32_MAX); /* pairs with run_other */
        pair_join(&pair);
        good &= other.good && counts[0].count + counts[1].count == 2ull * OPERATIONS * batches;
    }
    table_close(&table, bench, good);
}

static void two_on_different_cells(struct bench *bench)
{
    two_at_once(bench, 512 << 10, false);
}
BENCH(two_on_different_cells, "reserve/two at once, different cells", 1)

static void two_on_one_cell(struct bench *bench)
{
    two_at_once(bench, 16 << 10, false);
}
BENCH(two_on_one_cell, "reserve/two at once, one cell", 1)

/* First come, first served: they take turns, so that this is the time from one's release to the
 * other's, handed over between two cores. */
static void two_on_one_range(struct bench *bench)
{
    two_at_once(bench, 0, true);
}
BENCH(two_on_one_range, "reserve/handed from one to the other", 1)

static void one_of_two(struct bench *bench)
{
    static _Atomic uint64_t count;
    struct table table;
    struct reservation mine = range(0, BLOCK_BYTES, true);
    bool good = true;

    if (!table_open(&table, bench))
        return;
    while (bench_more(bench, OPERATIONS))
        for (int i = 0; i < OPERATIONS; i++)
            good &= one_round(&table.seats[0].c, &mine, false, &count);
    table_close(&table, bench, good);
}
BENCH(one_of_two, "reserve/one alone", 1)
