/*
 * volume.create and volume.delete: what a client says of a volume becomes an entry of the
 * configuration, and is checked as such.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_dump.h"
#include "controller/config/volume_change.h"
#include "tools/admin_methods.h"

/* Of which type a parameter is. Its name is that of the field. */
static const struct {
    const char *name;
    json_type type; /* JSON_TRUE: true or false */
} fields[] = {
    {"name", JSON_STRING},  {"element", JSON_STRING},     {"offset", JSON_STRING},
    {"size", JSON_STRING},  {"description", JSON_STRING}, {"read-only", JSON_TRUE},
    {"export", JSON_TRUE},  {"rotational", JSON_TRUE},    {"layout", JSON_STRING},
    {"chunk", JSON_STRING}, {"members", JSON_ARRAY},      {"copies", JSON_INTEGER},
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

/* --- what is wrong with the parameters themselves --- */

static const char *type_name(json_type type)
{
    switch (type) {
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_ARRAY:
        return "an array of strings";
    default:
        return "true or false";
    }
}

static bool is_of_type(const json_t *value, json_type type)
{
    const json_t *one;
    size_t i;

    if (type == JSON_TRUE)
        return json_is_boolean(value);
    if (json_typeof(value) != type)
        return false;
    json_array_foreach(value, i, one)
    {
        if (!json_is_string(one))
            return false;
    }
    return true;
}

static const char *find_type(const char *key, json_type *ret_type)
{
    for (int i = 0; i < FIELDS; i++) {
        if (strcmp(fields[i].name, key) == 0) {
            *ret_type = fields[i].type;
            return fields[i].name;
        }
    }
    return NULL;
}

static void list_fields(char *text, size_t bytes)
{
    size_t used = strlen(text);

    for (int i = 0; i < FIELDS && used < bytes; i++)
        used +=
            (size_t)snprintf(text + used, bytes - used, "%s%s", i == 0 ? "" : ", ", fields[i].name);
}

/* False, and *ret_why in words: it is no object of these fields. */
static bool check_fields(const json_t *params, struct config_error *ret_why)
{
    const char *key;
    json_t *value;
    json_type type;

    if (!json_is_object(params) || json_object_get(params, "name") == NULL) {
        snprintf(ret_why->text, sizeof ret_why->text, "name: missing; allowed: an object of ");
        list_fields(ret_why->text, sizeof ret_why->text);
        return false;
    }
    json_object_foreach((json_t *)(uintptr_t)params, key, value)
    {
        if (find_type(key, &type) == NULL) {
            snprintf(ret_why->text, sizeof ret_why->text, "%.48s: unknown; allowed: ", key);
            list_fields(ret_why->text, sizeof ret_why->text);
            return false;
        }
        if (!is_of_type(value, type)) {
            snprintf(ret_why->text, sizeof ret_why->text, "%s: of the wrong type; allowed: %s", key,
                     type_name(type));
            return false;
        }
    }
    return true;
}

/* --- the entry --- */

static void put_value(FILE *out, const json_t *value)
{
    const json_t *one;
    size_t i;

    if (json_is_string(value)) {
        config_dump_quoted(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_array(value)) {
        fputc('[', out);
        json_array_foreach(value, i, one)
        {
            fputs(i == 0 ? "" : ", ", out);
            config_dump_quoted(out, json_string_value(one));
        }
        fputc(']', out);
    } else {
        fputs(json_is_true(value) ? "true" : "false", out);
    }
}

/* {name: "x", element: "disk0"}; NULL: no memory. The caller frees it. */
static char *entry_of(const json_t *params)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    const char *before = "{", *key;
    json_t *value;

    if (out == NULL)
        return NULL;
    json_object_foreach((json_t *)(uintptr_t)params, key, value)
    {
        fprintf(out, "%s%s: ", before, key);
        put_value(out, value);
        before = ", ";
    }
    fputc('}', out);
    bool complete = !ferror(out);
    if (fclose(out) == 0 && complete)
        return text;
    free(text);
    return NULL;
}

/* --- methods --- */

static void refuse(struct admin_reply *reply, int code, const char *name, const char *why)
{
    char text[sizeof(((struct config_error *)NULL)->text) + NAME_BYTES_MAX + 16];

    snprintf(text, sizeof text, "volume %.*s: %s", NAME_BYTES_MAX, name, why);
    admin_reply_error(reply, code, text);
}

/* A change that is being made, and who waits for it. */
struct asked {
    struct admin_reply *reply;
    char name[NAME_BYTES_MAX + 1];
};

static void changed(void *context, const struct config_error *error)
{
    struct asked *asked = context;

    if (error == NULL)
        admin_reply_result(asked->reply, json_object());
    else
        refuse(asked->reply, RPC_FAILED, asked->name, error->text);
    free(asked);
}

static struct asked *remember(struct admin_reply *reply, const char *name)
{
    struct asked *asked = calloc(1, sizeof *asked);

    if (asked == NULL)
        return NULL;
    asked->reply = reply;
    snprintf(asked->name, sizeof asked->name, "%.*s", NAME_BYTES_MAX, name);
    return asked;
}

void admin_volume_create(const struct admin_service *service, const json_t *params,
                         struct admin_reply *reply)
{
    struct config_error why;

    if (!check_fields(params, &why)) {
        admin_reply_error(reply, RPC_INVALID_PARAMS, why.text);
        return;
    }
    char *entry = entry_of(params);
    struct asked *asked = remember(reply, json_string_value(json_object_get(params, "name")));
    if (entry != NULL && asked != NULL) {
        volume_create(service->configurator, entry, changed, asked);
    } else {
        free(asked);
        admin_reply_error(reply, RPC_INTERNAL_ERROR, "not enough memory");
    }
    free(entry);
}

void admin_volume_delete(const struct admin_service *service, const json_t *params,
                         struct admin_reply *reply)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    struct asked *asked = name != NULL ? remember(reply, name) : NULL;

    if (name == NULL)
        admin_reply_error(reply, RPC_INVALID_PARAMS, "allowed: a name, that of a volume");
    else if (asked == NULL)
        admin_reply_error(reply, RPC_INTERNAL_ERROR, "not enough memory");
    else
        volume_delete(service->configurator, name, changed, asked);
}
