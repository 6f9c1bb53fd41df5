/*
 * A writer that laps its reader all the time: what is read is whole, and the one that was asked
 * for.
 */
#include "shm/trace.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/threads.h"
#include "tests/unit/unit.h"

enum { EVENTS = 4, ROUNDS = 400000 };

static struct trace_ring *ring;

static struct trace_event event_of(uint64_t number)
{
    return (struct trace_event){.time_ns = number,
                                .command = number,
                                .detail = number,
                                .offset_bytes = number,
                                .length_bytes = number,
                                .volume = (uint32_t)number,
                                .kind = TRACE_STAGE};
}

static void *run_writer(void *unused)
{
    struct trace_writer writer;

    assert(trace_writer_init(&writer, ring, EVENTS, NULL, NULL) == 0);
    while (writer.next < ROUNDS) {
        struct trace_event event = event_of(writer.next);
        trace_write(&writer, &event);
        if (writer.next % 1000 == 0)
            thread_wait();
    }
    return unused;
}

/* Goes for the oldest, which is the one that is overrun next. */
static void *run_reader(void *ret_read)
{
    struct trace_event event, expected;
    uint64_t written = 0, *read = ret_read;

    while (written < ROUNDS) {
        written = trace_written(ring);
        for (uint64_t number = trace_oldest(written, EVENTS); number < written; number++) {
            if (trace_read(ring, EVENTS, number, &event) != TRACE_READ)
                continue;
            expected = event_of(number);
            assert(memcmp(&event, &expected, sizeof event) == 0);
            ++*read;
        }
    }
    return NULL;
}

static void events_are_read_whole_or_not_at_all(void)
{
    uint64_t read = 0;

    ring = aligned_alloc(CACHELINE_BYTES, trace_ring_bytes(EVENTS));
    memset(ring, 0, trace_ring_bytes(EVENTS));
    pthread_t threads[] = {thread_start(run_writer, NULL), thread_start(run_reader, &read)};
    thread_join(threads[0]);
    thread_join(threads[1]);
    CU_ASSERT_TRUE(read >= EVENTS);
    free(ring);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"events are read whole or not at all", events_are_read_whole_or_not_at_all},
    };

    return UNIT_RUN("trace threads", tests);
}
