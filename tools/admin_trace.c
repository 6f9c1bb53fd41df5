/*
 * trace.*: methods that change what is traced.
 */
#include "tools/admin_methods.h"

/* Controllers see it a turn later; those that sleep, when they are woken. */
void admin_trace_level(const struct admin_service *service, const json_t *params,
                       struct admin_reply *reply)
{
    const char *name = json_string_value(json_object_get(params, "level"));
    int level = name == NULL ? -1 : trace_level_of(name);

    if (level < 0)
        admin_reply_error(reply, RPC_INVALID_PARAMS,
                          "allowed: a level: off, events, commands, stages");
    else if (service->segment->geometry.trace_events == 0)
        admin_reply_error(reply, RPC_FAILED, "the array keeps no trace (trace: {events: 0})");
    else {
        /* relaxed: nothing else is published with it. */
        store_relaxed(&segment_header(service->segment)->trace_level, (uint32_t)level);
        admin_reply_result(reply, json_object());
    }
}
