/*
 * What a configuration's virtual volume makes of its members.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_LAYOUT_H
#define CONTROLLER_CONFIG_CONFIG_LAYOUT_H

#include "controller/config/config.h"
#include "shm/limits.h"

/* The layout of a virtual volume whose members have these sizes (the caller's, not kept). `starts`
 * as layout_init says: room for MEMBERS_MAX + 1, lives as long as the layout. LAYOUT_FINE; or what
 * is wrong, and *ret_text says it, and what is allowed. */
enum { CONFIG_LAYOUT_TEXT_BYTES = LAYOUT_TEXT_BYTES + 64 };
enum layout_fault config_layout_make(const struct config_volume *volume,
                                     const uint64_t *member_bytes, struct layout *ret_layout,
                                     uint64_t *starts, char ret_text[CONFIG_LAYOUT_TEXT_BYTES]);

/* The same of volumes[index], once sizes are known. 0, or -EINVAL and *ret_error names file, line
 * and field. member_bytes become what is used of the members. */
int config_layout_of(const struct config *config, uint32_t index, uint64_t *member_bytes,
                     struct layout *ret_layout, uint64_t *starts, struct config_error *ret_error);

/* "raid10 of 4 volumes, 2 copies, chunk 64KiB". */
void config_layout_describe(const struct layout *layout, char ret_text[DESCRIPTION_BYTES_MAX + 1]);

/* The size of a plain volume that begins on an element of this size. */
static inline uint64_t config_volume_bytes(const struct config_volume *volume,
                                           uint64_t element_bytes)
{
    return volume->size_bytes != 0 ? volume->size_bytes : element_bytes - volume->offset_bytes;
}

#endif
