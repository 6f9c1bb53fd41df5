/*
 * What stands on the images of redundant volumes: copies are equal, and parity is that of the data,
 * wherever no sector is open and no member is stale. Computed here in another way than the program
 * does.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "tests/sim/judge.h"

static const uint8_t *sector_of(const struct world *world, const struct sim_volume *volume,
                                uint32_t member, uint64_t member_offset_bytes)
{
    const struct image *image = &world->images[volume->member_element[member]];
    uint64_t at = volume->member_offset[member] + member_offset_bytes;

    assert(at + IMAGE_SECTOR_BYTES <= image->bytes);
    return image->seen + at;
}

static bool is_stale(const struct sim_volume *volume, uint32_t member)
{
    return (volume->failed_before >> member & 1) != 0;
}

/* --- copies --- */

/* Members [first, first + copies) hold the same at this place. */
static void judge_set(struct world *world, const struct sim_volume *volume, uint32_t first,
                      uint64_t member_offset_bytes, uint32_t sector)
{
    const uint8_t *one = NULL;

    for (uint32_t i = first; i < first + volume->layout.copies; i++) {
        if (is_stale(volume, i))
            continue;
        const uint8_t *other = sector_of(world, volume, i, member_offset_bytes);
        if (one != NULL && memcmp(one, other, IMAGE_SECTOR_BYTES) != 0)
            sim_fail(world, "%s: the copies of sector %u differ when life %u begins", volume->name,
                     sector, world->life);
        one = other;
    }
}

static void judge_mirrored(struct world *world, const struct sim_volume *volume)
{
    const struct layout *layout = &volume->layout;

    for (uint32_t sector = 0; sector < volume->sectors && !world->failed; sector++) {
        uint64_t at = sector * (uint64_t)IMAGE_SECTOR_BYTES, chunk = 0, within = at;
        if (judge_is_open(volume, sector))
            continue;
        if (layout->chunk_bytes != 0) {
            chunk = at / layout->chunk_bytes;
            within = chunk / layout->columns * layout->chunk_bytes + at % layout->chunk_bytes;
        }
        judge_set(world, volume, (uint32_t)(chunk % layout->columns) * layout->copies, within,
                  sector);
    }
}

/* --- parity --- */

static uint8_t doubled(uint8_t byte)
{
    return (uint8_t)(byte << 1 ^ (byte >> 7 ? 0x1d : 0));
}

/* By Horner's rule: the last column is the highest power. */
static void compute(const struct world *world, const struct sim_volume *volume, uint64_t row,
                    uint64_t at_bytes, uint8_t *ret_p, uint8_t *ret_q)
{
    memset(ret_p, 0, IMAGE_SECTOR_BYTES);
    memset(ret_q, 0, IMAGE_SECTOR_BYTES);
    for (uint32_t column = volume->layout.columns; column-- > 0;) {
        const uint8_t *data =
            sector_of(world, volume, layout_data_member(&volume->layout, row, column), at_bytes);
        for (uint32_t i = 0; i < IMAGE_SECTOR_BYTES; i++) {
            ret_p[i] ^= data[i];
            ret_q[i] = doubled(ret_q[i]) ^ data[i];
        }
    }
}

static bool place_is_judged(const struct sim_volume *volume, uint64_t row, uint64_t at_bytes)
{
    const struct layout *layout = &volume->layout;

    for (uint32_t column = 0; column < layout->columns; column++) {
        uint64_t bytes =
            (row * layout->columns + column) * layout->chunk_bytes + at_bytes % layout->chunk_bytes;
        if (is_stale(volume, layout_data_member(layout, row, column)) ||
            judge_is_open(volume, (uint32_t)(bytes / IMAGE_SECTOR_BYTES)))
            return false;
    }
    return true;
}

static void judge_place(struct world *world, const struct sim_volume *volume, uint64_t at_bytes)
{
    const struct layout *layout = &volume->layout;
    uint64_t row = at_bytes / layout->chunk_bytes;
    uint32_t p_member = layout_p_member(layout, row), q_member = layout_q_member(layout, row);
    uint8_t p[IMAGE_SECTOR_BYTES], q[IMAGE_SECTOR_BYTES];

    if (!place_is_judged(volume, row, at_bytes))
        return;
    compute(world, volume, row, at_bytes, p, q);
    bool wrong = !is_stale(volume, p_member) &&
                 memcmp(p, sector_of(world, volume, p_member, at_bytes), sizeof p) != 0;
    if (layout->parities > 1 && !is_stale(volume, q_member))
        wrong = wrong || memcmp(q, sector_of(world, volume, q_member, at_bytes), sizeof q) != 0;
    if (wrong)
        sim_fail(world, "%s: parity at byte %llu of the members is wrong when life %u begins",
                 volume->name, (unsigned long long)at_bytes, world->life);
}

void judge_copies(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count && !world->failed; i++) {
        const struct sim_volume *volume = &world->volumes[i];
        if (!layout_kind_redundant(volume->kind))
            continue;
        if (volume->layout.parities == 0) {
            judge_mirrored(world, volume);
            continue;
        }
        for (uint64_t at = 0; at < volume->layout.member_bytes && !world->failed;
             at += IMAGE_SECTOR_BYTES)
            judge_place(world, volume, at);
    }
}
