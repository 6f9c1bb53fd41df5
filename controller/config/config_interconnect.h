/*
 * The interconnect's settings: which belong to which model, and what is not said.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_INTERCONNECT_H
#define CONTROLLER_CONFIG_CONFIG_INTERCONNECT_H

#include "controller/config/config_reading.h"

/* Fills config->interconnect. 0, or -EINVAL with the error worded. */
int config_interconnect(const struct config_reading *reading, const struct raw_interconnect *raw,
                        struct config *config);

#endif
