/*
 * The text before YAML is read in it.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_TEXT_H
#define CONTROLLER_CONFIG_CONFIG_TEXT_H

#include "controller/config/config_reading.h"

/* Refuses what is no plain UTF-8 text, and YAML directives. 0 or -EINVAL. */
int config_text_check(const struct config_reading *reading);

#endif
