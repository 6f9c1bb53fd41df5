/*
 * controller.*: methods that do something to a controller.
 */
#include <stdio.h>

#include "controller/config/configurator.h"
#include "tools/admin_methods.h"

/* The controller of the number that params have, or -1: the client was told. */
static int find_controller(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply)
{
    const json_t *value = json_object_get(params, "id");
    uint32_t count = service->segment->geometry.controllers;
    json_int_t id = json_integer_value(value);
    char text[96];

    if (json_is_integer(value) && id >= 0 && id < count)
        return (int)id;
    snprintf(text, sizeof text, "there is no such controller; allowed: id, a number from 0 to %u",
             count - 1);
    admin_reply_error(reply, RPC_INVALID_PARAMS, text);
    return -1;
}

static void changed(void *context, const char *why)
{
    struct admin_reply *reply = context;

    if (why == NULL)
        admin_reply_result(reply, json_object());
    else
        admin_reply_error(reply, RPC_FAILED, why);
}

void admin_controller_kill(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply)
{
    const json_t *force = json_object_get(params, "force");
    int id = find_controller(service, params, reply);

    if (id < 0)
        return;
    if (force != NULL && !json_is_boolean(force))
        admin_reply_error(reply, RPC_INVALID_PARAMS, "force: allowed: true, false, or none");
    else
        seat_kill(service->configurator, (uint32_t)id, json_is_true(force), changed, reply);
}

void admin_controller_stop(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply)
{
    int id = find_controller(service, params, reply);

    if (id >= 0)
        seat_stop(service->configurator, (uint32_t)id, changed, reply);
}

void admin_controller_start(const struct admin_service *service, const json_t *params,
                            struct admin_reply *reply)
{
    int id = find_controller(service, params, reply);

    if (id >= 0)
        seat_start(service->configurator, (uint32_t)id, changed, reply);
}
