/*
 * The configuration of a running array, as it is now, as text: what is dumped, and what stands in
 * the run-dir for a configuration controller that takes the place of one that has died.
 */
#ifndef CONTROLLER_CONFIG_SAVED_H
#define CONTROLLER_CONFIG_SAVED_H

#include "controller/config/config.h"

struct configurator;
struct array_sockets;

/* With the images that came later, in the place of those that the array was started with. *ret_text
 * is allocated, the caller's to free. 0 or -errno. */
int saved_text(const struct configurator *configurator, char **ret_text);

/* Writes it to the run-dir, whole or not at all; says on stderr what went wrong. */
void saved_write(const struct configurator *configurator);

/* Takes it away. */
void saved_remove(const struct array_sockets *sockets);

/* What stands in the run-dir of `named`, which is a configuration of the same array. 0 with the
 * configuration, the caller's; or -errno and *ret_error. */
int saved_load(const struct config *named, struct config **ret_config,
               struct config_error *ret_error);

#endif
