/*
 * The buffer pool: buffers never overlap, come back together, and are reused while warm.
 */
#include "shm/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)

enum { HELD_MAX = 16384 };

static struct pool *new_pool(uint64_t bytes)
{
    struct pool *pool = NULL;
    CU_ASSERT_EQUAL_FATAL(pool_new(&pool, bytes, NULL, NULL), 0);
    pool_validate(pool);
    return pool;
}

static uint64_t take(struct pool *pool, uint64_t bytes)
{
    uint64_t offset = UINT64_MAX;
    CU_ASSERT_EQUAL_FATAL(pool_take(pool, bytes, &offset), 0);
    CU_ASSERT_EQUAL(offset % BLOCK_BYTES, 0);
    return offset;
}

/* Takes buffers of `bytes` until none is left; how many. */
static uint32_t take_all(struct pool *pool, uint64_t bytes, uint64_t *ret_offsets)
{
    uint32_t count = 0;
    int status;
    while (count <= HELD_MAX && (status = pool_take(pool, bytes, &ret_offsets[count])) == 0)
        count++;
    CU_ASSERT_EQUAL(status, -ENOBUFS);
    return count;
}

static void impossible_sizes_are_refused(void)
{
    struct pool *pool = NULL;
    uint64_t offset = 1;

    CU_ASSERT_EQUAL(pool_new(&pool, 0, NULL, NULL), -EINVAL);
    CU_ASSERT_EQUAL(pool_new(&pool, BLOCK_BYTES + 1, NULL, NULL), -EINVAL);
    CU_ASSERT_EQUAL(pool_new(&pool, UINT64_MAX - BLOCK_BYTES + 1, NULL, NULL), -EINVAL);
    CU_ASSERT_PTR_NULL(pool);
    pool_free(NULL);

    pool = new_pool(1 * MIB);
    CU_ASSERT_EQUAL(pool_take(pool, 1 * MIB + 1, &offset), -EMSGSIZE);
    CU_ASSERT_EQUAL(pool_take(pool, UINT64_MAX, &offset), -EMSGSIZE);
    CU_ASSERT_EQUAL(offset, 1);
    take(pool, 1 * MIB);
    CU_ASSERT_EQUAL(pool_take(pool, 1 * MIB + 1, &offset), -EMSGSIZE);
    CU_ASSERT_EQUAL(pool_take(pool, 1, &offset), -ENOBUFS);
    pool_free(pool);
}

static void taken_bytes_are_counted(void)
{
    struct pool *pool = new_pool(4 * MIB);
    uint64_t one = take(pool, 1);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), 4 * KIB);
    uint64_t two = take(pool, 5 * KIB);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), 12 * KIB);
    uint64_t large = take(pool, 300 * KIB);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), 312 * KIB);
    pool_give(pool, two);
    pool_give(pool, large);
    pool_give(pool, one);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), 0);
    pool_validate(pool);
    pool_free(pool);
}

static void last_given_is_first_taken(void)
{
    static const uint64_t sizes[] = {4 * KIB, 8 * KIB, 64 * KIB, 256 * KIB};
    struct pool *pool = new_pool(64 * MIB);

    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        uint64_t held[8];
        for (int i = 0; i < 8; i++)
            held[i] = take(pool, sizes[s]);
        for (int i = 0; i < 8; i++)
            pool_give(pool, held[i]);
        pool_validate(pool);
        for (int i = 7; i >= 0; i--)
            CU_ASSERT_EQUAL(take(pool, sizes[s]), held[i]);
    }
    pool_free(pool);
}

static void more_given_than_is_kept_lazily_is_merged(void)
{
    static uint64_t held[4 * POOL_LAZY_COUNT_MAX];
    struct pool *pool = new_pool(64 * MIB);

    for (int i = 0; i < 4 * POOL_LAZY_COUNT_MAX; i++)
        held[i] = take(pool, BLOCK_BYTES);
    for (int i = 0; i < 4 * POOL_LAZY_COUNT_MAX; i++) {
        pool_give(pool, held[i]);
        pool_validate(pool);
    }
    for (int i = 1; i <= POOL_LAZY_COUNT_MAX; i++)
        CU_ASSERT_EQUAL(take(pool, BLOCK_BYTES), held[4 * POOL_LAZY_COUNT_MAX - i]);
    pool_free(pool);
}

