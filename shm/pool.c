/*
 * The buddy allocator of pool.h.
 *
 * One header a block, in private memory. The header of a buffer's first block describes the buffer;
 * those of its other blocks say INSIDE.
 *
 *      FREE    on the list of its order; merged with its buddy as soon as that is free too
 *      LAZY    given back but kept whole, on the stack of its order; taken again first
 *      TAKEN   with the caller
 *
 * A take that no single free buffer can serve is served by free neighbours which together are long
 * enough; that needs a walk over all buffers, and comes last. The same walk finds memory that was
 * committed earlier when the kernel refuses to commit more.
 */
#include "shm/pool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX

enum block_state { INSIDE = 0, FREE, LAZY, TAKEN };

enum {
    CHUNK_BLOCKS = POOL_COMMIT_BYTES / BLOCK_BYTES,
    LAZY_BLOCKS_MAX = 1 << POOL_LAZY_ORDER_MAX,
    RUN = 0xff, /* as an order: of exactly so many blocks, not a power of two */
};

_Static_assert((POOL_LAZY_COUNT_MAX & (POOL_LAZY_COUNT_MAX - 1)) == 0, "stacks wrap by masking");
_Static_assert((uint64_t)BLOCK_BYTES << (POOL_ORDERS - 1) >= PAYLOAD_BYTES_MAX,
               "the largest payload needs few neighbours");

struct block {
    uint32_t next, prev; /* FREE: neighbours on the list, NONE at its ends */
    uint32_t count;      /* blocks of the buffer */
    uint8_t order;       /* 0 to POOL_ORDERS - 1, or RUN */
    uint8_t state;
};

/* A stack that loses its oldest entry when it is full. */
struct lazy_stack {
    uint32_t top; /* runs freely */
    uint32_t count;
    uint32_t starts[POOL_LAZY_COUNT_MAX];
};

struct pool {
    uint32_t count; /* blocks of the pool */
    uint32_t taken_count;
    pool_commit_fn *commit;
    void *context;
    uint8_t *chunk_committed;
    uint32_t free_heads[POOL_ORDERS];
    struct lazy_stack lazy[POOL_LAZY_ORDER_MAX + 1];
    struct block blocks[];
};

static unsigned order_floor(uint32_t count)
{
    return 31 - (unsigned)__builtin_clz(count);
}

static unsigned order_ceil(uint32_t count)
{
    return count == 1 ? 0 : order_floor(count - 1) + 1;
}

/* --- the free lists --- */

static void free_list_push(struct pool *pool, uint32_t start, unsigned order)
{
    uint32_t head = pool->free_heads[order];

    pool->blocks[start] = (struct block){
        .next = head, .prev = NONE, .count = 1u << order, .order = (uint8_t)order, .state = FREE};
    if (head != NONE)
        pool->blocks[head].prev = start;
    pool->free_heads[order] = start;
}

static void free_list_remove(struct pool *pool, uint32_t start)
{
    struct block *block = &pool->blocks[start];

    assert(block->state == FREE);
    if (block->prev != NONE)
        pool->blocks[block->prev].next = block->next;
    else
        pool->free_heads[block->order] = block->next;
    if (block->next != NONE)
        pool->blocks[block->next].prev = block->prev;
    block->state = INSIDE;
}

static void merge(struct pool *pool, uint32_t start, unsigned order)
{
    for (; order < POOL_ORDERS - 1; order++) {
        uint32_t buddy = start ^ 1u << order;
        if (buddy >= pool->count || pool->blocks[buddy].state != FREE ||
            pool->blocks[buddy].order != order)
            break;
        free_list_remove(pool, buddy);
        start &= ~(1u << order);
    }
    free_list_push(pool, start, order);
}

/* Makes any run of blocks free, as the largest buffers that lie within it; last block first, so
 * that the lowest addresses are used first. The run's first header must say INSIDE. */
static void run_free(struct pool *pool, uint32_t start, uint32_t count)
{
    while (count > 0) {
        uint32_t end = start + count;
        unsigned order = (unsigned)__builtin_ctz(end);
        if (order > order_floor(count))
            order = order_floor(count);
        if (order > POOL_ORDERS - 1)
            order = POOL_ORDERS - 1;
        count -= 1u << order;
        merge(pool, start + count, order);
    }
}

/* --- the lazy stacks --- */

static uint32_t lazy_pop(struct lazy_stack *stack)
{
    if (stack->count == 0)
        return NONE;
    stack->count--;
    return stack->starts[--stack->top % POOL_LAZY_COUNT_MAX];
}

static void lazy_merge(struct pool *pool, uint32_t start)
{
    struct block *block = &pool->blocks[start];

    assert(block->state == LAZY);
    block->state = INSIDE;
    merge(pool, start, block->order);
}

static void lazy_push(struct pool *pool, uint32_t start, unsigned order)
{
    struct lazy_stack *stack = &pool->lazy[order];
    uint32_t *top = &stack->starts[stack->top++ % POOL_LAZY_COUNT_MAX];

    if (stack->count == POOL_LAZY_COUNT_MAX)
        lazy_merge(pool, *top); /* the oldest */
    else
        stack->count++;
    *top = start;
    pool->blocks[start].state = LAZY;
}

