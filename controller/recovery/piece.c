#include "controller/recovery/piece.h"

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t piece_bytes(const struct layout *layout, uint64_t position_bytes)
{
    uint64_t bytes = least(JOB_PIECE_BYTES, layout->member_bytes - position_bytes);

    if (layout->chunk_bytes != 0)
        bytes = least(bytes, layout->chunk_bytes - position_bytes % layout->chunk_bytes);
    return bytes;
}

uint64_t piece_offset(const struct layout *layout, uint64_t position_bytes, uint32_t column)
{
    if (layout->chunk_bytes == 0)
        return position_bytes;
    uint64_t chunk = position_bytes / layout->chunk_bytes * layout->columns + column;
    return chunk * layout->chunk_bytes + position_bytes % layout->chunk_bytes;
}
