#include "controller/config/table.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "controller/config/config_layout.h"
#include "controller/config/refusal.h"
#include "controller/recovery/rebuild.h"
#include "shm/mapping.h"
#include "shm/member_states.h"

static void enter_element(const struct segment *segment, uint32_t index,
                          const struct config_element *wanted, const struct element *file)
{
    struct element_record *record = segment_element(segment, index);

    owner_enter(&record->owner, wanted->controller, SEAT_EPOCH_FIRST);
    /* relaxed: no controller has started yet. */
    store_relaxed(&record->size_bytes, file->size_bytes);
    record->configured_owner = wanted->controller;
    store_relaxed(&record->tail_bytes, file->tail_bytes); /* relaxed: as above */
    store_relaxed(&record->mark_byte, file->mark_byte);   /* relaxed: as above */
    if (file->fd >= 0)                                    /* relaxed: as above */
        store_relaxed(&record->mark_holder, owner_holder(wanted->controller, SEAT_EPOCH_FIRST));
    uint32_t flags = (file->read_only ? ELEMENT_READ_ONLY : 0) |
                     (file->device ? ELEMENT_DEVICE : 0) |
                     (file->mode == ELEMENT_MODE_DIRECT ? ELEMENT_DIRECT : 0) |
                     (file->mode == ELEMENT_MODE_INLINE ? ELEMENT_INLINE : 0) |
                     (file->tail_bytes != 0 ? ELEMENT_SUPERBLOCK : 0) |
                     (wanted->checksums ? ELEMENT_CHECKSUMS : 0);
    store_relaxed(&record->flags, flags);              /* relaxed: as above */
    if (file->fd < 0)                                  /* the array starts without it */
        store_relaxed(&record->state, ELEMENT_FAILED); /* relaxed: as above */
    snprintf(record->name, sizeof record->name, "%s", wanted->name);
}

/* --- volumes --- */

static bool is_redundant_member(const struct config *config, const struct config_volume *volume)
{
    return volume->member_of != CONFIG_NONE &&
           layout_kind_redundant(config->volumes[volume->member_of].layout);
}

uint32_t table_volume_flags(const struct config *config, const struct config_volume *volume)
{
    return (volume->read_only ? VOLUME_READ_ONLY : 0u) | (volume->export ? VOLUME_EXPORTED : 0u) |
           (volume->rotational ? VOLUME_ROTATIONAL : 0u) |
           (is_redundant_member(config, volume) ? VOLUME_REDUNDANT_MEMBER : 0u);
}

void table_name_volume(const struct config *config, uint32_t index, struct volume_record *record)
{
    const struct config_volume *wanted = &config->volumes[index];

    /* relaxed: nobody else has it yet */
    store_relaxed(&record->flags, table_volume_flags(config, wanted));
    snprintf(record->name, sizeof record->name, "%s", wanted->name);
    if (wanted->description != NULL)
        snprintf(record->description, sizeof record->description, "%s", wanted->description);
}

struct volume_record table_virtual_record(const struct layout *layout, uint32_t members_first)
{
    return (struct volume_record){.size_bytes = layout->size_bytes,
                                  .element = ELEMENT_NONE,
                                  .layout = layout->kind,
                                  .members_first = members_first,
                                  .members_count = layout->members,
                                  .copies = layout->copies,
                                  .chunk_bytes = layout->chunk_bytes};
}

static int enter_volume(const struct segment *segment, const struct config *config, uint32_t index,
                        struct volume_record *record, struct config_error *ret_error)
{
    table_name_volume(config, index, record);
    if (mapping_add_volume(segment, index, record) != 0)
        return refuse_volume(config, index, -EINVAL, ret_error,
                             "duplicate name; allowed: each name once");
    return 0;
}

