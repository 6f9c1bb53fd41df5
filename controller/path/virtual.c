#include "controller/path/virtual.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/controller.h"
#include "controller/volume_state.h"

/* A copy that this controller has itself is read by no detour; else the controllers take different
 * ones, so that all disks work. */
static void prefer_copies(const struct controller *controller, struct virtual_volume *virtual)
{
    const struct segment *segment = &controller->segment;
    const struct layout *layout = &virtual->layout;

    for (uint32_t member = 0; member < layout->members; member++)
        virtual->preferred_copy[member / layout->copies] = (uint8_t)(controller->id %
                                                                     layout->copies);
    for (uint32_t member = layout->members; member-- > 0;) {
        struct mapping_place place;
        if (mapping_resolve(segment, virtual->members[member].volume, 0, 0, &place) == 0 &&
            place.owner == controller->id)
            virtual->preferred_copy[member / layout->copies] = (uint8_t)(member % layout->copies);
    }
}

static uint64_t tag_of(const struct controller *controller, const struct virtual_volume *virtual)
{
    const struct volume_record *record = virtual->record;
    uint64_t tag = journal_tag_volume(record->name, record->layout, record->chunk_bytes,
                                      record->members_count);

    for (uint32_t i = 0; i < record->members_count; i++) {
        const struct volume_record *member =
            segment_volume(&controller->segment, virtual->members[i].volume);
        tag = journal_tag_member(tag, segment_element(&controller->segment, member->element)->name,
                                 member->offset_bytes);
    }
    return tag;
}

static int virtual_init(const struct controller *controller, struct virtual_volume *virtual,
                        uint32_t volume)
{
    const struct segment *segment = &controller->segment;
    struct mapping_members members;
    uint64_t sizes[MEMBERS_MAX];
    int error = mapping_members(segment, volume, &members);

    if (error != 0)
        return error;
    for (uint32_t i = 0; i < members.count; i++)
        sizes[i] = members.records[i].size_bytes;
    const struct layout_wanted wanted = {.kind = (enum layout_kind)members.layout,
                                         .members = members.count,
                                         .copies = members.copies,
                                         .chunk_bytes = members.chunk_bytes,
                                         .member_bytes = sizes};
    virtual->volume = volume;
    virtual->record = segment_volume(segment, volume);
    virtual->members = members.records;
    if (members.layout >= LAYOUT_KINDS ||
        layout_init(&virtual->layout, &wanted, virtual->starts) != 0 ||
        virtual->layout.size_bytes != virtual->record->size_bytes)
        return -EPROTO;
    virtual->journal_tag = tag_of(controller, virtual);
    prefer_copies(controller, virtual);
    return 0;
}

int virtuals_new(struct controller *controller)
{
    const struct segment *segment = &controller->segment;
    int error = 0;

    controller->virtuals = calloc(segment->geometry.volumes + 1u, sizeof *controller->virtuals);
    if (controller->virtuals == NULL)
        return -ENOMEM;
    for (uint32_t volume = 0; volume < mapping_volumes_end(segment) && error == 0; volume++) {
        if (mapping_has_volume(segment, volume) && mapping_is_virtual(segment, volume))
            error = virtual_add(controller, volume);
    }
    return error;
}

int virtual_add(struct controller *controller, uint32_t volume)
{
    assert(controller->virtuals[volume] == NULL);
    struct virtual_volume *virtual = calloc(1, sizeof *virtual);
    int error = virtual == NULL ? -ENOMEM : virtual_init(controller, virtual, volume);

    if (error != 0)
        free(virtual);
    else
        controller->virtuals[volume] = virtual;
    return error;
}

void virtual_drop(struct controller *controller, uint32_t volume)
{
    free(controller->virtuals[volume]);
    controller->virtuals[volume] = NULL;
}

void virtuals_free(struct controller *controller)
{
    for (uint32_t i = 0; controller->virtuals != NULL && i < controller->segment.geometry.volumes;
         i++)
        free(controller->virtuals[i]);
    free(controller->virtuals);
    controller->virtuals = NULL;
}

const struct virtual_volume *virtual_find(const struct controller *controller, uint32_t volume)
{
    return volume < controller->segment.geometry.volumes ? controller->virtuals[volume] : NULL;
}

bool virtual_bears(const struct layout *layout, uint32_t failed)
{
    return volume_state_of_layout(layout, failed) != VOLUME_FAILED;
}

static void say(const struct controller *controller, const struct virtual_volume *virtual,
                uint32_t members, const char *what)
{
    for (uint32_t i = 0; i < virtual->layout.members; i++) {
        if ((members >> i & 1) == 0)
            continue;
        const struct volume_record *member =
            segment_volume(&controller->segment, virtual->members[i].volume);
        fprintf(stderr, "anyport: c%u: volume %s: member %s %s\n", controller->id,
                virtual->record->name, member->name, what);
    }
}

bool virtual_fail(struct controller *controller, const struct virtual_volume *virtual,
                  uint32_t members)
{
    struct member_states old = member_states_now(virtual->record), next;
    bool bears;

    do {
        bears = virtual_bears(&virtual->layout, old.failed | members);
        next = (struct member_states){.failed = bears ? old.failed | members : old.failed,
                                      .rebuilding = old.rebuilding & ~members};
        if (next.failed == old.failed && next.rebuilding == old.rebuilding)
            return bears;
    } while (!member_states_swap(virtual->record, &old, next));
    say(controller, virtual, next.failed & ~old.failed, "failed; the volume is degraded");
    if (next.failed != old.failed)
        tracing_volume(controller, TRACE_MEMBERS_FAILED, virtual->volume,
                       next.failed & ~old.failed);
    say(controller, virtual, old.rebuilding & ~next.rebuilding, "failed while it was rebuilt");
    return bears;
}

void virtual_doubt(struct controller *controller, const struct virtual_volume *virtual)
{
    if (!layout_kind_redundant(virtual->layout.kind))
        return;
    add_relaxed(&virtual->record->resync_regions, 1); /* relaxed: says nothing of other memory */
    loop_doorbell_ring(controller->loop, controller->notice_fd);
}
