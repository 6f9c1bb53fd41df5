#include "tools/trace_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "controller/path/command.h"
#include "shm/seat.h"
#include "tools/json_set.h"

/* --- what the numbers mean; NULL: nothing --- */

static const char *verdict_name(uint32_t verdict)
{
    static const char *const names[] = {[STAGE_NEXT] = "next",
                                        [STAGE_WAIT] = "wait",
                                        [STAGE_DONE] = "done",
                                        [STAGE_AGAIN] = "again",
                                        [STAGE_MOVED] = "moved"};

    return verdict < sizeof names / sizeof names[0] ? names[verdict] : NULL;
}

static const char *op_of(const struct trace_event *event)
{
    return event->op >= COMMAND_READ && event->op < COMMAND_OPS_END
               ? command_op_name((enum command_op)event->op)
               : NULL;
}

static bool about_command(const struct segment *segment, const struct trace_event *event)
{
    return event->command != 0 && event->receiver < segment->geometry.controllers;
}

/* A volume's name; false: there is no such volume. */
static bool volume_of(const struct segment *segment, const struct trace_event *event,
                      char into[NAME_BYTES_MAX + 1])
{
    if (event->volume >= segment->geometry.volumes)
        return false;
    memcpy(into, segment_volume(segment, event->volume)->name, NAME_BYTES_MAX);
    into[NAME_BYTES_MAX] = '\0';
    for (char *at = into; *at != '\0'; at++) {
        if (!isascii((unsigned char)*at) || !isprint((unsigned char)*at))
            *at = '?';
    }
    return true;
}

static const char *status_name(int32_t status)
{
    const char *name = status < 0 && status > -4096 ? strerrorname_np(-status) : NULL;

    if (status == 0)
        return "ok";
    return name != NULL ? name : "unknown";
}

/* --- in words --- */

const char *const trace_heading = "TIME               AT   COMMAND        EVENT           WHAT";

struct text {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    size_t said = length < 0 ? 0 : (size_t)length;
    if (said >= text->room)
        said = text->room - 1;
    text->at += said;
    text->room -= said;
}

static void say_command(struct text *text, const struct segment *segment,
                        const struct trace_event *event)
{
    char volume[NAME_BYTES_MAX + 1];
    const char *op = op_of(event);

    if (!about_command(segment, event))
        return;
    say(text, " %s", op != NULL ? op : "-");
    say(text, " %s", volume_of(segment, event, volume) ? volume : "-");
    say(text, " %" PRIu64 "+%" PRIu64, event->offset_bytes, event->length_bytes);
}

static void say_detail(struct text *text, const struct segment *segment,
                       const struct trace_event *event)
{
    char volume[NAME_BYTES_MAX + 1];
    const char *name;

    switch (event->kind) {
    case TRACE_ARRIVED:
        say(text, " cookie %#" PRIx64, event->detail);
        break;
    case TRACE_SENT:
        say(text, " member %" PRIu64, event->detail);
        break;
    case TRACE_STAGE:
        name = verdict_name(event->verdict);
        say(text, " %s %s", event->stage < STAGES_COUNT ? stage_name(event->stage) : "-",
            name != NULL ? name : "-");
        break;
    case TRACE_REPLIED:
        say(text, " %s after %.1f us", status_name(event->status), (double)event->detail / 1e3);
        break;
    case TRACE_SEAT:
        name =
            event->detail <= SEAT_DRAINED ? seat_state_name((enum seat_state)event->detail) : NULL;
        say(text, " %s", name != NULL ? name : "-");
        break;
    case TRACE_PEER_LOST:
    case TRACE_PEER_RECOVERED:
    case TRACE_PEER_BACK:
        say(text, " epoch %" PRIu64, event->detail);
        break;
    case TRACE_ELEMENT_TAKING:
    case TRACE_ELEMENT_TAKEN:
    case TRACE_ELEMENT_LET_GO:
    case TRACE_ELEMENT_FAILED:
        say(text, " element %" PRIu64, event->detail);
        break;
    case TRACE_MEMBERS_FAILED:
        say(text, " %s mask %#" PRIx64, volume_of(segment, event, volume) ? volume : "-",
            event->detail);
        break;
    case TRACE_REDONE:
        say(text, " %s begun by c%" PRIu64, volume_of(segment, event, volume) ? volume : "-",
            event->detail);
        break;
    case TRACE_MEMBERSHIP:
        say(text, " %" PRIu64, event->detail);
        break;
    default:
        break;
    }
}

