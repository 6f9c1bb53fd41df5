/*
 * A configuration with one volume more, or one less (claim 10). The change is read and checked as a
 * part of the whole, as if it had stood in the file: same rules, same words.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_CHANGE_H
#define CONTROLLER_CONFIG_CONFIG_CHANGE_H

#include "controller/config/config.h"

/* `entry` is one entry of volumes, as YAML on one line; `element_bytes` the sizes that the elements
 * have. The new volume is the last one of *ret_config, which the caller frees; all others keep
 * their numbers. 0, -EINVAL or -ENOMEM; then *ret_error says why, without lines, for there is no
 * file. */
int config_with_volume(const struct config *config, const uint64_t *element_bytes,
                       const char *entry, struct config **ret_config,
                       struct config_error *ret_error);

/* The same without volume `index`, which is no member: those behind it move up by one. */
int config_without_volume(const struct config *config, const uint64_t *element_bytes,
                          uint32_t index, struct config **ret_config,
                          struct config_error *ret_error);

/* Takes out of a message where it says in which file and line something stands. */
void config_error_without_lines(struct config_error *error);

#endif
