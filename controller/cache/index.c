#include "controller/cache/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/cache/policy.h"

static uint32_t *bucket_of(const struct block_index *index, uint64_t key)
{
    return &index->buckets[key_hash(key) & index->buckets_mask];
}

int index_init(struct block_index *index, uint32_t blocks)
{
    uint32_t buckets = key_buckets(blocks);

    *index = (struct block_index){.buckets_mask = buckets - 1};
    index->entries = calloc(blocks, sizeof *index->entries);
    index->buckets = aligned_alloc(CACHELINE_BYTES, buckets * sizeof *index->buckets);
    if (index->entries == NULL || index->buckets == NULL) {
        index_done(index);
        return -ENOMEM;
    }
    memset(index->buckets, 0xff, buckets * sizeof *index->buckets); /* BLOCK_NONE */
    return 0;
}

void index_done(struct block_index *index)
{
    free(index->entries);
    free(index->buckets);
    *index = (struct block_index){0};
}

uint32_t index_find(const struct block_index *index, uint64_t key)
{
    uint32_t block = *bucket_of(index, key);

    while (block != BLOCK_NONE && index->entries[block].key != key)
        block = index->entries[block].next;
    return block;
}

void index_add(struct block_index *index, uint32_t block, uint64_t key)
{
    uint32_t *bucket = bucket_of(index, key);

    index->entries[block] = (struct block_index_entry){.key = key, .next = *bucket};
    *bucket = block;
}

void index_remove(struct block_index *index, uint32_t block)
{
    uint32_t *link = bucket_of(index, index->entries[block].key);

    while (*link != block) {
        assert(*link != BLOCK_NONE);
        link = &index->entries[*link].next;
    }
    *link = index->entries[block].next;
}
