/* What is sent from a block of the cache stays what it was, whatever becomes of the block. */
#include <stdlib.h>
#include <string.h>

#include "controller/cache/blocks.h"
#include "tests/unit/unit.h"

enum { BLOCKS = 256, FIRST = 7, POLICIES = CACHE_LRU + 1 };

struct place {
    struct cache_blocks blocks;
    void *memory;
};

static void start(struct place *place, enum cache_policy_kind policy)
{
    uint64_t cache_bytes = (uint64_t)BLOCKS * BLOCK_BYTES;
    uint64_t bytes = cache_region_bytes(cache_bytes);

    CU_ASSERT_EQUAL_FATAL(posix_memalign(&place->memory, BLOCK_BYTES, bytes), 0);
    memset(place->memory, 0, bytes);
    const struct cache_blocks_wanted wanted = {
        .region = cache_region_at(place->memory, cache_bytes), .policy = policy, .elements = 1};
    CU_ASSERT_EQUAL_FATAL(cache_blocks_init(&place->blocks, &wanted), 0);
}

static void stop(struct place *place)
{
    cache_blocks_validate(&place->blocks);
    cache_blocks_done(&place->blocks);
    free(place->memory);
}

static uint32_t put(struct cache_blocks *blocks, uint64_t key, bool dirty, uint8_t byte)
{
    uint32_t block = cache_block_take(blocks, key);

    CU_ASSERT_NOT_EQUAL_FATAL(block, BLOCK_NONE);
    memset(cache_block_data(blocks, block), byte, BLOCK_BYTES);
    if (dirty)
        cache_block_put_dirty(blocks, block, key, 0);
    else
        cache_block_put_clean(blocks, block, key, 0);
    return block;
}

static bool holds(const struct cache_blocks *blocks, uint32_t block, uint8_t byte)
{
    const uint8_t *data = cache_block_data(blocks, block);

    return data[0] == byte && memcmp(data, data + 1, BLOCK_BYTES - 1) == 0;
}

/* Everything is written over, thrice: whatever can be taken is. */
static void flood(struct cache_blocks *blocks)
{
    for (uint64_t i = 0; i < 3ull * BLOCKS; i++)
        (void)put(blocks, 1000 + i, false, 99);
    cache_blocks_validate(blocks);
}

static void nothing_is_put_into_a_pinned_block(void)
{
    for (uint32_t policy = 0; policy < POLICIES; policy++) {
        struct place place;
        start(&place, (enum cache_policy_kind)policy);
        struct cache_blocks *blocks = &place.blocks;
        uint32_t clean = put(blocks, FIRST, false, 1), dirty = put(blocks, FIRST + 1, true, 2);
        cache_block_pin(blocks, clean);
        cache_block_pin(blocks, dirty);
        (void)put(blocks, FIRST + 1, true, 3); /* what is written over goes */
        flood(blocks);                         /* and so does what is not asked for */
        CU_ASSERT_EQUAL(cache_block_find(blocks, FIRST), BLOCK_NONE);
        CU_ASSERT_NOT_EQUAL(cache_block_find(blocks, FIRST + 1), dirty);
        CU_ASSERT_TRUE(holds(blocks, clean, 1));
        CU_ASSERT_TRUE(holds(blocks, dirty, 2));
        cache_block_unpin(blocks, clean);
        cache_block_unpin(blocks, dirty);
        flood(blocks);
        CU_ASSERT_FALSE(holds(blocks, clean, 1));
        CU_ASSERT_FALSE(holds(blocks, dirty, 2));
        stop(&place);
    }
}

static void a_block_is_pinned_as_often_as_it_is_sent(void)
{
    struct place place;

    start(&place, CACHE_S3_FIFO);
    uint32_t block = put(&place.blocks, FIRST, false, 1);
    cache_block_pin(&place.blocks, block);
    cache_block_pin(&place.blocks, block);
    cache_block_drop(&place.blocks, block);
    cache_block_unpin(&place.blocks, block);
    flood(&place.blocks);
    CU_ASSERT_TRUE(holds(&place.blocks, block, 1));
    cache_block_unpin(&place.blocks, block);
    flood(&place.blocks);
    CU_ASSERT_FALSE(holds(&place.blocks, block, 1));
    stop(&place);
}

static void a_pinned_block_that_stays_is_found_as_before(void)
{
    struct place place;

    start(&place, CACHE_S3_FIFO);
    uint32_t block = put(&place.blocks, FIRST, true, 1);
    cache_block_pin(&place.blocks, block);
    cache_block_written(&place.blocks, block);
    CU_ASSERT_EQUAL(cache_block_find(&place.blocks, FIRST), block);
    cache_block_unpin(&place.blocks, block);
    CU_ASSERT_EQUAL(cache_block_find(&place.blocks, FIRST), block);
    CU_ASSERT_TRUE(holds(&place.blocks, block, 1));
    stop(&place);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"nothing is put into a pinned block", nothing_is_put_into_a_pinned_block},
        {"a block is pinned as often as it is sent", a_block_is_pinned_as_often_as_it_is_sent},
        {"a pinned block that stays is found as before",
         a_pinned_block_that_stays_is_found_as_before},
    };

    return UNIT_RUN("cache_pins", tests);
}
