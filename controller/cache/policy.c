#include "controller/cache/policy.h"

#include <errno.h>
#include <stddef.h>

static const struct cache_policy_operations *const kinds[] = {
    [CACHE_S3_FIFO] = &policy_s3_fifo,
    [CACHE_SIEVE] = &policy_sieve,
    [CACHE_ARC] = &policy_arc,
    [CACHE_LRU] = &policy_lru,
};

int cache_policy_new(struct cache_policy **ret_policy, enum cache_policy_kind kind, uint32_t blocks)
{
    if ((unsigned)kind >= sizeof kinds / sizeof kinds[0] || blocks == 0)
        return -EINVAL;
    struct cache_policy *policy;
    int error = kinds[kind]->make(&policy, blocks);
    if (error != 0)
        return error;
    policy->operations = kinds[kind];
    *ret_policy = policy;
    return 0;
}

void cache_policy_free(struct cache_policy *policy)
{
    if (policy != NULL)
        policy->operations->free(policy);
}
