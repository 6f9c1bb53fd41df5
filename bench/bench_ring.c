/*
 * The ring between two cores, beside what it is made of and what others make of it:
 *
 *      line    one bare cache line that goes there and back: what two cores cost at the least
 *      ring    shm/ring.h
 *      ck      ck_ring of Concurrency Kit with one producer and one consumer, where it is installed
 */
#include "bench/bench.h"
#include "bench/ends.h"
#include "bench/pair.h"

#ifdef HAVE_CK
#include <ck_ring.h>
#endif

enum { CAPACITY = 512, OPERATIONS = 4096, BATCH_MAX = 32 };

/* The other side saw entries out of order. */
static _Atomic uint32_t other_failed;

static void fail_other(void)
{
    /* pairs with the load in finish */
    store_release(&other_failed, 1);
}

static void finish(struct pair *pair, struct bench *bench, bool good)
{
    pair_join(pair);
    if (!good || load_acquire(&other_failed))
        bench_fail(bench, "entries came out wrong");
    /* relaxed: one thread again */
    store_relaxed(&other_failed, 0);
}

/* --- one cache line --- */

static struct {
    _Alignas(2 * CACHELINE_BYTES) _Atomic uint64_t word;
    uint8_t unused[2 * CACHELINE_BYTES - sizeof(uint64_t)];
} line;

static void *line_echo(void *unused)
{
    for (uint64_t number = 1;; number += 2) {
        uint64_t word;
        while ((word = load_acquire(&line.word)) != number && word != STOP)
            cpu_relax();
        if (word == STOP)
            return unused;
        /* pairs with line_there_and_back */
        store_release(&line.word, number + 1);
    }
}

static void line_there_and_back(struct bench *bench)
{
    struct pair pair;
    uint64_t number = 0;

    /* relaxed: the other side starts later */
    store_relaxed(&line.word, 0);
    if (!pair_start(&pair, bench, line_echo, NULL))
        return;
    while (bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            /* pairs with line_echo */
            store_release(&line.word, ++number);
            number++;
            while (load_acquire(&line.word) != number)
                cpu_relax();
        }
    }
    /* pairs with line_echo */
    store_release(&line.word, STOP);
    finish(&pair, bench, number > 0);
}
BENCH(line_there_and_back, "line/there and back", 1)

/* --- the ring --- */

struct ring_pair {
    struct ring *there, *back;
};

static void *ring_echo(void *argument)
{
    struct ring_pair *rings = argument;
    struct ring_consumer consumer = consumer_of(rings->there, CAPACITY);
    struct ring_producer producer = producer_of(rings->back, CAPACITY);

    for (uint64_t entry; (entry = consume_one(&consumer)) != STOP;)
        produce_one(&producer, ~entry);
    return NULL;
}

static void ring_there_and_back(struct bench *bench)
{
    struct ring_pair rings = {ring_new(CAPACITY), ring_new(CAPACITY)};
    struct ring_producer producer = producer_of(rings.there, CAPACITY);
    struct ring_consumer consumer = consumer_of(rings.back, CAPACITY);
    struct pair pair;
    uint64_t number = 0;
    bool good = true;

    if (pair_start(&pair, bench, ring_echo, &rings)) {
        while (bench_more(bench, OPERATIONS)) {
            for (int i = 0; i < OPERATIONS; i++) {
                produce_one(&producer, number);
                good &= consume_one(&consumer) == ~number++;
            }
        }
        produce_one(&producer, STOP);
        finish(&pair, bench, good);
    }
    free(rings.there);
    free(rings.back);
}
BENCH(ring_there_and_back, "ring/there and back", 1)

/* One way only, `batch` entries at a time. */
struct stream {
    struct ring *ring;
    uint32_t batch;
    uint64_t received;
};

static void *ring_drain(void *argument)
{
    struct stream *stream = argument;
    struct ring_consumer consumer = consumer_of(stream->ring, CAPACITY);
    uint64_t entries[BATCH_MAX], received = 0;
    bool good = true;

    for (;;) {
        int count = ring_consume_spsc(&consumer, entries, stream->batch);
        if (count == 0)
            cpu_relax();
        for (int i = 0; i < count; i++) {
            if (entries[i] == STOP) {
                stream->received = received;
                if (!good)
                    fail_other();
                return NULL;
            }
            good &= entries[i] == received++;
        }
    }
}

