/*
 * A configuration as text: the way back from config_parse.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_DUMP_H
#define CONTROLLER_CONFIG_CONFIG_DUMP_H

#include <stdio.h>

#include "controller/config/config.h"

/* What is to be written. */
struct config_dump_wanted {
    const char *folder;            /* absolute: what relative paths are relative to */
    const uint64_t *element_bytes; /* of elements that say no size; NULL: they say none here */
    uint32_t omit;                 /* a volume that is left out; CONFIG_NONE: none is */
    const char *append;            /* an entry of volumes, as YAML on one line; NULL: none */
};

/* Writes `config` as YAML that config_parse reads as the same configuration, wherever the text is
 * put: every path in it is absolute. Every setting is there, also where it is the default; of
 * elements and volumes what was said; and of a rebuild's rate, because there is no word for that
 * there is none. *ret_text is allocated, the caller's to free. 0 or -ENOMEM.
 *
 * What config_parse lets nobody say may get in by way of `folder` alone (it is no UTF-8, or too
 * long): who must be sure parses the text. */
int config_dump(const struct config *config, const struct config_dump_wanted *wanted,
                char **ret_text);

/* Writes `text` in double quotes, with what YAML wants escaped. UTF-8; an error is the stream's. */
void config_dump_quoted(FILE *out, const char *text);

#endif
