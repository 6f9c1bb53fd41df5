/*
 * A configuration as text: the way back from config_parse.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_DUMP_H
#define CONTROLLER_CONFIG_CONFIG_DUMP_H

#include <stdio.h>

#include "controller/config/config.h"

/* Writes `config` as YAML that config_parse reads as the same configuration, wherever the text is
 * put: every path in it is absolute, one that is not is resolved against `folder`, an absolute
 * path. Every setting is there, also where it is the default; of elements and volumes what was
 * said; and of a rebuild's rate, because there is no word for that there is none.
 * *ret_text is allocated, the caller's to free. 0 or -ENOMEM.
 *
 * What config_parse lets nobody say may get in by way of `folder` alone (it is no UTF-8, or too
 * long): who must be sure parses the text. */
int config_dump(const struct config *config, const char *folder, char **ret_text);

/* Writes `text` in double quotes, with what YAML wants escaped. UTF-8; an error is the stream's. */
void config_dump_quoted(FILE *out, const char *text);

#endif
