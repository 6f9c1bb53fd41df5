/*
 * Building JSON objects whose reader can do without a field.
 */
#ifndef TOOLS_JSON_SET_H
#define TOOLS_JSON_SET_H

#include <jansson.h>

/* Sets a field to `value`, which is the object's from now on; without memory (or with the value
 * NULL for want of it) the field is missing. */
static inline void json_set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

#endif
