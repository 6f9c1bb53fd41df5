/*
 * The exports of the array, as the handshake asks for them: the mapping table's exported volumes.
 */
#ifndef HOSTIF_CATALOG_H
#define HOSTIF_CATALOG_H

#include "hostif/negotiate.h"
#include "shm/segment.h"

/* The segment stays the caller's and outlives the catalog. The default export (the empty name) is
 * the only exported volume; with several there is none, rather than a guess. */
void catalog_init(struct export_catalog *ret_catalog, struct segment *segment);

#endif
