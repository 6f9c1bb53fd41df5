/*
 * link.*: methods that make links fail, and repair them. They write words of the segment, and are
 * done when these are written: controllers act upon them in their next turn.
 */
#include <stdio.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "tools/admin_methods.h"
#include "tools/link_json.h"

/* Which links are meant. */
struct meant {
    bool sources[CONTROLLERS_MAX], targets[CONTROLLERS_MAX], fabrics[FABRICS];
};

/* --- what params say: false, and the client was told --- */

static bool refuse(struct admin_reply *reply, const char *text)
{
    admin_reply_error(reply, RPC_INVALID_PARAMS, text);
    return false;
}

static bool read_controllers(const struct admin_service *service, const json_t *params,
                             const char *key, bool *ret_meant, struct admin_reply *reply)
{
    const json_t *value = json_object_get(params, key);
    uint32_t controllers = service->segment->geometry.controllers;
    char text[128];

    if (value != NULL && (!json_is_integer(value) || json_integer_value(value) < 0 ||
                          json_integer_value(value) >= (json_int_t)controllers)) {
        snprintf(text, sizeof text, "%s: no such controller; allowed: 0 to %u, or none: all", key,
                 controllers - 1);
        return refuse(reply, text);
    }
    for (uint32_t i = 0; i < controllers; i++)
        ret_meant[i] = value == NULL || json_integer_value(value) == (json_int_t)i;
    return true;
}

static bool read_fabrics(const json_t *params, bool *ret_meant, struct admin_reply *reply)
{
    const json_t *value = json_object_get(params, "fabric");
    const char *name = json_string_value(value);
    bool any = false;

    for (uint32_t i = 0; i < FABRICS; i++) {
        ret_meant[i] = value == NULL || (name != NULL && strcmp(name, link_fabric_names[i]) == 0);
        any = any || ret_meant[i];
    }
    return any || refuse(reply, "fabric: unknown; allowed: primary, redundant, or none: both");
}

static bool is_key(const char *key)
{
    static const char *const keys[] = {"source", "target", "fabric", "loss", "delay"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

/* One that is spelled wrong must not be taken for all links. */
static bool check_keys(json_t *params, struct admin_reply *reply)
{
    const char *key;
    json_t *value;

    json_object_foreach(params, key, value)
    {
        if (!is_key(key))
            return refuse(reply, "unknown field; allowed: source, target, fabric, loss, delay");
    }
    return true;
}

static bool read_meant(const struct admin_service *service, const json_t *params,
                       struct meant *ret_meant, struct admin_reply *reply)
{
    const json_t *source = json_object_get(params, "source");

    if (!check_keys((json_t *)(uintptr_t)params, reply)) /* jansson's loop changes nothing */
        return false;
    if (source != NULL && json_equal(source, json_object_get(params, "target")))
        return refuse(reply, "a controller has no link to itself; allowed: two different ones");
    return read_controllers(service, params, "source", ret_meant->sources, reply) &&
           read_controllers(service, params, "target", ret_meant->targets, reply) &&
           read_fabrics(params, ret_meant->fabrics, reply);
}

static bool in_range(const json_t *value, uint64_t max)
{
    return value == NULL || (json_is_integer(value) && json_integer_value(value) >= 0 &&
                             (uint64_t)json_integer_value(value) <= max);
}

static bool read_fault(const json_t *params, struct link_fault *ret_fault,
                       struct admin_reply *reply)
{
    const json_t *loss = json_object_get(params, "loss"), *delay = json_object_get(params, "delay");

    if (!in_range(loss, LINK_LOSS_PER_MILLE_MAX))
        return refuse(reply, "loss: allowed: 0 to 1000, of a thousand entries");
    if (!in_range(delay, INTERCONNECT_TIME_NS_MAX))
        return refuse(reply, "delay: allowed: 0 to 10000000000, in nanoseconds");
    *ret_fault = (struct link_fault){.failed = loss == NULL && delay == NULL,
                                     .loss_per_mille = (uint16_t)json_integer_value(loss),
                                     .delay_ns = (uint64_t)json_integer_value(delay)};
    return true;
}

/* --- doing it --- */

static void inject(const struct admin_service *service, const struct meant *meant,
                   struct link_fault fault, struct admin_reply *reply)
{
    uint32_t controllers = service->segment->geometry.controllers, links = 0;

    for (uint32_t i = 0; i < controllers * controllers * FABRICS; i++) {
        uint32_t fabric = i % FABRICS, pair = i / FABRICS;
        uint32_t source = pair / controllers, target = pair % controllers;
        if (source == target || !meant->sources[source] || !meant->targets[target] ||
            !meant->fabrics[fabric])
            continue;
        configurator_inject(service->configurator, source, target, fabric, fault);
        links++;
    }
    configurator_publish_links(service->configurator);
    admin_reply_result(reply, json_pack("{s:i, s:i}", "version", 1, "links", (int)links));
}

void admin_link_fail(const struct admin_service *service, const json_t *params,
                     struct admin_reply *reply)
{
    struct link_fault fault;
    struct meant meant;

    if (read_meant(service, params, &meant, reply) && read_fault(params, &fault, reply))
        inject(service, &meant, fault, reply);
}

void admin_link_repair(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply)
{
    struct meant meant;

    if (read_meant(service, params, &meant, reply))
        inject(service, &meant, (struct link_fault){0}, reply);
}
