/*
 * The trace: what an event costs its writer, in a ring that stays in the cache and in one of the
 * size that arrays have by default, which does not.
 */
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "shm/trace.h"

enum { WRITES = 1024 };

static void write_into(struct bench *bench, uint32_t events)
{
    struct trace_ring *ring = aligned_alloc(CACHELINE_BYTES, trace_ring_bytes(events));
    struct trace_event event = {.kind = TRACE_ARRIVED, .length_bytes = 4096};
    struct trace_writer writer;

    if (ring == NULL) {
        bench_fail(bench, "no memory");
        return;
    }
    memset(ring, 0, trace_ring_bytes(events));
    (void)trace_writer_init(&writer, ring, events, NULL, NULL); /* nothing is to be committed */
    while (bench_more(bench, WRITES)) {
        for (uint64_t i = 0; i < WRITES; i++) {
            event.command = i;
            trace_write(&writer, &event);
        }
    }
    if (trace_read(ring, events, writer.next - 1, &event) != TRACE_READ ||
        event.command != WRITES - 1)
        bench_fail(bench, "the last event was not read back");
    free(ring);
}

static void trace_small(struct bench *bench)
{
    write_into(bench, TRACE_EVENTS_MIN);
}

static void trace_default(struct bench *bench)
{
    write_into(bench, TRACE_EVENTS_DEFAULT);
}

BENCH(trace_small, "trace/write, in the cache", 1)
BENCH(trace_default, "trace/write, default size", 1)
