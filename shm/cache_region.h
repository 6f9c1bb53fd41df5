/*
 * The cache region: the part of the segment that holds one controller's cache. It outlives its
 * process, as battery-backed memory outlives a controller board: a successor walks the headers and
 * adopts the blocks.
 *
 *      headers     blocks x struct cache_header
 *      blocks      blocks x BLOCK_BYTES, on a page
 *
 * A header, 16 bytes:
 *
 *      word        63        48 47     32 31      16 15       0
 *                  |    0     |  epoch  |  element |  state   |
 *      block       number of the block on its element
 *
 *               open              publish                        publish
 *      FREE ------------> FILLING -------> CLEAN        FILLING -------> DIRTY
 *        ^                  |  ^             |                             |  written back: CLEAN
 *        |      close       |  |    open     |                             |
 *        +------------------+--|-------------+-----------------------------+
 *                              +-- CLEAN only
 *
 * Invariants
 *  1. Only the owner writes; whoever adopts does so after the owner's end.
 *  2. A block that is CLEAN or DIRTY is whole: `state` becomes FILLING before the first byte of the
 *     key or the block changes, and what it is to be after the last.
 *  3. A DIRTY block is never opened. What is to replace it is made in another block and published
 *     before it is closed. A process that is killed in between leaves both; the command that wrote
 *     the newer one was not answered yet, so either may be kept.
 */
#ifndef SHM_CACHE_REGION_H
#define SHM_CACHE_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/atomic.h"
#include "shm/limits.h"

enum cache_state { CACHE_FREE = 0, CACHE_FILLING, CACHE_CLEAN, CACHE_DIRTY };

/* Writer: the owner. Nobody else reads it while the owner lives. */
struct cache_header {
    _Atomic uint64_t word;
    _Atomic uint64_t block;
};

_Static_assert(sizeof(struct cache_header) == 16, "as drawn above");

/* A region as one process sees it. */
struct cache_region {
    struct cache_header *headers;
    uint8_t *memory;
    uint32_t blocks;
};

/* Bytes of a region that holds `cache_bytes` (a multiple of BLOCK_BYTES) of blocks. */
uint64_t cache_region_bytes(uint64_t cache_bytes);

/* The region at this address, a multiple of BLOCK_BYTES. */
struct cache_region cache_region_at(uint8_t *start, uint64_t cache_bytes);

static inline uint8_t *cache_region_block(const struct cache_region *region, uint32_t index)
{
    return region->memory + (uint64_t)index * BLOCK_BYTES;
}

/* From now on the block may change. It is FREE, FILLING or CLEAN. */
void cache_region_open(const struct cache_region *region, uint32_t index);

/* It is whole, and this is what it holds. It is FILLING. */
void cache_region_publish(const struct cache_region *region, uint32_t index, uint32_t element,
                          uint64_t block, uint16_t epoch, enum cache_state state);

/* A DIRTY block has been written back. */
void cache_region_clean(const struct cache_region *region, uint32_t index);

/* The block holds nothing. */
void cache_region_close(const struct cache_region *region, uint32_t index);

/* What a header says. */
struct cache_entry {
    enum cache_state state; /* CLEAN or DIRTY */
    uint16_t epoch;
    uint32_t element;
    uint64_t block;
};

/* After the owner's end, for anybody: whether the block is whole. Changes nothing. */
bool cache_region_look(const struct cache_region *region, uint32_t index,
                       struct cache_entry *ret_entry);

/* For an adopter: whether the block is whole. One that is not becomes FREE. */
bool cache_region_adopt(const struct cache_region *region, uint32_t index,
                        struct cache_entry *ret_entry);

/* After the owner's end, for anybody: whether it holds what the element's image may lack. Looks at
 * all headers, and changes none. */
bool cache_region_has_dirty(const struct cache_region *region, uint32_t element);

#endif
