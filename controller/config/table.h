/*
 * From the configuration to the mapping table (claims 3, 6, 8 and 10), before any controller
 * starts.
 */
#ifndef CONTROLLER_CONFIG_TABLE_H
#define CONTROLLER_CONFIG_TABLE_H

#include "controller/config/config.h"
#include "controller/config/images.h"
#include "shm/segment.h"

/* How many member records the virtual volumes of the configuration need. */
uint32_t table_members_count(const struct config *config);

/* enum volume_flags of a volume. */
uint32_t table_volume_flags(const struct config *config, const struct config_volume *volume);

/* Fills in what plain and virtual volumes have in common; the rest of the record is what it was,
 * also the description where none was said. */
void table_name_volume(const struct config *config, uint32_t index, struct volume_record *record);

/* The record of a virtual volume; its members' begin with `members_first`. */
struct volume_record table_virtual_record(const struct layout *layout, uint32_t members_first);

/* Enters all elements, volumes and members. `images` are those of the
 * configuration, open; the segment was made for as many of each. 0, or -errno and *ret_error says
 * in words what was wrong. */
int table_fill(const struct segment *segment, const struct config *config,
               const struct images *images, struct config_error *ret_error);

#endif
