#include "tools/admin_rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/status_json.h"

/* --- methods --- */

static json_t *method_segment(const struct admin_service *service, int *ret_pass_fd)
{
    int fd = segment_open_read_only(service->segment);

    if (fd < 0)
        return NULL;
    *ret_pass_fd = fd;
    return json_pack("{s:I}", "bytes", (json_int_t)service->segment->geometry.bytes);
}

static json_t *method_status(const struct admin_service *service, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json(service->segment);
}

static json_t *method_controllers(const struct admin_service *service, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_controllers(service->segment);
}

static json_t *method_volumes(const struct admin_service *service, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_volumes(service->segment);
}

static json_t *method_elements(const struct admin_service *service, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_elements(service->segment);
}

static json_t *method_links(const struct admin_service *service, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_links(service->segment);
}

static const struct admin_method looks[] = {
    {.name = "status", .call = method_status},
    {.name = "controller.list", .call = method_controllers},
    {.name = "element.list", .call = method_elements},
    {.name = "link.list", .call = method_links},
    {.name = "volume.list", .call = method_volumes},
    {.name = "segment", .call = method_segment},
    {0},
};

static const struct admin_method *find_in(const struct admin_method *table, const char *name)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static const struct admin_method *find_method(const struct admin_service *service, const char *name)
{
    const struct admin_method *found = find_in(looks, name);

    return found != NULL ? found : find_in(service->changes, name);
}

/* --- replies --- */

/* Takes the reference; NULL: no memory. A notification is not answered, but for what is no request
 * at all. */
static void finish(struct admin_reply *reply, json_t *object, bool answered)
{
    char *text = object != NULL && answered ? json_dumps(object, JSON_COMPACT) : NULL;
    size_t bytes = text != NULL ? strlen(text) : 0;
    char *line = text != NULL ? realloc(text, bytes + 2) : NULL;

    json_decref(object);
    json_decref(reply->id);
    reply->id = NULL;
    reply->no_memory = answered && line == NULL;
    if (line == NULL) {
        free(text);
        if (reply->answer.pass_fd >= 0)
            close(reply->answer.pass_fd);
        reply->answer.pass_fd = -1;
    } else {
        memcpy(line + bytes, "\n", 2);
        reply->answer.text = line;
        reply->answer.text_bytes = bytes + 1;
    }
    reply->ready(reply);
}

/* Bytes of the UTF-8 character at the beginning of a text that has not ended; 0: it is none. */
static size_t character_bytes(const char *text)
{
    json_t *character = NULL;
    size_t bytes = 0;

    while (character == NULL && bytes < 4 && text[bytes] != '\0')
        character = json_stringn(text, ++bytes);
    bytes = character != NULL ? bytes : 0;
    json_decref(character);
    return bytes;
}

/* A message may have a name in it that was cut short amid a character, and JSON can hold no part of
 * one: it is shown as "?". */
static json_t *message_json(const char *message)
{
    char *shown = strdup(message);
    size_t at = 0;

    while (shown != NULL && shown[at] != '\0') {
        size_t bytes = character_bytes(shown + at);
        if (bytes == 0)
            shown[at] = '?';
        at += bytes > 0 ? bytes : 1;
    }
    json_t *text = shown != NULL ? json_string(shown) : NULL;
    free(shown);
    return text;
}

static json_t *error_object(json_t *id, int code, const char *message)
{
    json_t *shown = id != NULL ? json_incref(id) : json_null();

    return json_pack("{s:s, s:{s:i, s:o}, s:o}", "jsonrpc", "2.0", "error", "code", code, "message",
                     message_json(message), "id", shown);
}

static void refuse(struct admin_reply *reply, int code, const char *message)
{
    finish(reply, error_object(reply->id, code, message), true);
}

void admin_reply_result(struct admin_reply *reply, json_t *result)
{
    if (result == NULL) {
        admin_reply_error(reply, RPC_INTERNAL_ERROR, "out of memory or descriptors");
        return;
    }
    json_t *shown = reply->id != NULL ? json_incref(reply->id) : json_null();
    finish(reply, json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "result", result, "id", shown),
           reply->id != NULL);
}

void admin_reply_error(struct admin_reply *reply, int code, const char *message)
{
    finish(reply, error_object(reply->id, code, message), reply->id != NULL);
}

/* --- requests --- */

/* The methods there are: "unknown method; allowed: status, ...". */
static void refuse_unknown(const struct admin_service *service, struct admin_reply *reply)
{
    const struct admin_method *const tables[] = {looks, service->changes};
    char text[512] = "unknown method; allowed:";
    size_t length = strlen(text);

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const struct admin_method *one = tables[i]; one != NULL && one->name != NULL; one++) {
            if (length < sizeof text)
                length += (size_t)snprintf(text + length, sizeof text - length, "%s %s",
                                           one == looks ? "" : ",", one->name);
        }
    }
    admin_reply_error(reply, RPC_METHOD_NOT_FOUND, text);
}

static bool is_request(const json_t *request, const char *name)
{
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    const json_t *id = json_object_get(request, "id");

    return version != NULL && strcmp(version, "2.0") == 0 && name != NULL &&
           (id == NULL || json_is_string(id) || json_is_number(id) || json_is_null(id));
}

static void perform(const struct admin_service *service, const json_t *request, const char *name,
                    struct admin_reply *reply)
{
    const struct admin_method *method = find_method(service, name);
    const json_t *params = json_object_get(request, "params");

    reply->id = json_incref(json_object_get(request, "id"));
    if (method == NULL)
        refuse_unknown(service, reply);
    else if (params != NULL && !json_is_object(params))
        admin_reply_error(reply, RPC_INVALID_PARAMS, "params: allowed: an object, or none");
    else if (method->call != NULL)
        admin_reply_result(reply, method->call(service, &reply->answer.pass_fd));
    else
        method->start(service, params, reply);
}

void admin_rpc(const struct admin_service *service, const char *line, size_t bytes,
               struct admin_reply *reply)
{
    json_t *request = json_loadb(line, bytes, 0, NULL);
    const char *name = json_string_value(json_object_get(request, "method"));

    reply->answer = (struct admin_answer){.pass_fd = -1};
    reply->id = NULL;
    if (request == NULL)
        refuse(reply, RPC_PARSE_ERROR, "not JSON");
    else if (!is_request(request, name))
        refuse(
            reply, RPC_INVALID_REQUEST,
            "not a JSON-RPC 2.0 request; allowed: an object with jsonrpc \"2.0\", method and id");
    else
        perform(service, request, name, reply);
    json_decref(request);
}

void admin_rpc_too_long(struct admin_reply *reply)
{
    reply->answer = (struct admin_answer){.pass_fd = -1};
    reply->id = NULL;
    refuse(reply, RPC_INVALID_REQUEST, "a line is too long");
}
