/*
 * Making a ring and taking a side of it. Producing and consuming are in ring.h, to be inlined: at a
 * few nanoseconds an entry the call would be a good part of the cost.
 */
#include "shm/ring.h"

#include <assert.h>

static bool is_capacity(uint32_t capacity)
{
    return capacity >= RING_ENTRIES_MIN && capacity <= RING_ENTRIES_MAX &&
           (capacity & (capacity - 1)) == 0;
}

size_t ring_size_bytes(uint32_t capacity)
{
    assert(is_capacity(capacity));
    size_t bytes = sizeof(struct ring) + capacity * sizeof(uint64_t);
    return (bytes + CACHELINE_BYTES - 1) & ~(size_t)(CACHELINE_BYTES - 1);
}

void ring_init(struct ring *ring, uint32_t first)
{
    /* relaxed: no side is attached yet; whoever starts the sides orders this before them */
    store_relaxed(&ring->tail, first);
    store_relaxed(&ring->head, first);
}

/* Both indices, each loaded once. Only the other side's can move meanwhile, and by invariant 4 it
 * never passes ours, so the order of the loads does not matter. Ours was perhaps left by a process
 * before us, hence acquire: its work on the entries comes before our own. */
static int indices_load(struct ring *ring, uint32_t capacity, uint32_t *ret_tail,
                        uint32_t *ret_head)
{
    assert(is_capacity(capacity));
    uint32_t tail = load_acquire(&ring->tail);
    uint32_t head = load_acquire(&ring->head);
    if (tail - head > capacity)
        return -EPROTO;
    *ret_tail = tail;
    *ret_head = head;
    return 0;
}

int ring_producer_attach(struct ring_producer *ret_producer, struct ring *ring, uint32_t capacity)
{
    uint32_t tail, head;
    int status = indices_load(ring, capacity, &tail, &head);
    if (status < 0)
        return status;
    *ret_producer =
        (struct ring_producer){.ring = ring, .mask = capacity - 1, .tail = tail, .seen_head = head};
    return 0;
}

int ring_consumer_attach(struct ring_consumer *ret_consumer, struct ring *ring, uint32_t capacity)
{
    uint32_t tail, head;
    int status = indices_load(ring, capacity, &tail, &head);
    if (status < 0)
        return status;
    *ret_consumer =
        (struct ring_consumer){.ring = ring, .mask = capacity - 1, .head = head, .seen_tail = tail};
    return 0;
}

int ring_unconsumed(const struct ring_producer *producer, uint64_t *ret_entries, uint32_t count_max)
{
    uint32_t head = load_acquire(&producer->ring->head);
    uint32_t count = producer->tail - head;

    if (count > producer->mask + 1)
        return -EPROTO;
    if (count > count_max)
        count = count_max;
    /* relaxed: we wrote them ourselves */
    for (uint32_t i = 0; i < count; i++)
        ret_entries[i] = load_relaxed(&producer->ring->entries[(head + i) & producer->mask]);
    return (int)count;
}
