/*
 * The policies once more, as plainly as they can be said: arrays of keys that are searched and
 * shifted. Each takes one request and says whether it was a hit and which key went.
 */
#ifndef TESTS_UNIT_CACHE_MODELS_H
#define TESTS_UNIT_CACHE_MODELS_H

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_BLOCKS_MAX = 512 };

#define MODEL_NO_KEY UINT64_MAX

/* Keys from oldest to newest. */
struct model_list {
    uint64_t keys[2 * MODEL_BLOCKS_MAX + 2];
    uint32_t marks[2 * MODEL_BLOCKS_MAX + 2];
    uint32_t count;
};

struct model {
    uint32_t blocks;
    struct model_list a, b, ghosts_a, ghosts_b; /* what they are is the policy's */
    uint32_t target;                            /* ARC */
    uint64_t hand;                              /* SIEVE: the key it stands at */
};

/* True: a hit. Else *ret_gone is the key that went, or MODEL_NO_KEY. */
typedef bool model_fn(struct model *model, uint64_t key, uint64_t *ret_gone);

model_fn model_s3_fifo, model_sieve, model_arc, model_lru;

#endif
