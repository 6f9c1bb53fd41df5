/*
 * A seat of an array that has no controller: the test writes into its shared memory whatever it
 * likes, and answers what controller 0 sends it.
 */
#ifndef TESTS_UNIT_PUPPET_H
#define TESTS_UNIT_PUPPET_H

#undef NDEBUG
#include <assert.h>

#include "tests/unit/array.h"
#include "tests/unit/threads.h"

enum { PUPPET = 2, EPOCH = 1 };

struct puppet {
    struct array *array;
    struct ring_producer to;     /* controller 0 */
    struct ring_consumer from;   /* controller 0 */
    struct slot *slots, *theirs; /* our own; controller 0's */
};

static inline struct puppet attach(struct array *array)
{
    const struct segment *segment = &array->segment;
    uint32_t entries = segment->geometry.ring_entries;
    struct puppet puppet = {.array = array,
                            .slots = segment_slots(segment, PUPPET),
                            .theirs = segment_slots(segment, 0)};

    assert(ring_producer_attach(&puppet.to, &segment_link(segment, PUPPET, 0, 0)->ring, entries) ==
           0);
    assert(ring_consumer_attach(&puppet.from, &segment_link(segment, 0, PUPPET, 0)->ring,
                                entries) == 0);
    return puppet;
}

static inline struct doorbell next_doorbell(struct puppet *puppet)
{
    struct doorbell doorbell = {0};
    uint64_t entry;
    int count;

    while ((count = ring_consume_spsc(&puppet->from, &entry, 1)) == 0)
        thread_wait();
    assert(count == 1 && doorbell_unpack(entry, SLOTS_MAX, &doorbell));
    return doorbell;
}

static inline void send_entry(struct puppet *puppet, uint64_t entry)
{
    assert(ring_produce_spsc(&puppet->to, &entry, 1) == 1);
    array_ring(puppet->array, 0);
}

static inline void send_doorbell(struct puppet *puppet, struct doorbell doorbell)
{
    send_entry(puppet, doorbell_pack(doorbell));
}

/* Claims the next request that controller 0 sends. One that took its time to be claimed is
 * announced again, which may come when it is claimed already. */
static inline struct doorbell claim(struct puppet *puppet, struct slot_request *ret_request)
{
    struct doorbell doorbell;

    do {
        doorbell = next_doorbell(puppet);
        assert(doorbell.kind == DOORBELL_REQUEST);
    } while (!slot_claim(&puppet->theirs[doorbell.index], doorbell.generation, 0, EPOCH, PUPPET,
                         EPOCH, ret_request));
    return doorbell;
}

static inline bool complete(struct puppet *puppet, struct doorbell doorbell, int32_t status)
{
    struct slot_answer answer = {.status = status};

    return slot_complete(&puppet->theirs[doorbell.index], doorbell.generation, PUPPET, EPOCH,
                         &answer);
}

/* Posts a request to controller 0 and returns its answer's status. */
static inline int32_t ask(struct puppet *puppet, const struct slot_request *request)
{
    struct slot_answer answer;
    uint32_t generation = slot_post(&puppet->slots[0], request, PUPPET, EPOCH);

    send_doorbell(puppet, (struct doorbell){.generation = generation, .kind = DOORBELL_REQUEST});
    while (!slot_is_done(&puppet->slots[0], generation, &answer))
        thread_wait();
    slot_free(&puppet->slots[0]);
    assert(next_doorbell(puppet).kind == DOORBELL_ANSWER);
    return answer.status;
}

#endif
