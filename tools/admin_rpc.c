#include "tools/admin_rpc.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/status_json.h"

/* JSON-RPC 2.0, section 5.1. */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INTERNAL_ERROR = -32603,
};

/* --- methods --- */

static json_t *method_segment(const struct segment *segment, int *ret_pass_fd)
{
    int fd = segment_open_read_only(segment);

    if (fd < 0)
        return NULL;
    *ret_pass_fd = fd;
    return json_pack("{s:I}", "bytes", (json_int_t)segment->geometry.bytes);
}

static json_t *method_status(const struct segment *segment, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json(segment);
}

static json_t *method_controllers(const struct segment *segment, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_controllers(segment);
}

static json_t *method_volumes(const struct segment *segment, int *ret_pass_fd)
{
    (void)ret_pass_fd;
    return status_json_volumes(segment);
}

static const struct {
    const char *name;
    json_t *(*call)(const struct segment *segment, int *ret_pass_fd);
} methods[] = {
    {"status", method_status},
    {"controller.list", method_controllers},
    {"volume.list", method_volumes},
    {"segment", method_segment},
};

/* --- answers: objects, NULL when there is no memory --- */

static json_t *error_object(json_t *id, int code, const char *message)
{
    json_t *shown = id != NULL ? json_incref(id) : json_null();

    return json_pack("{s:s, s:{s:i, s:s}, s:o}", "jsonrpc", "2.0", "error", "code", code, "message",
                     message, "id", shown);
}

static json_t *call(const struct segment *segment, const char *name, json_t *id, int *ret_pass_fd)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) != 0)
            continue;
        json_t *result = methods[i].call(segment, ret_pass_fd);
        if (result == NULL)
            return error_object(id, RPC_INTERNAL_ERROR, "out of memory or descriptors");
        json_t *shown = id != NULL ? json_incref(id) : json_null();
        return json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "result", result, "id", shown);
    }
    return error_object(id, RPC_METHOD_NOT_FOUND,
                        "unknown method; allowed: status, controller.list, volume.list, segment");
}

static int say(json_t *object, struct admin_answer *answer)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    size_t bytes = text != NULL ? strlen(text) : 0;
    char *line = text != NULL ? realloc(text, bytes + 2) : NULL;

    json_decref(object);
    if (line == NULL) {
        free(text);
        return -ENOMEM;
    }
    memcpy(line + bytes, "\n", 2);
    answer->text = line;
    answer->text_bytes = bytes + 1;
    return 0;
}

static bool is_request(const char *version, const char *name, const json_t *id)
{
    return version != NULL && strcmp(version, "2.0") == 0 && name != NULL &&
           (id == NULL || json_is_string(id) || json_is_number(id) || json_is_null(id));
}

int admin_rpc(const struct segment *segment, const char *line, size_t bytes,
              struct admin_answer *ret_answer)
{
    struct admin_answer answer = {.pass_fd = -1};
    json_t *request = json_loadb(line, bytes, 0, NULL), *object;
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    const char *name = json_string_value(json_object_get(request, "method"));
    json_t *id = json_object_get(request, "id");
    bool answered = true;

    if (request == NULL) {
        object = error_object(NULL, RPC_PARSE_ERROR, "not JSON");
    } else if (!is_request(version, name, id)) {
        object = error_object(NULL, RPC_INVALID_REQUEST,
                              "not a JSON-RPC 2.0 request; allowed: an object with jsonrpc "
                              "\"2.0\", method and id");
    } else {
        object = call(segment, name, id, &answer.pass_fd);
        answered = id != NULL; /* else it is a notification */
    }
    int error = say(object, &answer);
    json_decref(request);
    if (error != 0 || !answered) {
        free(answer.text);
        if (answer.pass_fd >= 0)
            close(answer.pass_fd);
        answer = (struct admin_answer){.pass_fd = -1};
    }
    if (error == 0)
        *ret_answer = answer;
    return error;
}

int admin_rpc_too_long(struct admin_answer *ret_answer)
{
    struct admin_answer answer = {.pass_fd = -1};
    int error = say(error_object(NULL, RPC_INVALID_REQUEST, "a line is too long"), &answer);

    if (error == 0)
        *ret_answer = answer;
    return error;
}
