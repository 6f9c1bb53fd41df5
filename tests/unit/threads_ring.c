/*
 * A producer and a consumer on one ring: every entry once, in order, with what it announces.
 */
#include "shm/ring.h"

#include <stdlib.h>

#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { CAPACITY = 8, ENTRIES = 100000, PAYLOADS = 4 * CAPACITY };

static struct ring *ring;

/* What an entry announces: plain memory, so that the sanitizer sees whether the ring orders it. The
 * producer comes back to a payload when the consumer has since come back for more entries. */
static uint64_t payloads[PAYLOADS];

static void *run_producer(void *batch_max)
{
    struct ring_producer producer;
    uint64_t entries[CAPACITY], sent = 0;
    uint32_t seed = 1;

    assert(ring_producer_attach(&producer, ring, CAPACITY) == 0);
    while (sent < ENTRIES) {
        uint32_t count = 1 + thread_random(&seed) % *(const uint32_t *)batch_max;
        for (uint32_t i = 0; i < count; i++) {
            entries[i] = sent + i;
            payloads[(sent + i) % PAYLOADS] = ~(sent + i);
        }
        int produced = ring_produce_spsc(&producer, entries, count);
        assert(produced >= 0);
        if (produced == 0)
            thread_wait();
        sent += (uint32_t)produced;
    }
    return NULL;
}

static void *run_consumer(void *unused)
{
    struct ring_consumer consumer;
    uint64_t entries[CAPACITY], received = 0;
    uint32_t seed = 3;

    assert(ring_consumer_attach(&consumer, ring, CAPACITY) == 0);
    while (received < ENTRIES) {
        uint32_t count_max = 1 + thread_random(&seed) % CAPACITY;
        /* Not always, so that the order is not owed to this look alone. */
        bool has_entries = received / 1000 % 2 == 0 && ring_has_entries(&consumer);
        int count = ring_consume_spsc(&consumer, entries, count_max);
        assert(count > 0 || (count == 0 && !has_entries));
        if (count == 0)
            thread_wait();
        for (int i = 0; i < count; i++, received++) {
            assert(entries[i] == received);
            assert(payloads[received % PAYLOADS] == ~received);
        }
    }
    return unused;
}

static void pass(uint32_t batch_max)
{
    ring = aligned_alloc(CACHELINE_BYTES, ring_size_bytes(CAPACITY));
    ring_init(ring, UINT32_MAX - ENTRIES / 2);
    pthread_t threads[] = {thread_start(run_producer, &batch_max),
                           thread_start(run_consumer, NULL)};
    thread_join(threads[0]);
    thread_join(threads[1]);
    free(ring);
}

static void entries_pass_singly(void)
{
    pass(1);
}

static void entries_pass_in_batches(void)
{
    pass(CAPACITY);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"entries pass singly", entries_pass_singly},
        {"entries pass in batches", entries_pass_in_batches},
    };
    return UNIT_RUN("ring, threads", tests);
}
