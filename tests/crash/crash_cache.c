/*
 * A cache whose owner is killed at each CRASH_POINT of its blocks' headers in turn. Whoever adopts
 * it finds only blocks that are whole, each under its own key; of each key, what was answered for
 * it or what was just being written; and every dirty one that the element does not have.
 *
 * The owner fills, changes, writes back and drops blocks of one small element at random. It says in
 * memory that outlives it what it has answered, and keeps the element there.
 */
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/cache/blocks.h"
#include "shm/crash_point.h"

enum { BLOCKS = 24, KEYS = 40, ACTS_MAX = 4000, TRIALS = 40, DIRTY_MAX = 12 };

static const char *const points[] = {
    "cache.open",         "cache.opened", "cache.filled", "cache.keyed",  "cache.published",
    "cache.written_back", "cache.clean",  "cache.close",  "cache.closed",
};

/* What outlives the owner. */
static struct trial {
    _Atomic uint32_t countdown; /* passes of the point until the one that kills; 0: none */
    _Atomic uint32_t answered[KEYS];
    _Atomic uint32_t element[KEYS]; /* the version that the element has */
} * trial;

static const char *target;
static bool is_owner;

void crash_point(const char *name)
{
    if (is_owner && strcmp(name, target) == 0 && atomic_fetch_sub(&trial->countdown, 1) == 1) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

/* Every word of a block says which key it is of, and which version. */
static void fill(uint8_t *block, uint32_t key, uint32_t version)
{
    uint64_t word = (uint64_t)key << 32 | version;

    for (uint32_t at = 0; at < BLOCK_BYTES; at += sizeof word)
        memcpy(block + at, &word, sizeof word);
}

static uint32_t version_of(const uint8_t *block, uint64_t key)
{
    uint64_t first, word;

    memcpy(&first, block, sizeof first);
    assert(first >> 32 == key);
    for (uint32_t at = 0; at < BLOCK_BYTES; at += sizeof word) {
        memcpy(&word, block + at, sizeof word);
        assert(word == first);
    }
    return (uint32_t)first;
}

static int start(struct cache_blocks *blocks, const struct cache_region *region)
{
    const struct cache_blocks_wanted wanted = {
        .region = *region, .epoch = 1, .policy = CACHE_S3_FIFO, .elements = 1};

    return cache_blocks_init(blocks, &wanted);
}

/* --- the owner --- */

static void write_key(struct cache_blocks *blocks, uint32_t key)
{
    uint32_t block = cache_block_take(blocks, key), version = trial->answered[key] + 1;

    fill(cache_block_data(blocks, block), key, version);
    cache_block_put_dirty(blocks, block, key, 0);
    trial->answered[key] = version;
}

static void read_key(struct cache_blocks *blocks, uint32_t key)
{
    uint32_t block = cache_block_find(blocks, key);

    if (block != BLOCK_NONE) {
        cache_block_hit(blocks, block);
        return;
    }
    block = cache_block_take(blocks, key);
    fill(cache_block_data(blocks, block), key, trial->element[key]);
    cache_block_put_clean(blocks, block, key, 0);
}

static void write_back_one(struct cache_blocks *blocks)
{
    uint32_t block = cache_block_first_dirty(blocks, 0);

    if (block == BLOCK_NONE)
        return;
    uint64_t key = cache_block_key(blocks, block);
    trial->element[key] = version_of(cache_block_data(blocks, block), key);
    cache_block_written(blocks, block);
}

/* Written through: the element has it before the cache. */
static void write_through(struct cache_blocks *blocks, uint32_t key)
{
    uint32_t block = cache_block_find(blocks, key), version = trial->answered[key] + 1;

    if (block == BLOCK_NONE || cache_block_is_dirty(blocks, block))
        return;
    trial->element[key] = version;
    cache_block_reopen(blocks, block);
    fill(cache_block_data(blocks, block), key, version);
    cache_block_put_clean(blocks, block, key, 0);
    trial->answered[key] = version;
}

static void drop_key(struct cache_blocks *blocks, uint32_t key)
{
    uint32_t block = cache_block_find(blocks, key);

    if (block != BLOCK_NONE && !cache_block_is_dirty(blocks, block))
        cache_block_drop(blocks, block);
}

static void own(const struct cache_region *region, unsigned seed)
{
    struct cache_blocks blocks;

    is_owner = true;
    assert(start(&blocks, region) == 0);
    for (uint32_t act = 0; act < ACTS_MAX; act++) {
        uint32_t key = (uint32_t)rand_r(&seed) % KEYS, kind = (uint32_t)rand_r(&seed) % 10;
        if (kind < 4)
            write_key(&blocks, key);
        else if (kind < 7)
            read_key(&blocks, key);
        else if (kind == 7)
            write_through(&blocks, key);
        else if (kind == 8)
            drop_key(&blocks, key);
        if (kind == 9 || blocks.dirty_count == DIRTY_MAX)
            write_back_one(&blocks);
    }
    cache_blocks_validate(&blocks);
    cache_blocks_done(&blocks);
    _exit(0);
}

/* --- who adopts --- */

static void check_key(struct cache_blocks *blocks, uint32_t key)
{
    uint32_t block = cache_block_find(blocks, key);
    uint32_t answered = trial->answered[key], element = trial->element[key];

    if (block == BLOCK_NONE) { /* then the element has what was answered */
        assert(element >= answered);
        return;
    }
    uint32_t version = version_of(cache_block_data(blocks, block), key);
    assert(cache_block_is_dirty(blocks, block));
    assert(version == answered || version == answered + 1);
}

static void adopt(const struct cache_region *region)
{
    struct cache_blocks blocks;

    assert(start(&blocks, region) == 0);
    cache_blocks_validate(&blocks);
    for (uint32_t key = 0; key < KEYS; key++)
        check_key(&blocks, key);
    /* What it adopted can be used. */
    while (blocks.dirty_count > 0)
        write_back_one(&blocks);
    for (uint32_t key = 0; key < KEYS; key++) {
        assert(trial->element[key] >= trial->answered[key]);
        trial->answered[key] = trial->element[key];
        read_key(&blocks, key);
    }
    cache_blocks_validate(&blocks);
    cache_blocks_done(&blocks);
}

/* Whether the owner was killed. */
static bool try_once(const struct cache_region *region, const char *point, uint32_t countdown,
                     unsigned seed)
{
    int status;

    memset(trial, 0, sizeof *trial);
    for (uint32_t i = 0; i < BLOCKS; i++)
        cache_region_close(region, i);
    trial->countdown = countdown;
    target = point;
    pid_t owner = fork();
    assert(owner >= 0);
    if (owner == 0)
        own(region, seed);
    assert(waitpid(owner, &status, 0) == owner);
    assert(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    adopt(region);
    return WIFSIGNALED(status);
}

static void *shared_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(memory != MAP_FAILED);
    return memory;
}

int main(void)
{
    const char *said = getenv("ANYPORT_TEST_SEED");
    unsigned seed = said != NULL ? (unsigned)strtoul(said, NULL, 10) : (unsigned)getpid();
    bool is_long = getenv("ANYPORT_TEST_LONG") != NULL;
    struct cache_region region = cache_region_at(
        shared_memory(cache_region_bytes(BLOCKS * BLOCK_BYTES)), BLOCKS * BLOCK_BYTES);

    printf("seed %u (ANYPORT_TEST_SEED repeats it)\n", seed);
    trial = shared_memory(sizeof *trial);
    for (size_t p = 0; p < sizeof points / sizeof points[0]; p++) {
        uint32_t killed = 0, trials = is_long ? 50 * TRIALS : TRIALS;
        for (uint32_t i = 0; i < trials; i++)
            killed += try_once(&region, points[p], 1 + (uint32_t)rand_r(&seed) % 400, seed);
        printf("%s: killed %u times of %u\n", points[p], killed, trials);
        assert(killed > trials / 2);
    }
    return 0;
}
