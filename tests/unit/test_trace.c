/*
 * The trace ring: what is written is read whole, in order, or known to be lost.
 */
#include "shm/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { EVENTS = 2 * TRACE_COMMIT_EVENTS };

static struct trace_ring *new_ring(void)
{
    struct trace_ring *ring = aligned_alloc(CACHELINE_BYTES, trace_ring_bytes(EVENTS));

    CU_ASSERT_PTR_NOT_NULL_FATAL(ring);
    memset(ring, 0, trace_ring_bytes(EVENTS));
    return ring;
}

static struct trace_writer writer_of(struct trace_ring *ring)
{
    struct trace_writer writer;

    CU_ASSERT_EQUAL_FATAL(trace_writer_init(&writer, ring, EVENTS, NULL, NULL), 0);
    return writer;
}

/* Each field differs, and differs from event to event. */
static struct trace_event event_of(uint64_t number)
{
    return (struct trace_event){.time_ns = number + 1,
                                .command = number + 2,
                                .detail = number + 3,
                                .offset_bytes = number + 4,
                                .length_bytes = number + 5,
                                .status = -(int32_t)number,
                                .volume = (uint32_t)number + 6,
                                .kind = TRACE_STAGE,
                                .op = (uint8_t)number,
                                .stage = 1,
                                .verdict = 2,
                                .receiver = 3,
                                .peer = 4};
}

static void write_many(struct trace_writer *writer, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct trace_event event = event_of(writer->next);
        trace_write(writer, &event);
    }
}

static bool reads(const struct trace_ring *ring, uint64_t number)
{
    struct trace_event event, expected = event_of(number);

    return trace_read(ring, EVENTS, number, &event) == TRACE_READ &&
           memcmp(&event, &expected, sizeof event) == 0;
}

static void an_event_is_read_as_it_was_written(void)
{
    struct trace_ring *ring = new_ring();
    struct trace_writer writer = writer_of(ring);
    struct trace_event event;

    CU_ASSERT_EQUAL(trace_read(ring, EVENTS, 0, &event), TRACE_NOT_YET);
    write_many(&writer, 2);
    CU_ASSERT_EQUAL(trace_written(ring), 2);
    CU_ASSERT_TRUE(reads(ring, 0) && reads(ring, 1));
    CU_ASSERT_EQUAL(trace_read(ring, EVENTS, 2, &event), TRACE_NOT_YET);
    free(ring);
}

/* Up to the last entry before it wraps, over it, and once round. */
static void it_wraps_and_keeps_the_last_events(void)
{
    struct trace_ring *ring = new_ring();
    struct trace_writer writer = writer_of(ring);
    struct trace_event event;

    write_many(&writer, EVENTS - 1);
    CU_ASSERT_TRUE(reads(ring, 0) && reads(ring, EVENTS - 2));
    CU_ASSERT_EQUAL(trace_oldest(trace_written(ring), EVENTS), 0);
    write_many(&writer, 1);
    CU_ASSERT_TRUE(reads(ring, 0) && reads(ring, EVENTS - 1));
    CU_ASSERT_EQUAL(trace_oldest(trace_written(ring), EVENTS), 0);
    write_many(&writer, 1);
    CU_ASSERT_EQUAL(trace_read(ring, EVENTS, 0, &event), TRACE_LOST);
    CU_ASSERT_EQUAL(trace_oldest(trace_written(ring), EVENTS), 1);
    CU_ASSERT_TRUE(reads(ring, 1) && reads(ring, EVENTS));
    write_many(&writer, 3 * EVENTS);
    for (uint64_t i = trace_oldest(writer.next, EVENTS); i < writer.next; i++)
        CU_ASSERT_TRUE(reads(ring, i));
    free(ring);
}

