/*
 * The ring: order, wrap-around, full and empty, and indices that the other process made up.
 */
#include "shm/ring.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

enum { CAPACITY = 8 };

static struct ring *ring;
static struct ring_producer producer;
static struct ring_consumer consumer;

static void setup(uint32_t first)
{
    free(ring);
    ring = aligned_alloc(CACHELINE_BYTES, ring_size_bytes(CAPACITY));
    ring_init(ring, first);
    CU_ASSERT_EQUAL_FATAL(ring_producer_attach(&producer, ring, CAPACITY), 0);
    CU_ASSERT_EQUAL_FATAL(ring_consumer_attach(&consumer, ring, CAPACITY), 0);
}

static int produce(uint64_t first, uint32_t count)
{
    uint64_t entries[2 * CAPACITY];
    for (uint32_t i = 0; i < count; i++)
        entries[i] = first + i;
    return ring_produce_spsc(&producer, entries, count);
}

/* Consumes up to count_max and checks that they are first, first + 1, ... */
static int consume(uint64_t first, uint32_t count_max)
{
    uint64_t entries[2 * CAPACITY];
    int count = ring_consume_spsc(&consumer, entries, count_max);
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(entries[i], first + (uint64_t)i);
    return count;
}

static void size_is_header_and_entries_in_whole_lines(void)
{
    CU_ASSERT_EQUAL(ring_size_bytes(2), 128 + 64);
    CU_ASSERT_EQUAL(ring_size_bytes(8), 128 + 64);
    CU_ASSERT_EQUAL(ring_size_bytes(512), 128 + 4096);
}

static void new_ring_is_empty(void)
{
    setup(0);
    CU_ASSERT_FALSE(ring_has_entries(&consumer));
    CU_ASSERT_EQUAL(consume(0, 1), 0);
}

static void entries_come_out_as_they_went_in(void)
{
    setup(0);
    CU_ASSERT_EQUAL(produce(100, 3), 3);
    CU_ASSERT_TRUE(ring_has_entries(&consumer));
    CU_ASSERT_EQUAL(consume(100, 2), 2);
    CU_ASSERT_TRUE(ring_has_entries(&consumer));
    /* What came after the last look at the ring is consumed too. */
    CU_ASSERT_EQUAL(produce(103, 3), 3);
    CU_ASSERT_EQUAL(consume(102, 2 * CAPACITY), 4);
    CU_ASSERT_FALSE(ring_has_entries(&consumer));
    CU_ASSERT_EQUAL(consume(0, 1), 0);
}

static void full_ring_takes_what_fits(void)
{
    setup(0);
    CU_ASSERT_EQUAL(produce(0, CAPACITY - 1), CAPACITY - 1);
    CU_ASSERT_EQUAL(produce(CAPACITY - 1, 3), 1);
    CU_ASSERT_EQUAL(produce(99, 1), 0);
    CU_ASSERT_EQUAL(consume(0, 2), 2);
    CU_ASSERT_EQUAL(produce(CAPACITY, 5), 2);
    CU_ASSERT_EQUAL(consume(2, 2 * CAPACITY), CAPACITY);
}

static void nothing_is_produced_or_consumed_of_nothing(void)
{
    setup(0);
    CU_ASSERT_EQUAL(produce(0, 0), 0);
    CU_ASSERT_EQUAL(produce(0, 1), 1);
    CU_ASSERT_EQUAL(consume(0, 0), 0);
    CU_ASSERT_EQUAL(consume(0, 1), 1);
}

static void indices_wrap(void)
{
    uint64_t sent = 0, received = 0;

    setup(UINT32_MAX - 20);
    for (uint32_t round = 0; round < 100; round++) {
        sent += (uint64_t)produce(sent, round % (CAPACITY + 1));
        received += (uint64_t)consume(received, (round + 5) % (CAPACITY + 1));
    }
    CU_ASSERT(sent > 200); /* far beyond 2^32 - 1 */
    received += (uint64_t)consume(received, 2 * CAPACITY);
    CU_ASSERT_EQUAL(received, sent);
}

