/*
 * The buffer pool: one buffer taken and given, and many of mixed sizes held at once.
 */
#include "bench/bench.h"
#include "shm/pool.h"

enum { OPERATIONS = 1024, HELD = 256, SMALL = 4 << 10, LARGE = 256 << 10, UNALIGNED = 260 << 10 };

static struct pool *new_pool(struct bench *bench)
{
    struct pool *pool = NULL;
    if (pool_new(&pool, BUFFERS_BYTES_DEFAULT, NULL, NULL) < 0)
        bench_fail(bench, "no memory");
    return pool;
}

static void check_empty(struct bench *bench, struct pool *pool)
{
    pool_validate(pool);
    if (pool_taken_bytes(pool) != 0)
        bench_fail(bench, "buffers were lost");
}

static void take_and_give(struct bench *bench)
{
    struct pool *pool = new_pool(bench);
    uint64_t bytes = bench_argument(bench), first = 0, offset = 0;
    bool good = pool && pool_take(pool, bytes, &first) == 0;

    if (good)
        pool_give(pool, first);
    while (good && bench_more(bench, OPERATIONS)) {
        for (int i = 0; i < OPERATIONS; i++) {
            good &= pool_take(pool, bytes, &offset) == 0 && offset == first;
            pool_give(pool, offset);
        }
    }
    if (!good)
        bench_fail(bench, "not the buffer given last");
    else
        check_empty(bench, pool);
    pool_free(pool);
}
BENCH(take_and_give, "pool/take and give 4 KiB", SMALL)
BENCH(take_and_give, "pool/take and give 256 KiB", LARGE)
BENCH(take_and_give, "pool/take and give 260 KiB", UNALIGNED)

/* Sizes as a host mixes them: mostly small, some up to 1 MiB. */
static uint64_t next_bytes(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t order = *seed >> 60;
    return (uint64_t)SMALL << (order < 8 ? 0 : order - 7);
}

static void mixed(struct bench *bench)
{
    struct pool *pool = new_pool(bench);
    uint64_t held[HELD], seed = bench_argument(bench), failures = 0, takes = 0;

    if (!pool)
        return;
    for (int i = 0; i < HELD; i++)
        if (pool_take(pool, SMALL, &held[i]) < 0)
            bench_fail(bench, "an empty pool has no buffer");
    while (bench_more(bench, OPERATIONS)) {
        for (uint32_t i = 0; i < OPERATIONS; i++, takes++) {
            uint64_t *one = &held[seed >> 33 & (HELD - 1)];
            pool_give(pool, *one);
            if (pool_take(pool, next_bytes(&seed), one) < 0) {
                failures++;
                if (pool_take(pool, SMALL, one) < 0)
                    bench_fail(bench, "not even a small buffer");
            }
        }
    }
    if (failures * 100 > takes)
        bench_fail(bench, "more than 1 % of the takes failed");
    for (int i = 0; i < HELD; i++)
        pool_give(pool, held[i]);
    check_empty(bench, pool);
    pool_free(pool);
}
BENCH(mixed, "pool/give and take mixed", 1)