static const char *peer_word(const struct trace_event *event)
{
    switch (event->kind) {
    case TRACE_REDIRECTED:
        return "to";
    case TRACE_HANDED:
        return "by";
    case TRACE_TAKEN:
        return "from";
    default:
        return "of";
    }
}

void trace_line(const struct segment *segment, const struct traced *traced,
                char into[TRACE_LINE_BYTES])
{
    const struct trace_event *event = &traced->event;
    const char *kind = trace_kind_name(event->kind);
    struct text text = {.at = into, .room = TRACE_LINE_BYTES};
    char command[40] = "-";

    if (about_command(segment, event))
        snprintf(command, sizeof command, "c%u:%" PRIu64, event->receiver, event->command);
    say(&text, "%8" PRIu64 ".%09" PRIu64 " c%-3" PRIu32 " %-14s %-15s", event->time_ns / 1000000000,
        event->time_ns % 1000000000, traced->controller, command, kind != NULL ? kind : "-");
    if (event->peer < segment->geometry.controllers)
        say(&text, " %s c%u", peer_word(event), event->peer);
    say_command(&text, segment, event);
    say_detail(&text, segment, event);
}

/* --- in JSON --- */

static void set_number(json_t *object, const char *key, uint64_t number)
{
    json_set(object, key, json_integer((json_int_t)(number & INT64_MAX)));
}

static void set_name(json_t *object, const char *key, const char *name)
{
    json_set(object, key, name != NULL ? json_string(name) : json_null());
}

static void set_command(json_t *object, const struct segment *segment,
                        const struct trace_event *event)
{
    if (!about_command(segment, event))
        return;
    set_number(object, "receiver", event->receiver);
    set_number(object, "command", event->command);
    set_name(object, "op", op_of(event));
    set_number(object, "offset", event->offset_bytes);
    set_number(object, "length", event->length_bytes);
}

/* A cookie is the host's, any 64 bits, which JSON's numbers have not. */
static void set_detail(json_t *object, const struct trace_event *event)
{
    char cookie[24];

    snprintf(cookie, sizeof cookie, "%#" PRIx64, event->detail);
    if (event->kind == TRACE_ARRIVED)
        json_set(object, "cookie", json_string(cookie));
    else
        set_number(object, "detail", event->detail);
    if (event->kind == TRACE_REPLIED)
        json_set(object, "status", json_integer(event->status));
    if (event->kind == TRACE_STAGE) {
        set_name(object, "stage", event->stage < STAGES_COUNT ? stage_name(event->stage) : NULL);
        set_name(object, "verdict", verdict_name(event->verdict));
    }
}

json_t *trace_json(const struct segment *segment, const struct traced *traced)
{
    const struct trace_event *event = &traced->event;
    char volume[NAME_BYTES_MAX + 1];
    json_t *object = json_object();

    if (object == NULL)
        return NULL;
    set_number(object, "time_ns", event->time_ns);
    set_number(object, "controller", traced->controller);
    set_number(object, "number", traced->number);
    set_name(object, "event", trace_kind_name(event->kind));
    set_command(object, segment, event);
    if (volume_of(segment, event, volume))
        json_set(object, "volume", json_string(volume));
    if (event->peer < segment->geometry.controllers)
        set_number(object, "peer", event->peer);
    set_detail(object, event);
    return object;
}
