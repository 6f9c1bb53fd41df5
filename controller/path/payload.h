/*
 * Where the bytes of a component command's payload lie: pure arithmetic.
 *
 * A component is one range on its element, but its bytes may stand in pieces in the payload of the
 * host command that it is a part of. On a stripe over three members, member 1 has
 *
 *      payload     |..|======|......|......|======|......|......|===.|
 *                     first                chunk                chunk, cut short
 *                     |<------ stride ---->|<------ stride ---->|
 *
 * The first piece may be shorter than a chunk at its beginning, the last at its end. With
 * chunk_bytes 0 all of it is one piece.
 */
#ifndef CONTROLLER_PATH_PAYLOAD_H
#define CONTROLLER_PATH_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shm/limits.h"

struct payload_shape {
    uint32_t first_bytes; /* of the first piece */
    uint32_t chunk_bytes; /* of those behind it; 0: there are none */
    uint32_t stride_bytes;
};

/* Where byte `at_bytes` of the component stands, from the payload's first byte on, and how many
 * follow in one piece. Before the beginning (negative: the rest of the first block) and behind the
 * end (of the last block) the piece goes on. */
static inline int64_t payload_place(const struct payload_shape *shape, int64_t at_bytes,
                                    uint64_t *ret_run_bytes)
{
    if (shape->chunk_bytes == 0) {
        *ret_run_bytes = UINT32_MAX;
        return at_bytes;
    }
    if (at_bytes < (int64_t)shape->first_bytes) {
        *ret_run_bytes = (uint64_t)((int64_t)shape->first_bytes - at_bytes);
        return at_bytes;
    }
    uint64_t behind = (uint64_t)at_bytes - shape->first_bytes;
    uint64_t chunk = behind / shape->chunk_bytes + 1, within = behind % shape->chunk_bytes;
    *ret_run_bytes = shape->chunk_bytes - within;
    return (int64_t)(chunk * shape->stride_bytes + shape->first_bytes - shape->chunk_bytes +
                     within);
}

/* Whether there are only zeroes in so many bytes (not 0). */
static inline bool payload_is_zero(const uint8_t *memory, uint64_t bytes)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, bytes - 1) == 0;
}

/* From the first byte to behind the last of a component of length_bytes (not 0). */
static inline uint64_t payload_span_bytes(const struct payload_shape *shape, uint64_t length_bytes)
{
    uint64_t run_bytes;

    return (uint64_t)payload_place(shape, (int64_t)length_bytes - 1, &run_bytes) + 1;
}

/* Where the payload is blocks that are named by their numbers, counted from one place in memory:
 * where byte `at_bytes` stands from there on. Neighbours in memory are one piece. */
static inline int64_t payload_block_place(const uint32_t *blocks, uint32_t count, uint64_t at_bytes,
                                          uint64_t *ret_run_bytes)
{
    uint32_t first = (uint32_t)(at_bytes / BLOCK_BYTES), last = first;

    while (last + 1 < count && blocks[last + 1] == blocks[last] + 1)
        last++;
    *ret_run_bytes = (uint64_t)(last + 1 - first) * BLOCK_BYTES - at_bytes % BLOCK_BYTES;
    return (int64_t)((uint64_t)blocks[first] * BLOCK_BYTES + at_bytes % BLOCK_BYTES);
}

/* Whether a shape that another process named makes sense for a payload that begins `lead_bytes`
 * behind the beginning of a block: pieces apart, and whole blocks where they meet. */
static inline bool payload_shape_valid(const struct payload_shape *shape, uint64_t lead_bytes)
{
    if (shape->chunk_bytes == 0)
        return shape->first_bytes == 0 && shape->stride_bytes == 0;
    return shape->chunk_bytes % BLOCK_BYTES == 0 && shape->chunk_bytes <= CHUNK_BYTES_MAX &&
           shape->stride_bytes % BLOCK_BYTES == 0 && shape->stride_bytes >= shape->chunk_bytes &&
           shape->first_bytes >= 1 && shape->first_bytes <= shape->chunk_bytes &&
           (lead_bytes + shape->first_bytes) % BLOCK_BYTES == 0;
}

#endif
