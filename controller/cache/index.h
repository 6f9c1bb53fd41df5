/*
 * The index: which block of the cache holds a block of an element, by hash. Private memory of the
 * owner, made anew from the headers where a cache is adopted (shm/cache_region.h).
 *
 * A key is {element, block of the element} in one word.
 */
#ifndef CONTROLLER_CACHE_INDEX_H
#define CONTROLLER_CACHE_INDEX_H

#include <stdint.h>

#include "shm/limits.h"

enum { KEY_BLOCK_BITS = 50 };

_Static_assert(ELEMENT_BYTES_MAX / BLOCK_BYTES <= 1ull << KEY_BLOCK_BITS &&
                   ELEMENTS_MAX <= 1 << (64 - KEY_BLOCK_BITS),
               "any block of any element has a key");

static inline uint64_t key_of(uint32_t element, uint64_t block)
{
    return (uint64_t)element << KEY_BLOCK_BITS | block;
}

static inline uint32_t key_element(uint64_t key)
{
    return (uint32_t)(key >> KEY_BLOCK_BITS);
}

static inline uint64_t key_block(uint64_t key)
{
    return key & ((1ull << KEY_BLOCK_BITS) - 1);
}

enum { KEY_GROUP_BITS = 4 };

/* Sixteen neighbours have sixteen buckets side by side, a cache line of them, because who asks for
 * one asks for the next. Groups are kept apart by a multiplication, of which the upper half is
 * mixed best. */
static inline uint32_t key_hash(uint64_t key)
{
    uint32_t group = (uint32_t)((key >> KEY_GROUP_BITS) * 0x9e3779b97f4a7c15u >> 32);

    return group << KEY_GROUP_BITS | (uint32_t)(key & ((1u << KEY_GROUP_BITS) - 1));
}

/* A power of two, at least `entries`. */
static inline uint32_t key_buckets(uint32_t entries)
{
    uint32_t buckets = 16;

    while (buckets < entries && buckets < 1u << 31)
        buckets *= 2;
    return buckets;
}

struct block_index {
    uint32_t *buckets;
    uint32_t buckets_mask;
    struct block_index_entry {
        uint64_t key;
        uint32_t next;
    } * entries; /* by block */
};

/* 0 or -ENOMEM. */
int index_init(struct block_index *index, uint32_t blocks);
void index_done(struct block_index *index);

/* The block that holds `key`, or BLOCK_NONE. */
uint32_t index_find(const struct block_index *index, uint64_t key);

/* The key will be looked for: fetches its bucket. */
static inline void index_expect(const struct block_index *index, uint64_t key)
{
    __builtin_prefetch(&index->buckets[key_hash(key) & index->buckets_mask]);
}

/* Enters a block that is not entered, under a key that no other has. */
void index_add(struct block_index *index, uint32_t block, uint64_t key);
void index_remove(struct block_index *index, uint32_t block);

static inline uint64_t index_key(const struct block_index *index, uint32_t block)
{
    return index->entries[block].key;
}

#endif