static int enter_plain(const struct segment *segment, const struct config *config,
                       const struct images *images, uint32_t index, struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[index];
    const struct element *file = &images->elements[wanted->element];

    if (wanted->offset_bytes >= file->size_bytes ||
        wanted->size_bytes > file->size_bytes - wanted->offset_bytes)
        return refuse_volume(
            config, index, -EINVAL, ret_error,
            "ends behind element %s, which has %llu bytes; allowed: a range inside it",
            config->elements[wanted->element].name, (unsigned long long)file->size_bytes);
    struct volume_record record = {.offset_bytes = wanted->offset_bytes,
                                   .size_bytes = config_volume_bytes(wanted, file->size_bytes),
                                   .element = wanted->element};
    return enter_volume(segment, config, index, &record, ret_error);
}

static void enter_members(const struct segment *segment, const struct config_volume *wanted,
                          const uint64_t *member_bytes, uint32_t first)
{
    for (uint32_t i = 0; i < wanted->members_count; i++) {
        struct member_record *record = segment_member(segment, first + i);

        record->volume = wanted->members[i];
        record->size_bytes = member_bytes[i];
    }
}

/* What the superblocks said: which members are stale from the beginning. Nothing is written to a
 * volume that is read-only, so none of its members becomes stale. */
static void enter_standing(struct volume_record *record, const struct config_volume *wanted,
                           const struct standing *standing, uint64_t doubtful)
{
    if (!layout_kind_redundant(wanted->layout))
        return;
    record->marked = !wanted->read_only;
    store_relaxed(&record->resync_regions, doubtful); /* relaxed: no controller has started */
    bool resumed = standing->rebuilding != 0 && !wanted->read_only;
    member_states_start(
        record, &(struct member_standing){.run = standing->run,
                                          .failed = standing->stale,
                                          .rebuilding = resumed ? standing->rebuilding : 0,
                                          .rebuilt_bytes = resumed ? standing->rebuilt_bytes : 0});
    if (!resumed)
        return;
    /* relaxed: no controller has started yet */
    store_relaxed(&record->job.kind, JOB_KIND_REBUILD);
    store_relaxed(&record->job.state, JOB_WAITING);
    store_relaxed(&record->job.phase, REBUILD_PHASE_RESUMED); /* relaxed: as above */
}

/* All plain volumes have been entered. */
static int enter_virtual(const struct segment *segment, const struct config *config,
                         const struct images *images, uint32_t index, uint32_t members_first,
                         struct config_error *ret_error)
{
    const struct config_volume *wanted = &config->volumes[index];
    uint64_t member_bytes[MEMBERS_MAX], starts[MEMBERS_MAX + 1];
    struct layout layout;

    for (uint32_t i = 0; i < wanted->members_count; i++)
        member_bytes[i] = segment_volume(segment, wanted->members[i])->size_bytes;
    int error = config_layout_of(config, index, member_bytes, &layout, starts, ret_error);
    if (error != 0)
        return error;
    struct volume_record record = table_virtual_record(&layout, members_first);
    enter_standing(&record, wanted, &images->standings[index], images->doubtful[index]);
    if (wanted->description == NULL)
        config_layout_describe(&layout, record.description);
    enter_members(segment, wanted, member_bytes, members_first);
    return enter_volume(segment, config, index, &record, ret_error);
}

uint32_t table_members_count(const struct config *config)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < config->volumes_count; i++)
        count += config->volumes[i].members_count;
    return count;
}

int table_fill(const struct segment *segment, const struct config *config,
               const struct images *images, struct config_error *ret_error)
{
    uint32_t members = 0;
    int error = 0;

    assert(segment->geometry.volumes >= config->volumes_count);
    for (uint32_t i = 0; i < config->elements_count; i++)
        enter_element(segment, i, &config->elements[i], &images->elements[i]);
    for (uint32_t i = 0; i < config->volumes_count && error == 0; i++) {
        if (config->volumes[i].layout == LAYOUT_NONE)
            error = enter_plain(segment, config, images, i, ret_error);
    }
    for (uint32_t i = 0; i < config->volumes_count && error == 0; i++) {
        if (config->volumes[i].layout == LAYOUT_NONE)
            continue;
        error = enter_virtual(segment, config, images, i, members, ret_error);
        members += config->volumes[i].members_count;
    }
    return error;
}
