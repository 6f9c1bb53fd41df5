#include "hostif/catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/layout/layout.h"
#include "hostif/nbd_wire.h"
#include "shm/mapping.h"

static uint16_t transmission_flags(const struct volume_record *record)
{
    uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                     NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;
    uint32_t flags_now = mapping_volume_flags(record);

    if ((flags_now & VOLUME_READ_ONLY) != 0)
        flags |= NBD_FLAG_READ_ONLY;
    else
        flags |= NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES;
    /* Where members must agree, none may refuse what another does (controller/path/split.c). */
    if ((flags_now & VOLUME_READ_ONLY) == 0 && record->layout != LAYOUT_MIRROR &&
        record->layout != LAYOUT_RAID10 && record->layout != LAYOUT_RAID5 &&
        record->layout != LAYOUT_RAID6)
        flags |= NBD_FLAG_SEND_FAST_ZERO;
    if ((flags_now & VOLUME_ROTATIONAL) != 0)
        flags |= NBD_FLAG_ROTATIONAL;
    return flags;
}

static void describe(const struct segment *segment, uint32_t volume, struct export_info *ret_info)
{
    const struct volume_record *record = segment_volume(segment, volume);

    ret_info->size_bytes = record->size_bytes;
    ret_info->volume = volume;
    ret_info->transmission_flags = transmission_flags(record);
    snprintf(ret_info->name, sizeof ret_info->name, "%s", record->name);
    snprintf(ret_info->description, sizeof ret_info->description, "%s", record->description);
}

static bool is_exported(const struct segment *segment, uint64_t volume)
{
    return (mapping_volume_flags(segment_volume(segment, (uint32_t)volume)) & VOLUME_EXPORTED) != 0;
}

static int next_export(void *context, uint64_t *cursor, struct export_info *ret_info)
{
    const struct segment *segment = context;

    while (*cursor < mapping_volumes_end(segment)) {
        uint64_t volume = (*cursor)++;
        if (mapping_has_volume(segment, (uint32_t)volume) && is_exported(segment, volume)) {
            describe(segment, (uint32_t)volume, ret_info);
            return 0;
        }
    }
    return -ENOENT;
}

static int find_only_export(void *context, struct export_info *ret_info)
{
    struct export_info second;
    uint64_t cursor = 0;
    int error = next_export(context, &cursor, ret_info);

    if (error == 0 && next_export(context, &cursor, &second) == 0)
        error = -ENOENT;
    return error;
}

static int find_export(void *context, const char *name, size_t name_bytes,
                       struct export_info *ret_info)
{
    const struct segment *segment = context;
    uint32_t volume;

    if (name_bytes == 0)
        return find_only_export(context, ret_info);
    int error = mapping_find_volume(segment, name, name_bytes, &volume);
    if (error != 0)
        return error;
    if (!is_exported(segment, volume))
        return -ENOENT;
    describe(segment, volume, ret_info);
    return 0;
}

void catalog_init(struct export_catalog *ret_catalog, struct segment *segment)
{
    *ret_catalog =
        (struct export_catalog){.context = segment, .find = find_export, .next = next_export};
}