static void lazy_merge_all(struct pool *pool)
{
    for (unsigned order = 0; order <= POOL_LAZY_ORDER_MAX; order++)
        for (uint32_t start; (start = lazy_pop(&pool->lazy[order])) != NONE;)
            lazy_merge(pool, start);
}

/* --- finding blocks --- */

/* `count` blocks from the smallest free buffer that holds them; the rest of it stays free. They
 * come off its end: in a pool little larger than the largest payload, the first small buffer would
 * else stand in the middle of the only place for that payload. */
static uint32_t find_in_one(struct pool *pool, uint32_t count)
{
    for (unsigned order = order_ceil(count); order < POOL_ORDERS; order++) {
        uint32_t start = pool->free_heads[order];
        if (start == NONE)
            continue;
        uint32_t rest = (1u << order) - count;
        free_list_remove(pool, start);
        run_free(pool, start, rest);
        return start + rest;
    }
    return NONE;
}

/* Takes [start, start + count) out of the free neighbours that begin at `head`. */
static void carve(struct pool *pool, uint32_t head, uint32_t start, uint32_t count)
{
    uint32_t at = head;

    while (at < start + count) {
        free_list_remove(pool, at);
        at += pool->blocks[at].count;
    }
    run_free(pool, head, start - head);
    run_free(pool, start + count, at - start - count);
}

/* `count` blocks from the first free neighbours that hold them together; of those that are
 * committed only, when the kernel has no more to give. */
static uint32_t find_in_neighbours(struct pool *pool, uint32_t count, bool committed_only)
{
    uint32_t head = 0, start = 0; /* of the neighbours, of the part that will do */

    for (uint32_t at = 0; at < pool->count;) {
        uint32_t buffer = at, end = at + pool->blocks[at].count;
        if (pool->blocks[at].state != FREE)
            head = start = at = end;
        while (at < end) {
            uint32_t chunk = at / CHUNK_BLOCKS;
            at = end < (chunk + 1) * CHUNK_BLOCKS ? end : (chunk + 1) * CHUNK_BLOCKS;
            if (committed_only && !pool->chunk_committed[chunk]) {
                head = at == end ? end : buffer;
                start = at;
            } else if (at - start >= count) {
                carve(pool, head, start, count);
                return start;
            }
        }
    }
    return NONE;
}

/* A buffer of `count` blocks, its first header still INSIDE. */
static uint32_t find(struct pool *pool, uint32_t count)
{
    uint32_t start = find_in_one(pool, count);
    if (start != NONE)
        return start;
    lazy_merge_all(pool);
    start = find_in_one(pool, count);
    if (start != NONE)
        return start;
    return find_in_neighbours(pool, count, false);
}

static int commit(struct pool *pool, uint32_t start, uint32_t count)
{
    uint32_t last = (start + count - 1) / CHUNK_BLOCKS;

    for (uint32_t chunk = start / CHUNK_BLOCKS; chunk <= last; chunk++) {
        uint64_t offset = (uint64_t)chunk * POOL_COMMIT_BYTES;
        uint64_t bytes = (uint64_t)pool->count * BLOCK_BYTES - offset;
        if (pool->chunk_committed[chunk])
            continue;
        if (bytes > POOL_COMMIT_BYTES)
            bytes = POOL_COMMIT_BYTES;
        /* Whatever the kernel calls it, the pool has no memory to give. */
        if (pool->commit && pool->commit(pool->context, offset, bytes) < 0)
            return -ENOMEM;
        pool->chunk_committed[chunk] = 1;
    }
    return 0;
}

/* --- the interface --- */

