/*
 * One reading of a configuration: the text, where each field stands in it, and the message when it
 * is refused.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_READING_H
#define CONTROLLER_CONFIG_CONFIG_READING_H

#include <stddef.h>
#include <stdint.h>

#include "controller/config/config_schema.h"

/* Where one mapping and its fields stand. A line of 0: the field was not given. */
struct config_place {
    unsigned line;
    unsigned field[CONFIG_FIELDS_MAX];
};

struct config_places {
    struct config_place *place; /* owned by the reading */
    uint32_t count;
    uint32_t room;
};

struct config_reading {
    const char *path; /* named in messages; the caller's */
    const char *text; /* the caller's; not terminated */
    size_t text_bytes;
    struct config_places parts[CONFIG_PARTS];
    struct config_error *error; /* where a refusal is worded; the caller's */
};

/* One field of one mapping: index counts the entries of a list, and is 0 elsewhere. */
struct config_field_ref {
    enum config_part part;
    uint32_t index;
    unsigned field;
};

/* A further mapping of this part was met. 0 or -ENOMEM; *ret_index is its place. */
int config_reading_add(struct config_reading *reading, enum config_part part, unsigned line,
                       uint32_t *ret_index);
void config_reading_done(struct config_reading *reading);

/* The line of a field; 0 when it was not given. */
unsigned config_line(const struct config_reading *reading, enum config_part part, uint32_t index,
                     unsigned field);

enum { FIELD_NAME_BYTES = 96 };
/* "elements[3].size". A NULL key names the mapping itself: "elements[3]". */
void config_field_name(enum config_part part, uint32_t index, const char *key,
                       char ret_name[FIELD_NAME_BYTES]);

/* Both word the error and return -EINVAL, so that a check can end with them. Line 0: no line. */
int config_refuse_at(const struct config_reading *reading, unsigned line, const char *field,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The line is the field's, or its mapping's when the field was not given. */
int config_refuse(const struct config_reading *reading, struct config_field_ref where,
                  const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
