/*
 * Slots: a component command all the way round, on one core and between two.
 */
#include "bench/bench.h"
#include "bench/ends.h"
#include "bench/pair.h"
#include "shm/slot.h"

enum { SOURCE = 1, TARGET = 2, EPOCH = 3, SLOTS = 64, CAPACITY = 64, OPERATIONS = 1024 };

static struct slot slots[SLOTS];

/* The target's part: claim, complete; false when the doorbell or the slot is wrong. */
static bool serve(struct doorbell doorbell)
{
    struct slot *slot = &slots[doorbell.index];
    struct slot_request request;

    if (!slot_claim(slot, doorbell.generation, SOURCE, EPOCH, TARGET, EPOCH, &request))
        return false;
    struct slot_answer answer = {.status = 0, .answer_bytes = request.sequence};
    return slot_complete(slot, doorbell.generation, TARGET, EPOCH, &answer);
}

static struct doorbell post(struct slot_table *table, uint64_t sequence)
{
    struct slot_request request = {
        .sequence = sequence, .op = 1, .length_bytes = BLOCK_BYTES, .target = TARGET};
    struct doorbell doorbell = {.kind = DOORBELL_REQUEST};

    slot_table_take(table, &doorbell.index);
    doorbell.generation = slot_post(&slots[doorbell.index], &request, SOURCE, EPOCH);
    return doorbell;
}

static bool reap(struct slot_table *table, struct doorbell doorbell, uint64_t sequence)
{
    struct slot_answer answer;

    if (!slot_is_done(&slots[doorbell.index], doorbell.generation, &answer))
        return false;
    slot_free(&slots[doorbell.index]);
    slot_table_give(table, doorbell.index);
    return answer.answer_bytes == sequence;
}

static void slot_round(struct bench *bench)
{
    struct slot_table table;
    uint64_t sequence = 0;
    bool good = true;

    slots_init(slots, SLOTS, 0);
    if (slot_table_init(&table, slots, SLOTS) < 0) {
        bench_fail(bench, "no memory");
        return;
    }
    while (bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++, sequence++) {
            struct doorbell doorbell = post(&table, sequence);
            good &= serve(doorbell);
            good &= reap(&table, doorbell, sequence);
        }
    }
    if (!good || table.free_count != SLOTS)
        bench_fail(bench, "an answer was wrong");
    slot_table_done(&table);
}
BENCH(slot_round, "slot/round on one core", 1)

/* --- between two cores, announced by rings --- */

struct link {
    struct ring *there, *back;
    bool good;
};

static void *run_target(void *argument)
{
    struct link *link = argument;
    struct ring_consumer consumer = consumer_of(link->there, CAPACITY);
    struct ring_producer producer = producer_of(link->back, CAPACITY);
    struct doorbell doorbell;
    bool good = true;

    for (uint64_t entry; (entry = consume_one(&consumer)) != STOP;) {
        good &= doorbell_unpack(entry, SLOTS, &doorbell) && serve(doorbell);
        doorbell.kind = DOORBELL_ANSWER;
        produce_one(&producer, doorbell_pack(doorbell));
    }
    link->good = good;
    return NULL;
}

static void slot_there_and_back(struct bench *bench)
{
    struct link link = {ring_new(CAPACITY), ring_new(CAPACITY), true};
    struct slot_table table = {0};
    struct ring_producer producer = producer_of(link.there, CAPACITY);
    struct ring_consumer consumer = consumer_of(link.back, CAPACITY);
    struct pair pair;
    uint64_t sequence = 0;
    bool good = slot_table_init(&table, slots, SLOTS) == 0;

    slots_init(slots, SLOTS, 0);
    if (good && pair_start(&pair, bench, run_target, &link)) {
        while (bench_more(bench, OPERATIONS)) {
            for (int i = 0; i < OPERATIONS; i++, sequence++) {
                struct doorbell doorbell;
                produce_one(&producer, doorbell_pack(post(&table, sequence)));
                good &= doorbell_unpack(consume_one(&consumer), SLOTS, &doorbell);
                good &= reap(&table, doorbell, sequence);
            }
        }
        produce_one(&producer, STOP);
        pair_join(&pair);
    }
    if (!good || !link.good)
        bench_fail(bench, "an answer was wrong");
    slot_table_done(&table);
    free(link.there);
    free(link.back);
}
BENCH(slot_there_and_back, "slot/there and back", 1)