static void many_small_buffers_come_together_for_a_large_one(void)
{
    static uint64_t held[HELD_MAX + 1];
    struct pool *pool = new_pool(BUFFERS_BYTES_DEFAULT);
    uint32_t count = take_all(pool, BLOCK_BYTES, held);
    uint64_t offset;

    CU_ASSERT_EQUAL_FATAL(count, BUFFERS_BYTES_DEFAULT / BLOCK_BYTES);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), BUFFERS_BYTES_DEFAULT);
    CU_ASSERT_EQUAL(pool_take(pool, 1, &offset), -ENOBUFS);
    pool_validate(pool);
    for (uint32_t i = 0; i < count; i++)
        pool_give(pool, held[i * 7919 % count]); /* prime: each once, in no order */
    pool_validate(pool);
    take(pool, PAYLOAD_BYTES_MAX);
    take(pool, PAYLOAD_BYTES_MAX);
    pool_validate(pool);
    CU_ASSERT_EQUAL(pool_take(pool, 1, &offset), -ENOBUFS);
    pool_free(pool);
}

static void smallest_pool_holds_the_largest_payload_within_a_block(void)
{
    struct pool *pool = new_pool(BUFFERS_BYTES_MIN);
    for (int i = 0; i < 3; i++) {
        uint64_t small = take(pool, BLOCK_BYTES);
        uint64_t large = take(pool, PAYLOAD_BYTES_MAX + BLOCK_BYTES);
        pool_validate(pool);
        CU_ASSERT(small < large || small >= large + PAYLOAD_BYTES_MAX + BLOCK_BYTES);
        CU_ASSERT(large + PAYLOAD_BYTES_MAX + BLOCK_BYTES <= BUFFERS_BYTES_MIN);
        pool_give(pool, large);
        pool_give(pool, small);
        pool_validate(pool);
    }
    pool_free(pool);
}

static void sizes_that_are_no_power_of_two_are_used_in_full(void)
{
    static const uint64_t sizes[] = {BLOCK_BYTES,         3 * BLOCK_BYTES, 40 * MIB, 33 * MIB,
                                     17 * MIB + 12 * KIB, 300 * MIB,       1 * MIB};
    static uint64_t held[HELD_MAX + 1];

    for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
        struct pool *pool = new_pool(sizes[s]);
        uint64_t blocks = sizes[s] / BLOCK_BYTES;
        if (blocks <= HELD_MAX) {
            CU_ASSERT_EQUAL(take_all(pool, BLOCK_BYTES, held), blocks);
            for (uint64_t i = 0; i < blocks; i++)
                pool_give(pool, held[i]);
        }
        /* All of it at once, even where it is no power of two. */
        pool_give(pool, take(pool, sizes[s]));
        take(pool, sizes[s] - BLOCK_BYTES + 1);
        pool_validate(pool);
        pool_free(pool);
    }
}

/* --- commitment --- */

struct kernel {
    uint64_t memory_bytes; /* what it still has */
    uint64_t pool_bytes;
    uint64_t calls;
    bool committed[64];
};

static int kernel_commit(void *context, uint64_t offset_bytes, uint64_t bytes)
{
    struct kernel *kernel = context;

    kernel->calls++;
    if (kernel->memory_bytes < bytes)
        return -ENOSPC;
    kernel->memory_bytes -= bytes;
    CU_ASSERT_EQUAL(offset_bytes % POOL_COMMIT_BYTES, 0);
    CU_ASSERT(offset_bytes + bytes <= kernel->pool_bytes);
    for (uint64_t at = 0; at < bytes; at += POOL_COMMIT_BYTES) {
        CU_ASSERT_FALSE(kernel->committed[(offset_bytes + at) / POOL_COMMIT_BYTES]);
        kernel->committed[(offset_bytes + at) / POOL_COMMIT_BYTES] = true;
    }
    return 0;
}

static bool is_committed(const struct kernel *kernel, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += BLOCK_BYTES)
        if (!kernel->committed[at / POOL_COMMIT_BYTES])
            return false;
    return true;
}

