/*
 * Buffers of a pool, passed to a target through slots and back: doorbells go both ways by rings,
 * each one twice, and the payload is written in place by either side.
 */
#include "shm/pool.h"

#include <stdlib.h>

#include "shm/ring.h"
#include "shm/slot.h"
#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { SOURCE = 1, TARGET = 2, EPOCH = 4, COMMANDS = 5000, SLOTS = 6, CAPACITY = 16 };

#define POOL_BYTES ((uint64_t)64 << 10)

static struct slot slots[SLOTS];
static struct ring *requests, *answers;
static uint64_t *payload; /* the pool's memory */

/* A word in every 512 bytes is enough for the sanitizer to look at. */
static void payload_fill(uint64_t offset, uint64_t bytes, uint64_t value)
{
    for (uint64_t at = offset; at < offset + bytes; at += 512)
        payload[at / sizeof(uint64_t)] = value ^ at;
}

static void payload_check(uint64_t offset, uint64_t bytes, uint64_t value)
{
    for (uint64_t at = offset; at < offset + bytes; at += 512)
        assert(payload[at / sizeof(uint64_t)] == (value ^ at));
}

/* Each doorbell goes out twice, as over two fabrics. */
static void doorbell_send(struct ring_producer *producer, struct doorbell doorbell)
{
    uint64_t entries[2] = {doorbell_pack(doorbell), doorbell_pack(doorbell)};
    for (uint32_t sent = 0; sent < 2;) {
        int count = ring_produce_spsc(producer, &entries[sent], 2 - sent);
        assert(count >= 0);
        if (count == 0)
            thread_wait();
        sent += (uint32_t)count;
    }
}

static bool doorbell_receive(struct ring_consumer *consumer, struct doorbell *ret_doorbell)
{
    uint64_t entry;
    int count = ring_consume_spsc(consumer, &entry, 1);
    assert(count >= 0);
    return count == 1 && doorbell_unpack(entry, SLOTS, ret_doorbell);
}

/* --- the target --- */

static void *run_target(void *unused)
{
    struct ring_consumer consumer;
    struct ring_producer producer;

    assert(ring_consumer_attach(&consumer, requests, CAPACITY) == 0);
    assert(ring_producer_attach(&producer, answers, CAPACITY) == 0);
    for (uint32_t executed = 0; executed < COMMANDS;) {
        struct doorbell doorbell;
        struct slot_request request;
        if (!doorbell_receive(&consumer, &doorbell)) {
            thread_wait();
            continue;
        }
        struct slot *slot = &slots[doorbell.index];
        if (!slot_claim(slot, doorbell.generation, SOURCE, EPOCH, TARGET, EPOCH, &request))
            continue; /* the second of the two */
        payload_check(request.buffer, request.length_bytes, request.sequence);
        payload_fill(request.buffer, request.length_bytes, ~request.sequence);
        struct slot_answer answer = {.answer_bytes = request.length_bytes};
        assert(slot_complete(slot, doorbell.generation, TARGET, EPOCH, &answer));
        doorbell.kind = DOORBELL_ANSWER;
        doorbell_send(&producer, doorbell);
        executed++;
    }
    return unused;
}

/* --- the source --- */

struct source {
    struct pool *pool;
    struct slot_table table;
    struct ring_producer producer;
    struct ring_consumer consumer;
    struct slot_request in_flight[SLOTS]; /* what was posted; length 0: nothing */
    uint32_t generations[SLOTS];
    uint32_t posted, answered, seed;
};

static bool source_post(struct source *source)
{
    uint64_t bytes = 1024 * (1 + (uint64_t)thread_random(&source->seed) % 24);
    uint64_t buffer;
    uint32_t index;

    if (slot_table_take(&source->table, &index) < 0)
        return false;
    if (pool_take(source->pool, bytes, &buffer) < 0) {
        slot_table_give(&source->table, index);
        return false;
    }
    payload_fill(buffer, bytes, source->posted);
    source->in_flight[index] = (struct slot_request){
        .sequence = source->posted, .buffer = buffer, .length_bytes = bytes, .target = TARGET};
    source->generations[index] = slot_post(&slots[index], &source->in_flight[index], SOURCE, EPOCH);
    doorbell_send(&source->producer, (struct doorbell){.generation = source->generations[index],
                                                       .index = index,
                                                       .kind = DOORBELL_REQUEST});
    source->posted++;
    return true;
}

static bool source_reap(struct source *source)
{
    struct doorbell doorbell;
    struct slot_answer answer;

    if (!doorbell_receive(&source->consumer, &doorbell))
        return false;
    struct slot_request *request = &source->in_flight[doorbell.index];
    if (doorbell.generation != source->generations[doorbell.index] || request->length_bytes == 0)
        return true; /* the second of the two */
    assert(slot_is_done(&slots[doorbell.index], doorbell.generation, &answer));
    assert(answer.answer_bytes == request->length_bytes);
    payload_check(request->buffer, request->length_bytes, ~request->sequence);
    pool_give(source->pool, request->buffer);
    request->length_bytes = 0;
    slot_free(&slots[doorbell.index]);
    slot_table_give(&source->table, doorbell.index);
    source->answered++;
    return true;
}

static void buffers_go_there_and_back(void)
{
    struct source source = {.seed = 9};

    requests = aligned_alloc(CACHELINE_BYTES, ring_size_bytes(CAPACITY));
    answers = aligned_alloc(CACHELINE_BYTES, ring_size_bytes(CAPACITY));
    payload = aligned_alloc(BLOCK_BYTES, POOL_BYTES);
    ring_init(requests, 0);
    ring_init(answers, 0);
    slots_init(slots, SLOTS, 1);
    assert(pool_new(&source.pool, POOL_BYTES, NULL, NULL) == 0);
    assert(slot_table_init(&source.table, slots, SLOTS) == 0);
    assert(ring_producer_attach(&source.producer, requests, CAPACITY) == 0);
    assert(ring_consumer_attach(&source.consumer, answers, CAPACITY) == 0);

    pthread_t target = thread_start(run_target, NULL);
    while (source.answered < COMMANDS) {
        bool moved = source.posted < COMMANDS && source_post(&source);
        while (source_reap(&source))
            moved = true;
        if (!moved)
            thread_wait();
    }
    thread_join(target);
    CU_ASSERT_EQUAL(pool_taken_bytes(source.pool), 0);
    CU_ASSERT_EQUAL(source.table.free_count, SLOTS);
    pool_validate(source.pool);

    slot_table_done(&source.table);
    pool_free(source.pool);
    free(payload);
    free(answers);
    free(requests);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"buffers go there and back", buffers_go_there_and_back},
    };
    return UNIT_RUN("pool, threads", tests);
}
