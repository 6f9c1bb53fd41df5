/*
 * The rules of virtual volumes: which fields a volume may have, and who may be a member of
 * what.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_VIRTUAL_H
#define CONTROLLER_CONFIG_CONFIG_VIRTUAL_H

#include "controller/config/config.h"
#include "controller/config/config_names.h"
#include "controller/config/config_reading.h"

/* Whether the fields of volume `index` go together: those of a plain volume, or those of a virtual
 * one. 0 or -EINVAL. */
int config_virtual_check_fields(const struct config_reading *reading, const struct raw_volume *raw,
                                uint32_t index);

/* Finds the members of all virtual volumes and fills in what follows from them, in the virtual
 * volumes and in their members; `names` are those of all volumes, sorted, and all other fields are
 * filled in. What depends on the members' sizes is left to config_layout_of (config_layout.h). 0,
 * -EINVAL or -ENOMEM (what was allocated belongs to `config`). */
int config_virtual_resolve(const struct config_reading *reading, const struct raw_config *raw,
                           const struct config_name *names, struct config *config);

#endif
