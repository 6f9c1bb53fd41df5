/*
 * The two ends of a ring in a benchmark: entries go through one at a time, waiting for room and for
 * entries; STOP is the last.
 */
#ifndef BENCH_ENDS_H
#define BENCH_ENDS_H

#include <assert.h>
#include <stdlib.h>

#include "shm/ring.h"

#define STOP UINT64_MAX

/* An empty ring; the caller frees it. */
static inline struct ring *ring_new(uint32_t capacity)
{
    struct ring *ring = aligned_alloc(CACHELINE_BYTES, ring_size_bytes(capacity));
    assert(ring);
    ring_init(ring, 0);
    return ring;
}

static inline struct ring_producer producer_of(struct ring *ring, uint32_t capacity)
{
    struct ring_producer producer;
    int status = ring_producer_attach(&producer, ring, capacity);
    assert(status == 0);
    return producer;
}

static inline struct ring_consumer consumer_of(struct ring *ring, uint32_t capacity)
{
    struct ring_consumer consumer;
    int status = ring_consumer_attach(&consumer, ring, capacity);
    assert(status == 0);
    return consumer;
}

static inline void produce_one(struct ring_producer *producer, uint64_t entry)
{
    int count;
    while ((count = ring_produce_spsc(producer, &entry, 1)) == 0)
        cpu_relax();
    assert(count == 1);
}

static inline uint64_t consume_one(struct ring_consumer *consumer)
{
    uint64_t entry = STOP;
    int count;
    while ((count = ring_consume_spsc(consumer, &entry, 1)) == 0)
        cpu_relax();
    assert(count == 1);
    return entry;
}

#endif
