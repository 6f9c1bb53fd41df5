/*
 * Names, sorted: that none is given twice, and which entry a name is that of. 100,000 of them are
 * compared and looked up without comparing each with each.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_NAMES_H
#define CONTROLLER_CONFIG_CONFIG_NAMES_H

#include <stdint.h>

#include "controller/config/config_reading.h"

struct config_name {
    const char *text; /* the configuration's */
    uint32_t index;   /* of the entry that has this name */
};

/* Sorts the names; they are those of `field` of the entries of `part`. 0, or -EINVAL when one is
 * given twice. */
int config_names_sort(const struct config_reading *reading, struct config_name *names,
                      uint32_t count, enum config_part part, unsigned field);

/* NULL: there is none. The names have been sorted. */
const struct config_name *config_names_find(const struct config_name *names, uint32_t count,
                                            const char *text);

#endif
