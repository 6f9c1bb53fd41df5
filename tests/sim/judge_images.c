/*
 * What stands on the images of redundant volumes: copies are equal, and parity is that of the data,
 * wherever no sector is open (judge.h) and no member is stale. Computed here in another way than
 * the program does.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "controller/volume_state.h"
#include "tests/sim/judge.h"
#include "tests/sim/machine.h"

static const uint8_t *sector_of(const struct world *world, const struct sim_volume *volume,
                                uint32_t member, uint64_t member_offset_bytes)
{
    const struct image *image = world->image_of[volume->member_element[member]];
    uint64_t at = volume->member_offset[member] + member_offset_bytes;

    assert(at + IMAGE_SECTOR_BYTES <= image->bytes);
    return image->seen + at;
}

static bool is_stale(const struct sim_volume *volume, uint32_t member)
{
    return (volume->failed_before >> member & 1) != 0;
}

/* --- copies --- */

/* Where members differ, a write was under way when everything ended, and the start has been told so
 * by the intents (controller/integrity/intents.h); and nowhere else may they. */
static void differs(struct world *world, const struct sim_volume *volume, bool may_differ,
                    const char *what, uint64_t where)
{
    if (world->settled)
        sim_fail(world, "%s: %s at %llu differ, and nobody is left who is writing there",
                 volume->name, what, (unsigned long long)where);
    else if (world->opened.covered[volume->index] && !volume->lost_once)
        sim_fail(world, "%s: %s at %llu differ when life %u begins, and there is a journal",
                 volume->name, what, (unsigned long long)where, world->life);
    else if (!may_differ)
        sim_fail(world, "%s: %s at %llu differ when life %u begins", volume->name, what,
                 (unsigned long long)where, world->life);
    else if (world->opened.doubtful[volume->index] == 0)
        sim_fail(world, "%s: %s at %llu differ when life %u begins, and no intent says so",
                 volume->name, what, (unsigned long long)where, world->life);
}

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
            differs(world, volume, judge_is_open(volume, sector), "the copies of a sector", sector);
        one = other;
    }
}

static void judge_mirrored(struct world *world, const struct sim_volume *volume)
{
    const struct layout *layout = &volume->layout;

    for (uint32_t sector = 0; sector < volume->sectors && !world->failed; sector++) {
        uint64_t at = sector * (uint64_t)IMAGE_SECTOR_BYTES, chunk = 0, within = at;
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

static bool data_is_stale(const struct sim_volume *volume, uint64_t row)
{
    for (uint32_t column = 0; column < volume->layout.columns; column++) {
        if (is_stale(volume, layout_data_member(&volume->layout, row, column)))
            return true;
    }
    return false;
}

/* Of one place all columns are open, or none (judge.c). */
static bool place_is_open(const struct sim_volume *volume, uint64_t row, uint64_t at_bytes)
{
    const struct layout *layout = &volume->layout;
    uint64_t bytes = row * layout->columns * layout->chunk_bytes + at_bytes % layout->chunk_bytes;

    return judge_is_open(volume, (uint32_t)(bytes / IMAGE_SECTOR_BYTES));
}

static void judge_place(struct world *world, const struct sim_volume *volume, uint64_t at_bytes)
{
    const struct layout *layout = &volume->layout;
    uint64_t row = at_bytes / layout->chunk_bytes;
    uint32_t p_member = layout_p_member(layout, row), q_member = layout_q_member(layout, row);
    uint8_t p[IMAGE_SECTOR_BYTES], q[IMAGE_SECTOR_BYTES];

    if (data_is_stale(volume, row))
        return;
    compute(world, volume, row, at_bytes, p, q);
    bool wrong = !is_stale(volume, p_member) &&
                 memcmp(p, sector_of(world, volume, p_member, at_bytes), sizeof p) != 0;
    if (layout->parities > 1 && !is_stale(volume, q_member))
        wrong = wrong || memcmp(q, sector_of(world, volume, q_member, at_bytes), sizeof q) != 0;
    if (wrong)
        differs(world, volume, place_is_open(volume, row, at_bytes), "data and parity", at_bytes);
}

static void judge_volume(struct world *world, const struct sim_volume *volume)
{
    if (volume->layout.parities == 0) {
        judge_mirrored(world, volume);
        return;
    }
    for (uint64_t at = 0; at < volume->layout.member_bytes && !world->failed;
         at += IMAGE_SECTOR_BYTES)
        judge_place(world, volume, at);
}

void judge_copies(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count && !world->failed; i++) {
        if (layout_kind_redundant(world->volumes[i].kind))
            judge_volume(world, &world->volumes[i]);
    }
}

/* --- while some are left --- */

/* Members that lack something, or may: also those that nobody has written to since. */
static uint32_t stale_now(const struct world *world, const struct sim_volume *volume)
{
    uint32_t stale = member_states_now(segment_volume(&world->segment, volume->index)).failed;

    for (uint32_t i = 0; i < volume->members; i++) {
        uint32_t element = volume->member_element[i];
        struct owner owner = owner_load(&segment_element(&world->segment, element)->owner);
        if (world->element_failed[element] || owner_is_gone(&world->segment, owner))
            stale |= 1u << i;
    }
    return stale;
}

static uint32_t out_of_reach(const struct sim_volume *volume)
{
    return volume->touched & ~(UINT32_MAX << volume->members);
}

void judge_settled(struct world *world)
{
    world->settled = true;
    for (uint32_t i = 0; i < world->volumes_count && !world->failed; i++) {
        struct sim_volume *volume = &world->volumes[i];
        if (!layout_kind_redundant(volume->kind))
            continue;
        uint32_t before = volume->failed_before;
        volume->failed_before = stale_now(world, volume);
        /* Members that were out of reach when it was to be done may be there again. */
        volume->finished =
            volume_state_of_layout(&volume->layout, volume->failed_before | out_of_reach(volume)) !=
            VOLUME_FAILED;
        if (volume->finished)
            judge_volume(world, volume);
        volume->failed_before = before;
    }
    world->settled = false;
}
