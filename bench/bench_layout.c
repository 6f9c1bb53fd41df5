/*
 * Layouts: what it costs to find the components of a host command, to plan a small write of raid6,
 * and to compute parity.
 */
#include <stdlib.h>

#include "bench/bench.h"
#include "controller/layout/parity.h"
#include "controller/layout/parity_plan.h"

enum {
    OPERATIONS = 1000,
    MEMBERS = 10,
    COLUMNS = 8,
    COLUMN_BYTES = 64 << 10,
    MEMBER_BYTES = 1 << 30,
    STRIDE = 61803, /* blocks; the places asked for do not follow each other */
};

static bool make(struct layout *layout, enum layout_kind kind, uint32_t members)
{
    uint64_t sizes[MEMBERS_MAX];

    for (uint32_t i = 0; i < members; i++)
        sizes[i] = MEMBER_BYTES;
    struct layout_wanted wanted = {.kind = kind, .members = members, .member_bytes = sizes};
    return layout_init(layout, &wanted, NULL) == 0;
}

static uint64_t walk_all(const struct layout *layout, uint64_t offset, uint64_t length)
{
    struct layout_walk walk;
    struct component component;
    uint64_t bytes = 0;

    layout_walk_begin(&walk, layout, LAYOUT_READ, offset, length, NULL);
    while (layout_walk_next(&walk, &component))
        bytes += component.length_bytes;
    return bytes;
}

static void walks(struct bench *bench, enum layout_kind kind, uint64_t length)
{
    struct layout layout;
    bool good = make(&layout, kind, kind == LAYOUT_MIRROR ? 2 : COLUMNS);
    uint64_t block = 0, blocks = good ? (layout.size_bytes - length) / BLOCK_BYTES : 1;

    while (good && bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            block = (block + STRIDE) % blocks;
            good &= walk_all(&layout, block * BLOCK_BYTES, length) == length;
        }
    }
    if (!good)
        bench_fail(bench, "components do not cover their range");
}

static void walk_stripe(struct bench *bench)
{
    walks(bench, LAYOUT_STRIPE, bench_argument(bench));
}
BENCH(walk_stripe, "layout/read of 4 KiB, stripe of 8", 4096)
BENCH(walk_stripe, "layout/read of 1 MiB, stripe of 8", 1048576)

static void walk_mirror(struct bench *bench)
{
    walks(bench, LAYOUT_MIRROR, bench_argument(bench));
}
BENCH(walk_mirror, "layout/read of 4 KiB, mirror of 2", 4096)

static void walk_raid6(struct bench *bench)
{
    walks(bench, LAYOUT_RAID6, bench_argument(bench));
}
BENCH(walk_raid6, "layout/read of 4 KiB, raid6 of 8", 4096)
BENCH(walk_raid6, "layout/read of 1 MiB, raid6 of 8", 1048576)

/* --- parity --- */

struct buffers {
    uint8_t *memory;
    uint8_t *column[COLUMNS], *p, *q;
};

static bool buffers_begin(struct buffers *buffers)
{
    buffers->memory = aligned_alloc(BLOCK_BYTES, (COLUMNS + 2) * COLUMN_BYTES);
    if (buffers->memory == NULL)
        return false;
    for (size_t i = 0; i < (size_t)COLUMNS * COLUMN_BYTES; i++)
        buffers->memory[i] = (uint8_t)(i * 31 + i / COLUMN_BYTES);
    for (size_t i = 0; i < COLUMNS; i++)
        buffers->column[i] = buffers->memory + i * COLUMN_BYTES;
    buffers->p = buffers->memory + COLUMNS * COLUMN_BYTES;
    buffers->q = buffers->p + COLUMN_BYTES;
    return true;
}

/* P of a byte, as a check that it was computed at all. */
static bool p_is_right(const struct buffers *buffers, size_t at)
{
    uint8_t sum = buffers->p[at];

    for (size_t i = 0; i < COLUMNS; i++)
        sum ^= buffers->column[i][at];
    return sum == 0;
}

static void generate(struct bench *bench)
{
    struct buffers buffers;
    bool good = buffers_begin(&buffers), with_q = bench_argument(bench) != 0;

    while (good && bench_more(bench, 1))
        parity_generate((const uint8_t *const *)buffers.column, COLUMNS, COLUMN_BYTES, buffers.p,
                        with_q ? buffers.q : NULL);
    if (!good || !p_is_right(&buffers, 0) || !p_is_right(&buffers, COLUMN_BYTES - 1))
        bench_fail(bench, "P is wrong");
    free(buffers.memory);
}
BENCH(generate, "parity/P of 8 x 64 KiB", 0)
BENCH(generate, "parity/P and Q of 8 x 64 KiB", 1)

static void recover(struct bench *bench)
{
    struct buffers buffers;
    bool good = buffers_begin(&buffers);
    uint32_t lost = (uint32_t)bench_argument(bench);

    if (good)
        parity_generate((const uint8_t *const *)buffers.column, COLUMNS, COLUMN_BYTES, buffers.p,
                        buffers.q);
    while (good && bench_more(bench, 1))
        parity_recover(buffers.column, COLUMNS, lost, COLUMN_BYTES, buffers.p, buffers.q);
    if (!good || !p_is_right(&buffers, 7))
        bench_fail(bench, "what came back is wrong");
    free(buffers.memory);
}
BENCH(recover, "parity/recover 1 of 8 x 64 KiB", 2)
BENCH(recover, "parity/recover 2 of 8 x 64 KiB", 6)

/* A 4 KiB write in the middle of a row: its plan, then its plan and what it computes. */
static void small_write(struct bench *bench)
{
    struct layout layout;
    struct buffers buffers;
    bool good = make(&layout, LAYOUT_RAID6, MEMBERS), compute = bench_argument(bench) != 0;
    uint64_t block = 0;

    good = buffers_begin(&buffers) && good;
    while (good && bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            struct parity_walk walk;
            struct parity_slice slice;
            struct parity_plan plan;

            block = (block + STRIDE) % (layout.size_bytes / BLOCK_BYTES);
            parity_walk_begin(&walk, &layout, block * BLOCK_BYTES, BLOCK_BYTES);
            good &= parity_walk_next(&walk, &slice);
            good &= parity_plan_write(&plan, &layout, &slice, 0, 0) == 0 && plan.reads == 3;
            if (compute)
                parity_plan_compute(&plan, buffers.p, buffers.memory);
        }
    }
    if (!good)
        bench_fail(bench, "no plan");
    free(buffers.memory);
}
BENCH(small_write, "parity/plan a write of 4 KiB, raid6 of 10", 0)
BENCH(small_write, "parity/plan and compute it", 1)