static void memory_is_committed_when_first_reached(void)
{
    struct kernel kernel = {.memory_bytes = UINT64_MAX, .pool_bytes = 41 * MIB};
    struct pool *pool;

    CU_ASSERT_EQUAL_FATAL(pool_new(&pool, 41 * MIB, kernel_commit, &kernel), 0);
    CU_ASSERT_EQUAL(kernel.calls, 0);
    uint64_t small = take(pool, BLOCK_BYTES);
    CU_ASSERT_EQUAL(kernel.calls, 1);
    CU_ASSERT_TRUE(is_committed(&kernel, small, BLOCK_BYTES));
    pool_give(pool, small);
    pool_give(pool, take(pool, BLOCK_BYTES));
    CU_ASSERT_EQUAL(kernel.calls, 1);
    uint64_t large = take(pool, 41 * MIB); /* whose last chunk is half a chunk */
    CU_ASSERT_TRUE(is_committed(&kernel, large, 41 * MIB));
    pool_give(pool, large);
    uint64_t calls = kernel.calls;
    take(pool, 41 * MIB);
    CU_ASSERT_EQUAL(kernel.calls, calls);
    pool_free(pool);
}

static void without_memory_a_take_fails_and_a_later_one_succeeds(void)
{
    struct kernel kernel = {.memory_bytes = 5 * MIB, .pool_bytes = 64 * MIB};
    struct pool *pool;
    uint64_t offset = 1;

    CU_ASSERT_EQUAL_FATAL(pool_new(&pool, 64 * MIB, kernel_commit, &kernel), 0);
    CU_ASSERT_EQUAL(pool_take(pool, 8 * MIB, &offset), -ENOMEM);
    CU_ASSERT_EQUAL(offset, 1);
    CU_ASSERT_EQUAL(pool_taken_bytes(pool), 0);
    pool_validate(pool);
    kernel.memory_bytes = 64 * MIB;
    offset = take(pool, 8 * MIB);
    CU_ASSERT_TRUE(is_committed(&kernel, offset, 8 * MIB));
    pool_validate(pool);
    pool_free(pool);
}

static void committed_memory_serves_when_the_kernel_has_no_more(void)
{
    struct kernel kernel = {.memory_bytes = 2 * MIB, .pool_bytes = 64 * MIB};
    struct pool *pool;
    uint64_t offset;

    CU_ASSERT_EQUAL_FATAL(pool_new(&pool, 64 * MIB, kernel_commit, &kernel), 0);
    /* One of the two chunks is committed before the other fails. */
    CU_ASSERT_EQUAL(pool_take(pool, 4 * MIB, &offset), -ENOMEM);
    for (int i = 0; i < POOL_COMMIT_BYTES / BLOCK_BYTES; i++) {
        offset = take(pool, BLOCK_BYTES);
        CU_ASSERT_TRUE(is_committed(&kernel, offset, BLOCK_BYTES));
        pool_validate(pool);
    }
    CU_ASSERT_EQUAL(pool_take(pool, BLOCK_BYTES, &offset), -ENOMEM);
    pool_validate(pool);
    pool_free(pool);
}

/* --- random takes and gives against a model: who holds which block --- */

struct model {
    struct pool *pool;
    struct kernel kernel;
    uint64_t bytes;
    bool block_held[HELD_MAX];
    struct {
        uint64_t offset, bytes;
    } held[HELD_MAX];
    uint32_t held_count;
    uint64_t seed;
};

static uint64_t random_below(struct model *model, uint64_t limit)
{
    model->seed ^= model->seed << 13;
    model->seed ^= model->seed >> 7;
    model->seed ^= model->seed << 17;
    return model->seed % limit;
}

/* Sets the blocks of a buffer to held or not; all must have been the other before. */
static void model_mark(struct model *model, uint64_t offset, uint64_t bytes, bool held)
{
    CU_ASSERT_FATAL(offset + bytes <= model->bytes);
    for (uint64_t at = offset / BLOCK_BYTES; at * BLOCK_BYTES < offset + bytes; at++) {
        CU_ASSERT_EQUAL_FATAL(model->block_held[at], !held);
        model->block_held[at] = held;
    }
}