static void produce_batch(struct ring_producer *producer, uint64_t first, uint32_t count)
{
    uint64_t entries[BATCH_MAX];

    for (uint32_t i = 0; i < count; i++)
        entries[i] = first + i;
    for (uint32_t at = 0; at < count;) {
        int produced = ring_produce_spsc(producer, &entries[at], count - at);
        if (produced == 0)
            cpu_relax();
        at += (uint32_t)produced;
    }
}

static void ring_streamed(struct bench *bench)
{
    struct stream stream = {.ring = ring_new(CAPACITY), .batch = (uint32_t)bench_argument(bench)};
    struct ring_producer producer = producer_of(stream.ring, CAPACITY);
    struct pair pair;
    uint64_t sent = 0;

    if (pair_start(&pair, bench, ring_drain, &stream)) {
        while (bench_more(bench, OPERATIONS)) {
            if (stream.batch == 1)
                for (uint32_t i = 0; i < OPERATIONS; i++)
                    produce_one(&producer, sent++);
            else
                for (uint32_t i = 0; i < OPERATIONS; i += BATCH_MAX, sent += BATCH_MAX)
                    produce_batch(&producer, sent, BATCH_MAX);
        }
        produce_one(&producer, STOP);
        finish(&pair, bench, true);
        if (stream.received != sent)
            bench_fail(bench, "entries are missing");
    }
    free(stream.ring);
}
BENCH(ring_streamed, "ring/streamed singly", 1)
BENCH(ring_streamed, "ring/streamed by 32", BATCH_MAX)

/* --- ck_ring --- */

#ifdef HAVE_CK

struct ck {
    ck_ring_t ring;
    ck_ring_buffer_t entries[CAPACITY];
};

struct ck_pair {
    struct ck there, back;
    uint64_t received;
};

static struct ck_pair *ck_new(void)
{
    void *pair = NULL;
    int status = posix_memalign(&pair, CACHELINE_BYTES, sizeof(struct ck_pair));
    assert(status == 0);
    ck_ring_init(&((struct ck_pair *)pair)->there.ring, CAPACITY);
    ck_ring_init(&((struct ck_pair *)pair)->back.ring, CAPACITY);
    return pair;
}

static void ck_produce(struct ck *ck, uint64_t entry)
{
    while (!ck_ring_enqueue_spsc(&ck->ring, ck->entries, (void *)(uintptr_t)entry))
        cpu_relax();
}

static uint64_t ck_consume(struct ck *ck)
{
    void *entry;
    while (!ck_ring_dequeue_spsc(&ck->ring, ck->entries, &entry))
        cpu_relax();
    return (uintptr_t)entry;
}

static void *ck_echo(void *argument)
{
    struct ck_pair *rings = argument;
    for (uint64_t entry; (entry = ck_consume(&rings->there)) != STOP;)
        ck_produce(&rings->back, ~entry);
    return NULL;
}

static void ck_there_and_back(struct bench *bench)
{
    struct ck_pair *rings = ck_new();
    struct pair pair;
    uint64_t number = 1;
    bool good = true;

    if (pair_start(&pair, bench, ck_echo, rings)) {
        while (bench_more(bench, OPERATIONS)) {
            for (int i = 0; i < OPERATIONS; i++) {
                ck_produce(&rings->there, number);
                good &= ck_consume(&rings->back) == ~number++;
            }
        }
        ck_produce(&rings->there, STOP);
        finish(&pair, bench, good);
    }
    free(rings);
}
BENCH(ck_there_and_back, "ck/there and back", 1)

static void *ck_drain(void *argument)
{
    struct ck_pair *rings = argument;
    bool good = true;
    uint64_t received = 0;

    for (uint64_t entry; (entry = ck_consume(&rings->there)) != STOP;)
        good &= entry == received++;
    rings->received = received;
    if (!good)
        fail_other();
    return NULL;
}

static void ck_streamed(struct bench *bench)
{
    struct ck_pair *rings = ck_new();
    struct pair pair;
    uint64_t sent = 0;

    if (pair_start(&pair, bench, ck_drain, rings)) {
        while (bench_more(bench, OPERATIONS))
            for (int i = 0; i < OPERATIONS; i++)
                ck_produce(&rings->there, sent++);
        ck_produce(&rings->there, STOP);
        finish(&pair, bench, true);
        if (rings->received != sent)
            bench_fail(bench, "entries are missing");
    }
    free(rings);
}
BENCH(ck_streamed, "ck/streamed singly", 1)

#endif