/* As a writer leaves it that is killed between two of its stores, or is at it. */
static void a_torn_entry_is_recognised(void)
{
    struct trace_ring *ring = new_ring();
    struct trace_writer writer = writer_of(ring);
    struct trace_event event;

    write_many(&writer, 3);
    /* relaxed: nobody else has it, here and below */
    store_relaxed(&ring->entries[1].sequence, 0);
    store_relaxed(&ring->entries[1].words[2], 4711); /* relaxed: as above */
    CU_ASSERT_EQUAL(trace_read(ring, EVENTS, 1, &event), TRACE_LOST);
    CU_ASSERT_TRUE(reads(ring, 0) && reads(ring, 2));
    store_relaxed(&ring->entries[1].sequence, EVENTS + 2); /* relaxed: as above */
    CU_ASSERT_EQUAL(trace_read(ring, EVENTS, 1, &event), TRACE_LOST);
    free(ring);
}

static void a_later_life_goes_on_where_the_last_one_ended(void)
{
    struct trace_ring *ring = new_ring();
    struct trace_writer writer = writer_of(ring);

    write_many(&writer, EVENTS + 7);
    store_relaxed(&ring->entries[7].sequence, 0); /* relaxed: nobody else has it; it died here */
    writer = writer_of(ring);
    write_many(&writer, 1);
    CU_ASSERT_EQUAL(trace_written(ring), EVENTS + 8);
    CU_ASSERT_TRUE(reads(ring, EVENTS + 6) && reads(ring, EVENTS + 7));
    free(ring);
}

/* --- memory --- */

struct memory {
    uint64_t end_bytes; /* asked for, without a gap */
    bool none;
};

static int commit(void *context, uint64_t offset_bytes, uint64_t bytes)
{
    struct memory *memory = context;

    if (memory->none)
        return -ENOMEM;
    CU_ASSERT_EQUAL(offset_bytes, memory->end_bytes);
    memory->end_bytes += bytes;
    return 0;
}

static void memory_is_asked_for_before_it_is_touched(void)
{
    struct trace_ring *ring = new_ring();
    struct memory memory = {.none = true};
    struct trace_writer writer;

    CU_ASSERT_EQUAL(trace_writer_init(&writer, ring, EVENTS, commit, &memory), -ENOMEM);
    memory.none = false;
    CU_ASSERT_EQUAL_FATAL(trace_writer_init(&writer, ring, EVENTS, commit, &memory), 0);
    CU_ASSERT_EQUAL(memory.end_bytes, sizeof *ring);
    memory.none = true;
    write_many(&writer, 1);
    CU_ASSERT_EQUAL(trace_written(ring), 0);                      /* lost, and nothing touched */
    CU_ASSERT_EQUAL(load_relaxed(&ring->entries[0].words[0]), 0); /* relaxed: nobody else has it */
    memory.none = false;
    write_many(&writer, 2 * EVENTS);
    CU_ASSERT_EQUAL(memory.end_bytes, trace_ring_bytes(EVENTS));
    CU_ASSERT_TRUE(reads(ring, 2 * EVENTS - 1));
    free(ring);
}

static void levels_and_kinds_have_names(void)
{
    for (uint32_t level = 0; level < TRACE_LEVELS_END; level++)
        CU_ASSERT_EQUAL(trace_level_of(trace_level_name(level)), (int)level);
    CU_ASSERT_EQUAL(trace_level_of("everything"), -EINVAL);
    CU_ASSERT_PTR_NULL(trace_level_name(TRACE_LEVELS_END));
    for (uint32_t kind = 1; kind < TRACE_KINDS_END; kind++)
        CU_ASSERT_PTR_NOT_NULL(trace_kind_name(kind));
    CU_ASSERT_PTR_NULL(trace_kind_name(TRACE_NOTHING));
    CU_ASSERT_PTR_NULL(trace_kind_name(TRACE_KINDS_END));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an event is read as it was written", an_event_is_read_as_it_was_written},
        {"it wraps and keeps the last events", it_wraps_and_keeps_the_last_events},
        {"a torn entry is recognised", a_torn_entry_is_recognised},
        {"a later life goes on where the last one ended",
         a_later_life_goes_on_where_the_last_one_ended},
        {"memory is asked for before it is touched", memory_is_asked_for_before_it_is_touched},
        {"levels and kinds have names", levels_and_kinds_have_names},
    };

    return UNIT_RUN("trace", tests);
}
