/*
 * From what libcyaml loaded to a checked configuration: defaults, resolved paths, and the rules
 * that relate one field to another.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_CHECK_H
#define CONTROLLER_CONFIG_CONFIG_CHECK_H

#include "controller/config/config.h"
#include "controller/config/config_reading.h"

/* Fills in `config`, which is zeroed but for its path and folder. Takes strings out of `raw`, so
 * that both can be freed whatever the result. 0, -EINVAL or -ENOMEM. */
int config_check(const struct config_reading *reading, struct raw_config *raw,
                 struct config *config);

#endif
