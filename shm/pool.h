/*
 * The buffer pool: where the payload of one controller's host commands lives.
 *
 * A binary buddy allocator over one range of the segment, in blocks of BLOCK_BYTES. Only its
 * controller takes and gives buffers, so all bookkeeping is private memory, made at start; the
 * buffers themselves are shared. What was given back last is taken first, while it is in the cache.
 *
 * Memory is committed (asked of the kernel) in chunks of POOL_COMMIT_BYTES, when a buffer first
 * reaches into them, through the function given at init: so a machine without memory answers with
 * -ENOMEM here and never with SIGBUS later.
 *
 * Invariants
 *  1. Every block is in exactly one buffer: a free one on the list of its order, or a taken one.
 *  2. A buffer of order k starts at a multiple of (BLOCK_BYTES << k). A take of more than 256 KiB
 * is not rounded up to an order but exact: the largest payload that starts within a block would
 *     else take twice its size, which the smallest pool does not have.
 *  3. Two free buddies are never left apart, except that blocks of order 0 to POOL_LAZY_ORDER_MAX
 *     may be kept on their list unmerged, up to POOL_LAZY_COUNT_MAX per order: splitting and
 * merging a small buffer at every command would cost more than the command's own bookkeeping.
 *     Before a take fails, the lazy ones are merged and the take is tried again.
 */
#ifndef SHM_POOL_H
#define SHM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

enum {
    POOL_ORDERS = 16, /* 4 KiB to 128 MiB */
    POOL_COMMIT_BYTES = 2 << 20,
    POOL_LAZY_ORDER_MAX = 6, /* 256 KiB */
    POOL_LAZY_COUNT_MAX = 64,
};

struct pool;

/* Asks the kernel for memory behind [offset, offset + bytes) of the pool; 0 or -errno. */
typedef int pool_commit_fn(void *context, uint64_t offset_bytes, uint64_t bytes);

/* `bytes` is a multiple of BLOCK_BYTES, not necessarily a power of two. `commit` may be NULL: then
 * all of it counts as committed. 0, -ENOMEM or -EINVAL. */
int pool_new(struct pool **ret_pool, uint64_t bytes, pool_commit_fn *commit, void *context);
void pool_free(struct pool *pool); /* NULL is allowed */

/* Takes a buffer of at least `bytes` (1 or more); *ret_offset_bytes counts from the pool's start
 * and is a multiple of BLOCK_BYTES. -ENOBUFS: none is free now, wait for a give. -EMSGSIZE: the
 * pool can never hold one so large. -ENOMEM: the kernel has no memory for it (a later try may
 * succeed). */
int pool_take(struct pool *pool, uint64_t bytes, uint64_t *ret_offset_bytes);

/* Gives back a taken buffer by the offset that pool_take returned. */
void pool_give(struct pool *pool, uint64_t offset_bytes);

/* Bytes in taken buffers, for status; 0 when everything was given back. */
uint64_t pool_taken_bytes(const struct pool *pool);

/* Walks all bookkeeping and aborts where an invariant is broken; for tests. */
void pool_validate(const struct pool *pool);

#endif
