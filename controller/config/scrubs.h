/*
 * Scrubs, as the configuration controller sees to them: started when they are asked for, and
 * started again in another controller when the one that ran it has died.
 */
#ifndef CONTROLLER_CONFIG_SCRUBS_H
#define CONTROLLER_CONFIG_SCRUBS_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

/* Starts to compare the members of a volume, or to make them equal: 0, or -errno and *ret_why in
 * words. How far it is, and what it has found, stands in the volume's record. */
int scrub_start(struct configurator *configurator, uint32_t volume, bool repair,
                const char **ret_why);

/* Something has changed (a controller has died): scrubs that it ran are started again. */
void scrubs_look(struct configurator *configurator);

#endif
