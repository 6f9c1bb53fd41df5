/*
 * scrub.start: the members of a redundant volume are compared, or made equal.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "controller/config/scrubs.h"
#include "shm/mapping.h"
#include "tools/admin_methods.h"

void admin_scrub_start(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply)
{
    const char *name = json_string_value(json_object_get(params, "name")), *why = NULL;
    const json_t *repair = json_object_get(params, "repair");
    char text[NAME_BYTES_MAX + 192];
    uint32_t volume;

    if (name == NULL || (repair != NULL && !json_is_boolean(repair))) {
        admin_reply_error(reply, RPC_INVALID_PARAMS,
                          "allowed: a name, that of a volume, and repair, true or false");
        return;
    }
    if (mapping_find_volume(service->segment, name, strlen(name), &volume) != 0)
        why = "there is no such volume";
    if (why == NULL &&
        scrub_start(service->configurator, volume, json_is_true(repair), &why) == 0) {
        admin_reply_result(reply, json_object());
        return;
    }
    snprintf(text, sizeof text, "volume %.*s: %s", NAME_BYTES_MAX, name, why);
    admin_reply_error(reply, RPC_FAILED, text);
}