int pool_new(struct pool **ret_pool, uint64_t bytes, pool_commit_fn *commit_fn, void *context)
{
    /* Block numbers and what lies just past the last must fit 32 bits. */
    if (bytes == 0 || bytes % BLOCK_BYTES != 0 || bytes / BLOCK_BYTES > UINT32_MAX / 2)
        return -EINVAL;

    uint32_t count = (uint32_t)(bytes / BLOCK_BYTES);
    struct pool *pool = calloc(1, sizeof(*pool) + count * sizeof(struct block));
    if (!pool)
        return -ENOMEM;
    pool->chunk_committed = calloc((count + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS, 1);
    if (!pool->chunk_committed) {
        pool_free(pool);
        return -ENOMEM;
    }
    pool->count = count;
    pool->commit = commit_fn;
    pool->context = context;
    for (unsigned order = 0; order < POOL_ORDERS; order++)
        pool->free_heads[order] = NONE;
    run_free(pool, 0, count);
    *ret_pool = pool;
    return 0;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    free(pool->chunk_committed);
    free(pool);
}

static int take_slowly(struct pool *pool, uint32_t count, uint32_t *ret_start)
{
    if (count > pool->count - pool->taken_count)
        return -ENOBUFS;

    uint32_t start = find(pool, count);
    if (start == NONE)
        return -ENOBUFS;
    if (commit(pool, start, count) < 0) {
        run_free(pool, start, count);
        lazy_merge_all(pool);
        start = find_in_neighbours(pool, count, true);
        if (start == NONE)
            return -ENOMEM;
    }
    unsigned order = order_ceil(count);
    bool is_buddy = count == 1u << order && start % count == 0 && order < POOL_ORDERS;
    pool->blocks[start].count = count;
    pool->blocks[start].order = (uint8_t)(is_buddy ? order : RUN);
    *ret_start = start;
    return 0;
}

int pool_take(struct pool *pool, uint64_t bytes, uint64_t *ret_offset_bytes)
{
    assert(bytes > 0);
    if (bytes > (uint64_t)pool->count * BLOCK_BYTES)
        return -EMSGSIZE;

    uint32_t count = (uint32_t)((bytes + BLOCK_BYTES - 1) / BLOCK_BYTES);
    uint32_t start = NONE;
    if (count <= LAZY_BLOCKS_MAX) {
        unsigned order = order_ceil(count);
        if (1u << order <= pool->count)
            count = 1u << order; /* in a tiny pool the last blocks are taken as they are */
        start = lazy_pop(&pool->lazy[order]);
    }
    if (start == NONE) {
        int status = take_slowly(pool, count, &start);
        if (status < 0)
            return status;
    }
    pool->blocks[start].state = TAKEN;
    pool->taken_count += pool->blocks[start].count;
    *ret_offset_bytes = (uint64_t)start * BLOCK_BYTES;
    return 0;
}

void pool_give(struct pool *pool, uint64_t offset_bytes)
{
    uint64_t start = offset_bytes / BLOCK_BYTES;

    assert(offset_bytes % BLOCK_BYTES == 0 && start < pool->count);
    struct block *block = &pool->blocks[start];
    assert(block->state == TAKEN);
    pool->taken_count -= block->count;
    if (block->order <= POOL_LAZY_ORDER_MAX) {
        lazy_push(pool, (uint32_t)start, block->order);
    } else {
        block->state = INSIDE;
        run_free(pool, (uint32_t)start, block->count);
    }
}

uint64_t pool_taken_bytes(const struct pool *pool)
{
    return (uint64_t)pool->taken_count * BLOCK_BYTES;
}

/* --- validation --- */

struct tally {
    uint32_t taken, free[POOL_ORDERS], lazy[POOL_LAZY_ORDER_MAX + 1];
};

static void validate_buffer(const struct pool *pool, uint32_t start, struct tally *tally)
{
    const struct block *block = &pool->blocks[start];
    uint32_t buddy = start ^ block->count;

    assert(block->count > 0 && block->count <= pool->count - start);
    for (uint32_t i = 1; i < block->count; i++)
        assert(pool->blocks[start + i].state == INSIDE);
    assert(block->order == RUN ||
           (block->order < POOL_ORDERS && block->count == 1u << block->order &&
            start % block->count == 0));
    switch (block->state) {
    case FREE:
        assert(block->order < POOL_ORDERS);
        assert(block->order == POOL_ORDERS - 1 || buddy >= pool->count ||
               pool->blocks[buddy].state != FREE || pool->blocks[buddy].order != block->order);
        tally->free[block->order]++;
        break;
    case LAZY:
        assert(block->order <= POOL_LAZY_ORDER_MAX);
        tally->lazy[block->order]++;
        break;
    default:
        assert(block->state == TAKEN);
        tally->taken += block->count;
    }
    for (uint32_t i = 0; i < block->count && block->state != FREE; i++)
        assert(pool->chunk_committed[(start + i) / CHUNK_BLOCKS]);
}

static void validate_lists(const struct pool *pool, struct tally tally)
{
    for (unsigned order = 0; order < POOL_ORDERS; order++) {
        uint32_t prev = NONE;
        for (uint32_t at = pool->free_heads[order]; at != NONE; at = pool->blocks[at].next) {
            assert(pool->blocks[at].state == FREE && pool->blocks[at].order == order);
            assert(pool->blocks[at].prev == prev);
            assert(tally.free[order]-- > 0);
            prev = at;
        }
        assert(tally.free[order] == 0);
    }
    for (unsigned order = 0; order <= POOL_LAZY_ORDER_MAX; order++) {
        const struct lazy_stack *stack = &pool->lazy[order];
        assert(stack->count == tally.lazy[order] && stack->count <= POOL_LAZY_COUNT_MAX);
        for (uint32_t i = 1; i <= stack->count; i++) {
            uint32_t start = stack->starts[(stack->top - i) % POOL_LAZY_COUNT_MAX];
            assert(pool->blocks[start].state == LAZY && pool->blocks[start].order == order);
        }
    }
}

void pool_validate(const struct pool *pool)
{
    struct tally tally = {0};

    for (uint32_t start = 0; start < pool->count; start += pool->blocks[start].count)
        validate_buffer(pool, start, &tally);
    assert(tally.taken == pool->taken_count);
    validate_lists(pool, tally);
}
