/*
 * A ring: 64-bit entries from one producer process to one consumer process.
 *
 * Single-producer, because in a ring with several a killed producer would block all the others.
 *
 *      offset 0    tail        written by the producer: entries ever produced
 *      offset 64   head        written by the consumer: entries ever consumed
 *      offset 128  entries     capacity of them, entry number n at n % capacity
 *
 * Both indices run freely through 2^32 and wrap; tail - head is what the ring holds. Each side
 * keeps its own index, the capacity and its last sight of the other's index in private memory, so
 * that the other process can make it miss entries but never read or write outside the ring.
 *
 * Invariants
 *  1. Only the producer writes tail and entries; only the consumer writes head.
 *  2. An entry is written before the tail that covers it (release), read after it (acquire).
 *  3. An entry is read before the head that frees it (release), overwritten after it (acquire).
 *  4. tail - head <= capacity. A side that sees this broken reports -EPROTO and touches nothing.
 */
#ifndef SHM_RING_H
#define SHM_RING_H

#include <errno.h>
#include <stddef.h>

#include "shm/atomic.h"
#include "shm/limits.h"

struct ring {
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t tail;
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t head;
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t entries[];
};

_Static_assert(sizeof(struct ring) == 2 * CACHELINE_BYTES, "as drawn above");

/* The producer's private side. */
struct ring_producer {
    struct ring *ring;
    uint32_t mask;
    uint32_t tail;      /* our own: never read back from shared memory */
    uint32_t seen_head; /* may be old: then the ring only looks fuller than it is */
};

/* The consumer's private side. */
struct ring_consumer {
    struct ring *ring;
    uint32_t mask;
    uint32_t head;
    uint32_t seen_tail; /* may be old: then the ring only looks emptier than it is */
};

/* Bytes that a ring of `capacity` entries (a power of two) occupies, rounded up to a cache line. */
size_t ring_size_bytes(uint32_t capacity);

/* Makes an empty ring whose indices both start at `first` (tests start just below the wrap).
 * Before any side attaches. */
void ring_init(struct ring *ring, uint32_t first);

/* Take a side of a ring. The shared indices are read here, once; -EPROTO when they break
 * invariant 4 (nothing is set then), else 0. Each side is attached by one process at a time. */
int ring_producer_attach(struct ring_producer *ret_producer, struct ring *ring, uint32_t capacity);
int ring_consumer_attach(struct ring_consumer *ret_consumer, struct ring *ring, uint32_t capacity);

/* Produces up to `count` entries with one publication and returns how many fitted: 0 when the ring
 * is full. Wait-free. -EPROTO when the consumer's index is impossible. */
static inline int ring_produce_spsc(struct ring_producer *producer, const uint64_t *entries,
                                    uint32_t count)
{
    struct ring *ring = producer->ring;
    uint32_t mask = producer->mask;
    uint32_t tail = producer->tail;
    uint32_t room = mask + 1 - (tail - producer->seen_head);

    if (room < count) {
        uint32_t head = load_acquire(&ring->head); /* invariant 3 */
        if (tail - head > mask + 1)
            return -EPROTO;
        producer->seen_head = head;
        room = mask + 1 - (tail - head);
        if (count > room)
            count = room;
        if (count == 0)
            return 0;
    }
    /* relaxed: the tail below publishes them */
    for (uint32_t i = 0; i < count; i++)
        store_relaxed(&ring->entries[(tail + i) & mask], entries[i]);
    producer->tail = tail + count;
    /* pairs with the consumer's load of tail: it sees the entries written above */
    store_release(&ring->tail, tail + count);
    return (int)count;
}

/* Consumes up to `count_max` entries and returns how many there were: 0 when the ring is empty.
 * Wait-free. -EPROTO when the producer's index is impossible. */
static inline int ring_consume_spsc(struct ring_consumer *consumer, uint64_t *ret_entries,
                                    uint32_t count_max)
{
    struct ring *ring = consumer->ring;
    uint32_t mask = consumer->mask;
    uint32_t head = consumer->head;
    uint32_t count = consumer->seen_tail - head;

    if (count < count_max) {
        /* Asked for together with the tail: an entry's line then arrives with it, not after it. */
        __builtin_prefetch((const void *)&ring->entries[head & mask]);
        uint32_t tail = load_acquire(&ring->tail); /* invariant 2 */
        if (tail - head > mask + 1)
            return -EPROTO;
        consumer->seen_tail = tail;
        count = tail - head;
        if (count == 0)
            return 0;
    }
    if (count > count_max)
        count = count_max;
    /* relaxed: the load of tail that covered them was an acquire */
    for (uint32_t i = 0; i < count; i++)
        ret_entries[i] = load_relaxed(&ring->entries[(head + i) & mask]);
    consumer->head = head + count;
    /* pairs with the producer's load of head: it overwrites only what was read above */
    store_release(&ring->head, head + count);
    return (int)count;
}

/* The producer's: whether all that it has produced was consumed, as of now; one load of a shared
 * word. */
static inline bool ring_is_drained(const struct ring_producer *producer)
{
    return load_acquire(&producer->ring->head) == producer->tail;
}

/* The producer's: copies of the entries that have not been consumed, oldest first, `count_max` of
 * them at most, and returns how many. They stay in the ring. While the consumer goes on consuming,
 * some of them may be consumed all the same. -EPROTO when the consumer's index is impossible. */
int ring_unconsumed(const struct ring_producer *producer, uint64_t *ret_entries,
                    uint32_t count_max);

/* Whether something waits to be consumed; one load of a shared word. True also when the producer's
 * index is impossible: consuming then says so. */
static inline bool ring_has_entries(const struct ring_consumer *consumer)
{
    return load_acquire(&consumer->ring->tail) != consumer->head;
}

#endif
