#include "controller/recovery/read_repair.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

/* --- what is wanted --- */

/* One whose element works: another one's reads all fail, and its rebuild is what it needs. */
static bool any_can_be_repaired(const struct controller *controller,
                                const struct virtual_volume *virtual, uint32_t members)
{
    for (uint32_t member = 0; member < virtual->layout.members; member++) {
        struct mapping_place place;
        if ((members >> member & 1) == 0 ||
            mapping_resolve(&controller->segment, virtual->members[member].volume, 0, 0, &place) !=
                0)
            continue;
        const struct element_record *element = segment_element(&controller->segment, place.element);
        /* relaxed: what it says too late is found out by the repair */
        if (load_relaxed(&element->state) == ELEMENT_ONLINE)
            return true;
    }
    return false;
}

/* Copies are compared only where writes to them are kept apart from it. */
static bool may_be_repaired(const struct controller *controller,
                            const struct virtual_volume *virtual)
{
    return layout_kind_redundant(virtual->layout.kind) && !controller->quiescing &&
           (mapping_volume_flags(virtual->record) & VOLUME_READ_ONLY) == 0 &&
           (virtual->layout.parities > 0 || controller->coordinate.policy != COORDINATION_NONE);
}

static bool is_in_line(const struct read_repairs *repairs, uint32_t volume, uint64_t offset_bytes,
                       uint64_t end_bytes)
{
    for (uint32_t i = 0; i < repairs->count; i++) {
        const struct read_repair *one = &repairs->line[(repairs->first + i) % READ_REPAIRS_MAX];
        if (one->volume == volume && one->offset_bytes <= offset_bytes &&
            end_bytes <= one->end_bytes)
            return true;
    }
    return false;
}

void read_repair_want(struct controller *controller, const struct command *command,
                      uint32_t members)
{
    struct read_repairs *repairs = &controller->read_repairs;
    const struct virtual_volume *virtual = command->virtual;
    uint64_t offset_bytes = command->offset_bytes / BLOCK_BYTES * BLOCK_BYTES;
    uint64_t end_bytes = command->offset_bytes + command->length_bytes;

    if (command->op != COMMAND_READ || repairs->count == READ_REPAIRS_MAX ||
        !may_be_repaired(controller, virtual) ||
        !any_can_be_repaired(controller, virtual, members) ||
        is_in_line(repairs, virtual->volume, offset_bytes, end_bytes))
        return;
    repairs->line[(repairs->first + repairs->count++) % READ_REPAIRS_MAX] = (struct read_repair){
        .volume = virtual->volume, .offset_bytes = offset_bytes, .end_bytes = end_bytes};
}

/* --- working on it --- */

static struct read_repair *first(struct read_repairs *repairs)
{
    return &repairs->line[repairs->first];
}

static void next_in_line(struct read_repairs *repairs)
{
    repairs->first = (repairs->first + 1) % READ_REPAIRS_MAX;
    repairs->count--;
    repairs->short_until_bytes = 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Of whole blocks, but for the volume's end: what lies beside what was asked for in its blocks is
 * as bad. */
static uint64_t piece_bytes_of(const struct read_repairs *repairs, const struct layout *layout,
                               const struct read_repair *one)
{
    uint64_t end = (one->end_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
    uint64_t bytes =
        least(least(end, layout->size_bytes) - one->offset_bytes,
              one->offset_bytes < repairs->short_until_bytes ? (uint64_t)BLOCK_BYTES
                                                             : split_scrub_bytes(layout));

    if (layout->chunk_bytes != 0)
        bytes = least(bytes, layout->chunk_bytes - one->offset_bytes % layout->chunk_bytes);
    return bytes;
}

/* The volume may have gone, and another one have its number. */
static const struct virtual_volume *volume_of(const struct controller *controller,
                                              const struct read_repair *one)
{
    const struct virtual_volume *virtual = virtual_find(controller, one->volume);

    if (virtual == NULL || !may_be_repaired(controller, virtual) ||
        one->offset_bytes >= least(one->end_bytes, virtual->layout.size_bytes))
        return NULL;
    return virtual;
}

void read_repairs_turn(struct controller *controller)
{
    struct read_repairs *repairs = &controller->read_repairs;
    const struct virtual_volume *virtual = NULL;

    if (repairs->errand.sent)
        return;
    while (repairs->count > 0 && (virtual = volume_of(controller, first(repairs))) == NULL)
        next_in_line(repairs);
    if (virtual == NULL)
        return;
    struct errand *errand = &repairs->errand;
    errand->op = COMMAND_SCRUB;
    errand->volume = virtual->volume;
    errand->members = UINT32_MAX;
    errand->offset_bytes = first(repairs)->offset_bytes;
    errand->length_bytes = piece_bytes_of(repairs, &virtual->layout, first(repairs));
    errand->payload_bytes = split_scrub_buffer_bytes(&virtual->layout, errand->length_bytes);
    errand_send(controller, errand);
}

static void repaired(struct errand *errand)
{
    struct controller *controller = errand->controller;
    struct read_repairs *repairs = &controller->read_repairs;

    if (errand->status == -EAGAIN) {
        repairs->short_until_bytes = errand->offset_bytes + errand->length_bytes;
        return;
    }
    if (errand->status == 0)
        count_up(&controller->counters->repaired, errand->count);
    first(repairs)->offset_bytes += errand->length_bytes;
}

void read_repairs_init(struct controller *controller)
{
    controller->read_repairs.errand.over = repaired;
}
