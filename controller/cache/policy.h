/*
 * Policies: which block of the cache goes when room is needed. Pure: numbers of blocks and keys in,
 * a number out; private memory, all of it taken when the policy is made.
 *
 * A policy orders the blocks that may go: the clean ones. A block that is written to in write-back
 * mode leaves the policy (remove) and comes back when it has been written back (insert). So
 * evict() never meets one that may not go, and costs O(1) amortised whatever is dirty.
 *
 * A key names what is in a block (index.h). Policies that remember what they evicted remember
 * keys.
 *
 *      insert ---> in the policy ---> evict: its key may be remembered
 *                    |   ^  hit
 *                    +---+---> remove: its key is not
 *
 *   s3-fifo  three FIFO queues: what came once passes through a small one; what was asked for
 *            again, or is remembered from there, gets into the large one (Yang et al., SOSP 2023)
 *   sieve    one FIFO queue and a hand that spares what was visited (Zhang et al., NSDI 2024)
 *   arc      recency and frequency balanced by what is missed of either (Megiddo, Modha, FAST 2003)
 *   lru      what was not asked for longest
 */
#ifndef CONTROLLER_CACHE_POLICY_H
#define CONTROLLER_CACHE_POLICY_H

#include <stdint.h>

#include "shm/cache_mode.h"

enum { BLOCK_NONE = UINT32_MAX };

struct cache_policy;

struct cache_policy_operations {
    /* For blocks 0 to `blocks` - 1 (1 or more). 0 or -ENOMEM. */
    int (*make)(struct cache_policy **ret_policy, uint32_t blocks);
    void (*free)(struct cache_policy *policy);
    /* A block that is not in the policy comes, with what `key` names. */
    void (*insert)(struct cache_policy *policy, uint32_t block, uint64_t key);
    /* One that is in it was asked for. */
    void (*hit)(struct cache_policy *policy, uint32_t block);
    /* Takes one that is in it out. */
    void (*remove)(struct cache_policy *policy, uint32_t block);
    /* Takes out the one that goes to make room for `key`, or BLOCK_NONE: the policy is empty. */
    uint32_t (*evict)(struct cache_policy *policy, uint64_t key);
};

/* What every policy begins with; the policy's own memory stands behind it. */
struct cache_policy {
    const struct cache_policy_operations *operations;
};

/* A policy of this kind. 0, -EINVAL or -ENOMEM. */
int cache_policy_new(struct cache_policy **ret_policy, enum cache_policy_kind kind,
                     uint32_t blocks);
void cache_policy_free(struct cache_policy *policy); /* NULL is allowed */

extern const struct cache_policy_operations policy_s3_fifo, policy_sieve, policy_arc, policy_lru;

#endif
