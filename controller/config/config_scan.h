/*
 * The scan: the events of the YAML text against the schema, before libcyaml loads it.
 *
 * libcyaml's own messages say neither line nor field, and it would follow aliases. After a scan
 * that returned 0:
 *   1. the text is one document without aliases, anchors, tags or nulls;
 *   2. each field is known, stands once in its mapping, and has the type and form its rule says;
 *   3. each required field is there;
 *   4. the line of each mapping and each field is recorded in the reading.
 * So libcyaml fails afterwards only when memory is short.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_SCAN_H
#define CONTROLLER_CONFIG_CONFIG_SCAN_H

#include "controller/config/config_reading.h"

/* 0, -EINVAL or -ENOMEM. */
int config_scan(struct config_reading *reading);

#endif
