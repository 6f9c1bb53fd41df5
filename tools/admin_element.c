/*
 * element.*: methods that change an element.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "controller/config/replace.h"
#include "controller/volume_state.h"
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

/* A volume would be lost. */
static void refuse_loss(const struct admin_service *service, uint32_t volume,
                        struct admin_reply *reply)
{
    char text[NAME_BYTES_MAX + 160];

    snprintf(text, sizeof text,
             "volume %s cannot do without it; allowed: an element that no volume is lost by, or "
             "--force",
             segment_volume(service->segment, volume)->name);
    admin_reply_error(reply, RPC_FAILED, text);
}

void admin_element_fail(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply)
{
    struct control_message message = {.kind = CONTROL_FAIL_ELEMENT};
    const json_t *force = json_object_get(params, "force");
    int element = find_element(service, params, reply);

    if (element < 0)
        return;
    if (force != NULL && !json_is_boolean(force)) {
        admin_reply_error(reply, RPC_INVALID_PARAMS, "force: allowed: true, false, or none");
        return;
    }
    int64_t lost = volume_lost_without(service->segment, (uint32_t)element);
    if (lost >= 0 && !json_is_true(force)) {
        refuse_loss(service, (uint32_t)lost, reply);
        return;
    }
    message.arguments[0] = (uint64_t)element;
    uint32_t owner = owner_load(&segment_element(service->segment, (uint32_t)element)->owner).seat;
    int error = configurator_ask(service->configurator, owner, &message, -1, failed, reply);
    if (error != 0)
        failed(reply, error);
}

/* --- element.replace --- */

static void replaced(void *context, const struct replaced *replaced)
{
    struct admin_reply *reply = context;

    if (replaced->status != 0)
        admin_reply_error(reply, RPC_FAILED, replaced->text);
    else
        admin_reply_result(reply, json_pack("{s:s, s:I, s:i}", "image", replaced->image, "size",
                                            (json_int_t)replaced->size_bytes, "members",
                                            (int)replaced->members));
}

void admin_element_replace(const struct admin_service *service, const json_t *params,
                           struct admin_reply *reply)
{
    const json_t *image_value = json_object_get(params, "image");
    const json_t *size_value = json_object_get(params, "size");
    const char *image = json_string_value(image_value);
    json_int_t size = json_integer_value(size_value);
    int element = find_element(service, params, reply);

    if (element < 0)
        return;
    if ((image_value != NULL && (image == NULL || image[0] != '/')) ||
        (size_value != NULL && !json_is_integer(size_value)) || size < 0)
        admin_reply_error(reply, RPC_INVALID_PARAMS,
                          "allowed: an absolute path as image, and a size that is not negative");
    else
        replace_element(service->configurator, (uint32_t)element, image, (uint64_t)size, replaced,
                        reply);
}

/* --- element.move --- */

static void moved(void *context, const struct element_moved *moved)
{
    struct admin_reply *reply = context;

    if (moved->status != 0)
        admin_reply_error(reply, RPC_FAILED, moved->text);
    else
        admin_reply_result(reply, json_object());
}

void admin_element_move(const struct admin_service *service, const json_t *params,
                        struct admin_reply *reply)
{
    const json_t *controller = json_object_get(params, "controller");
    json_int_t target = json_integer_value(controller);
    int element = find_element(service, params, reply);

    if (element < 0)
        return;
    if (!json_is_integer(controller) || target < 0 || target >= CONTROLLERS_MAX)
        admin_reply_error(reply, RPC_INVALID_PARAMS, "allowed: a controller's number");
    else
        element_move_start(service->configurator, (uint32_t)element, (uint32_t)target, moved,
                           reply);
}