static void model_take(struct model *model)
{
    /* Mostly small, sometimes large: a random number of bits. */
    uint64_t bytes = 1 + random_below(model, (uint64_t)1 << (1 + random_below(model, 23)));
    uint64_t offset, taken_bytes = pool_taken_bytes(model->pool);

    if (bytes > model->bytes || model->held_count == HELD_MAX)
        return;
    if (random_below(model, 8) == 0)
        model->kernel.memory_bytes = random_below(model, 8) * MIB;
    int status = pool_take(model->pool, bytes, &offset);
    if (status < 0) {
        CU_ASSERT(status == -ENOBUFS || status == -ENOMEM);
        CU_ASSERT_EQUAL(pool_taken_bytes(model->pool), taken_bytes);
        return;
    }
    CU_ASSERT(pool_taken_bytes(model->pool) >= taken_bytes + bytes);
    CU_ASSERT_TRUE(is_committed(&model->kernel, offset, bytes));
    model_mark(model, offset, bytes, true);
    model->held[model->held_count].offset = offset;
    model->held[model->held_count++].bytes = bytes;
}

static void model_give(struct model *model)
{
    if (model->held_count == 0)
        return;
    uint32_t i = (uint32_t)random_below(model, model->held_count);
    uint64_t offset = model->held[i].offset;
    model_mark(model, offset, model->held[i].bytes, false);
    model->held[i] = model->held[--model->held_count];
    pool_give(model->pool, offset);
}

static void random_takes_and_gives_never_overlap(void)
{
    unsigned failures = CU_get_number_of_failures();
    static const uint64_t sizes[] = {64 * MIB, 40 * MIB, 33 * MIB + 20 * KIB, 1 * MIB + 4 * KIB,
                                     28 * KIB};

    for (uint64_t seed = 1; seed <= 40; seed++) {
        static struct model model;
        uint64_t bytes = sizes[seed % (sizeof(sizes) / sizeof(*sizes))];
        model = (struct model){.bytes = bytes, .seed = seed * 0x9e3779b97f4a7c15};
        model.kernel = (struct kernel){.memory_bytes = bytes, .pool_bytes = bytes};
        CU_ASSERT_EQUAL_FATAL(pool_new(&model.pool, bytes, kernel_commit, &model.kernel), 0);
        for (int step = 0; step < 8000; step++) {
            /* Fills for a while, then drains for a while. */
            bool fills = step / 500 % 2 == 0;
            if (random_below(&model, 10) < (fills ? 7 : 3))
                model_take(&model);
            else
                model_give(&model);
            if (step % 200 == 0)
                pool_validate(model.pool);
        }
        while (model.held_count > 0)
            model_give(&model);
        CU_ASSERT_EQUAL(pool_taken_bytes(model.pool), 0);
        pool_validate(model.pool);
        model.kernel.memory_bytes = bytes;
        take(model.pool, bytes); /* everything came together again */
        pool_free(model.pool);
        if (CU_get_number_of_failures() > failures) {
            printf("seed %d\n", (int)seed);
            return;
        }
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"impossible sizes are refused", impossible_sizes_are_refused},
        {"taken bytes are counted", taken_bytes_are_counted},
        {"last given is first taken", last_given_is_first_taken},
        {"more given than is kept lazily is merged", more_given_than_is_kept_lazily_is_merged},
        {"many small buffers come together for a large one",
         many_small_buffers_come_together_for_a_large_one},
        {"smallest pool holds the largest payload within a block",
         smallest_pool_holds_the_largest_payload_within_a_block},
        {"sizes that are no power of two are used in full",
         sizes_that_are_no_power_of_two_are_used_in_full},
        {"memory is committed when first reached", memory_is_committed_when_first_reached},
        {"without memory a take fails and a later one succeeds",
         without_memory_a_take_fails_and_a_later_one_succeeds},
        {"committed memory serves when the kernel has no more",
         committed_memory_serves_when_the_kernel_has_no_more},
        {"random takes and gives never overlap", random_takes_and_gives_never_overlap},
    };
    return UNIT_RUN("pool", tests);
}
