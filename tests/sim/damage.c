#include "tests/sim/damage.h"

enum { BYTES_CHANGED_MAX = 8 };

static void change_byte(struct world *world, const struct sim_volume *volume, uint32_t member)
{
    struct image *image = world->image_of[volume->member_element[member]];
    uint64_t at =
        volume->member_offset[member] + dice_below(&world->dice, volume->layout.member_bytes);

    sim_note(world, "%s: a byte of member %u changes, at %llu of disk%u", volume->name, member,
             (unsigned long long)at, volume->member_element[member]);
    image->seen[at] ^= (uint8_t)dice_between(&world->dice, 1, 255);
}

/* In regions that are in doubt checksums are not known (ARCHITECTURE.md, Write intents). */
static bool may_be_damaged(const struct world *world, const struct sim_volume *volume,
                           uint32_t member)
{
    return layout_kind_redundant(volume->kind) && volume->failed_before == 0 &&
           world->opened.doubtful[volume->index] == 0 &&
           world->config->elements[volume->member_element[member]].checksums;
}

void damage_some(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        const struct sim_volume *volume = &world->volumes[i];
        uint32_t member = (uint32_t)dice_below(&world->dice, volume->members);
        uint64_t bytes = dice_between(&world->dice, 1, BYTES_CHANGED_MAX);
        if (!may_be_damaged(world, volume, member))
            continue;
        while (bytes-- > 0)
            change_byte(world, volume, member);
    }
}
