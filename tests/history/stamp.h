/*
 * What a write of the runner puts into a block, so that a read shows which writes it saw: at the
 * beginning of each sector (512 bytes, or the whole block where that is less) the write's tag and
 * the sector's number on the volume, as two 64-bit words. The rest of a sector stays as it is: what
 * is looked for is commands that mix, and devices and copies mix by sectors at least.
 */
#ifndef TESTS_HISTORY_STAMP_H
#define TESTS_HISTORY_STAMP_H

#include <stdint.h>
#include <string.h>

#include "tests/history/history.h"

enum { STAMP_BYTES = 16, SECTOR_BYTES = 512 };

static inline uint32_t stamp_step(uint32_t block_bytes)
{
    return block_bytes < SECTOR_BYTES ? block_bytes : SECTOR_BYTES;
}

/* Stamps `bytes` bytes (whole blocks) that stand at offset_bytes of the volume. */
static inline void stamp_put(uint8_t *data, uint64_t bytes, uint64_t offset_bytes,
                             uint32_t block_bytes, uint64_t tag)
{
    uint32_t step = stamp_step(block_bytes);

    for (uint64_t at = 0; at < bytes; at += step) {
        uint64_t stamp[2] = {tag, (offset_bytes + at) / step};
        memcpy(data + at, stamp, sizeof stamp);
    }
}

/* The tag of one block that was read from offset_bytes: or HISTORY_TORN, or HISTORY_ASTRAY. */
static inline uint64_t stamp_tag(const uint8_t *block, uint64_t offset_bytes, uint32_t block_bytes)
{
    uint32_t step = stamp_step(block_bytes);
    uint64_t tag = 0;

    for (uint32_t at = 0; at < block_bytes; at += step) {
        uint64_t stamp[2];
        memcpy(stamp, block + at, sizeof stamp);
        if (stamp[1] != (offset_bytes + at) / step)
            return HISTORY_ASTRAY;
        if (at > 0 && stamp[0] != tag)
            return HISTORY_TORN;
        tag = stamp[0];
    }
    return tag;
}

#endif
