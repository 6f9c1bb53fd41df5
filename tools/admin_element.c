/*
 * element.*: methods that change an element.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "tools/admin_methods.h"

/* The element of the name that params have, or -1: the client was told. */
static int find_element(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply)
{
    const char *name = json_string_value(json_object_get(params, "name"));
    char text[NAME_BYTES_MAX + 64];

    if (name == NULL) {
        admin_reply_error(reply, RPC_INVALID_PARAMS, "allowed: a name, that of an element");
        return -1;
    }
    for (uint32_t i = 0; i < service->segment->geometry.elements; i++) {
        if (strcmp(segment_element(service->segment, i)->name, name) == 0)
            return (int)i;
    }
    snprintf(text, sizeof text, "there is no element %.*s", NAME_BYTES_MAX, name);
    admin_reply_error(reply, RPC_INVALID_PARAMS, text);
    return -1;
}

/* --- element.fail --- */

static void failed(void *context, int status)
{
    struct admin_reply *reply = context;
    char text[128];

    if (status == 0) {
        admin_reply_result(reply, json_object());
        return;
    }
    snprintf(text, sizeof text, "its controller: %s", strerror(-status));
    admin_reply_error(reply, RPC_FAILED, text);
}

void admin_element_fail(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply)
{
    struct control_message message = {.kind = CONTROL_FAIL_ELEMENT};
    int element = find_element(service, params, reply);

    if (element < 0)
        return;
    message.arguments[0] = (uint64_t)element;
    uint32_t owner = load_acquire(&segment_element(service->segment, (uint32_t)element)->owner);
    int error = configurator_ask(service->configurator, owner, &message, -1, failed, reply);
    if (error != 0)
        failed(reply, error);
}