static void full_and_empty_are_told_apart_across_the_wrap(void)
{
    setup(UINT32_MAX - 2);
    CU_ASSERT_EQUAL(produce(0, CAPACITY), CAPACITY);
    CU_ASSERT_EQUAL(produce(0, 1), 0);
    CU_ASSERT_EQUAL(consume(0, CAPACITY), CAPACITY);
    CU_ASSERT_EQUAL(consume(0, 1), 0);
}

static void a_new_holder_of_a_side_continues(void)
{
    setup(UINT32_MAX - 1);
    CU_ASSERT_EQUAL(produce(0, 5), 5);
    CU_ASSERT_EQUAL(consume(0, 2), 2);
    CU_ASSERT_EQUAL(ring_producer_attach(&producer, ring, CAPACITY), 0);
    CU_ASSERT_EQUAL(ring_consumer_attach(&consumer, ring, CAPACITY), 0);
    CU_ASSERT_EQUAL(produce(5, CAPACITY), CAPACITY - 3);
    CU_ASSERT_EQUAL(consume(2, 2 * CAPACITY), CAPACITY);
}

static void attaching_refuses_impossible_indices(void)
{
    struct ring_producer no_producer = {0};
    struct ring_consumer no_consumer = {0};

    setup(7);
    for (uint32_t i = 0; i < 2; i++) {
        /* relaxed: one thread */
        store_relaxed(&ring->tail, i == 0 ? 7 + CAPACITY + 1 : 6);
        CU_ASSERT_EQUAL(ring_producer_attach(&no_producer, ring, CAPACITY), -EPROTO);
        CU_ASSERT_EQUAL(ring_consumer_attach(&no_consumer, ring, CAPACITY), -EPROTO);
        CU_ASSERT_PTR_NULL(no_producer.ring);
        CU_ASSERT_PTR_NULL(no_consumer.ring);
    }
}

static void consumer_refuses_impossible_tails(void)
{
    static const uint32_t hostile[] = {CAPACITY + 1, UINT32_MAX, 1u << 31};
    uint64_t entries[2 * CAPACITY] = {0};

    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        setup(UINT32_MAX - 3);
        /* relaxed: one thread */
        store_relaxed(&ring->tail, UINT32_MAX - 3 + hostile[i]);
        CU_ASSERT_TRUE(ring_has_entries(&consumer));
        CU_ASSERT_EQUAL(ring_consume_spsc(&consumer, entries, 2 * CAPACITY), -EPROTO);
        CU_ASSERT_EQUAL(entries[0], 0);
        /* relaxed: one thread */
        CU_ASSERT_EQUAL(load_relaxed(&ring->head), UINT32_MAX - 3);
    }
}

static void producer_refuses_impossible_heads(void)
{
    static const uint32_t hostile[] = {CAPACITY + 1, UINT32_MAX, 1u << 31};

    for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
        setup(3);
        CU_ASSERT_EQUAL(produce(50, CAPACITY), CAPACITY);
        /* relaxed: one thread */
        store_relaxed(&ring->head, 3 + CAPACITY - hostile[i]);
        CU_ASSERT_EQUAL(produce(90, 1), -EPROTO);
        for (uint32_t entry = 0; entry < CAPACITY; entry++) /* relaxed: one thread */
            CU_ASSERT(load_relaxed(&ring->entries[entry]) < 90);
        /* relaxed: one thread */
        CU_ASSERT_EQUAL(load_relaxed(&ring->tail), 3 + CAPACITY);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"size is header and entries in whole lines", size_is_header_and_entries_in_whole_lines},
        {"new ring is empty", new_ring_is_empty},
        {"entries come out as they went in", entries_come_out_as_they_went_in},
        {"full ring takes what fits", full_ring_takes_what_fits},
        {"nothing is produced or consumed of nothing", nothing_is_produced_or_consumed_of_nothing},
        {"indices wrap", indices_wrap},
        {"full and empty are told apart across the wrap",
         full_and_empty_are_told_apart_across_the_wrap},
        {"a new holder of a side continues", a_new_holder_of_a_side_continues},
        {"attaching refuses impossible indices", attaching_refuses_impossible_indices},
        {"consumer refuses impossible tails", consumer_refuses_impossible_tails},
        {"producer refuses impossible heads", producer_refuses_impossible_heads},
    };
    int status = UNIT_RUN("ring", tests);
    free(ring);
    return status;
}
