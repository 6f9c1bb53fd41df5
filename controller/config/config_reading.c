#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_reading.h"
#include "controller/config/config_value.h"

/* A message must keep its end, where it says what is allowed: a long path gives up its beginning.
 */
enum { PATH_SHOWN_BYTES = 255, WHAT_BYTES = 640 };
_Static_assert(PATH_SHOWN_BYTES + FIELD_NAME_BYTES + WHAT_BYTES + 32 <=
                   sizeof(((struct config_error *)NULL)->text),
               "the parts of a message fit in it");

int config_reading_add(struct config_reading *reading, enum config_part part, unsigned line,
                       uint32_t *ret_index)
{
    struct config_places *places = &reading->parts[part];

    assert(part < CONFIG_PARTS && line > 0);
    if (places->count == places->room) {
        uint32_t room = places->room ? 2 * places->room : 4;
        struct config_place *grown = reallocarray(places->place, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        places->place = grown;
        places->room = room;
    }
    places->place[places->count] = (struct config_place){.line = line};
    *ret_index = places->count++;
    return 0;
}

void config_reading_done(struct config_reading *reading)
{
    for (unsigned part = 0; part < CONFIG_PARTS; part++) {
        free(reading->parts[part].place);
        reading->parts[part] = (struct config_places){0};
    }
}

unsigned config_line(const struct config_reading *reading, enum config_part part, uint32_t index,
                     unsigned field)
{
    const struct config_places *places = &reading->parts[part];

    assert(part < CONFIG_PARTS && field < CONFIG_FIELDS_MAX);
    return index < places->count ? places->place[index].field[field] : 0;
}

void config_field_name(enum config_part part, uint32_t index, const char *key,
                       char ret_name[FIELD_NAME_BYTES])
{
    const struct config_mapping *mapping = &config_mappings[part];
    const char *dot = key && part != PART_TOP ? "." : "";
    char shown[EXCERPT_BYTES] = "";

    if (key)
        config_excerpt(key, shown);
    if (mapping->listed)
        snprintf(ret_name, FIELD_NAME_BYTES, "%s[%u]%s%s", mapping->prefix, index, dot, shown);
    else
        snprintf(ret_name, FIELD_NAME_BYTES, "%s%s%s", mapping->prefix, dot, shown);
}

/* One line, whatever the file's name or the values in it hold. */
static void blank_controls(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static void word_error(const struct config_reading *reading, unsigned line, const char *field,
                       const char *format, va_list arguments)
{
    char what[WHAT_BYTES];
    char at[16] = "";
    size_t path_bytes = strlen(reading->path);
    bool cut = path_bytes > PATH_SHOWN_BYTES;

    vsnprintf(what, sizeof(what), format, arguments);
    if (line)
        snprintf(at, sizeof(at), ":%u", line);
    snprintf(reading->error->text, sizeof(reading->error->text), "%s%s%s: %s: %s", cut ? "..." : "",
             reading->path + (cut ? path_bytes - PATH_SHOWN_BYTES : 0), at, field, what);
    blank_controls(reading->error->text);
}

int config_refuse_at(const struct config_reading *reading, unsigned line, const char *field,
                     const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    word_error(reading, line, field, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

int config_refuse(const struct config_reading *reading, struct config_field_ref where,
                  const char *format, ...)
{
    const struct config_places *places = &reading->parts[where.part];
    unsigned line = config_line(reading, where.part, where.index, where.field);
    char name[FIELD_NAME_BYTES];
    va_list arguments;

    if (!line && where.index < places->count)
        line = places->place[where.index].line;
    config_field_name(where.part, where.index, config_mappings[where.part].fields[where.field].key,
                      name);
    va_start(arguments, format);
    word_error(reading, line, name, format, arguments);
    va_end(arguments);
    return -EINVAL;
}
