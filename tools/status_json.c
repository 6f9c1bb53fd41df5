#include "tools/status_json.h"

#include <string.h>

#include "controller/volume_state.h"
#include "shm/mapping.h"
#include "shm/seat.h"

/* relaxed: counters are made to be read at any time; each is one word, and late is fine. */
#define READ(counter) ((json_int_t)load_relaxed(&(counter)))

static const char *const fabric_names[FABRICS] = {"primary", "redundant"};

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value); /* without memory the field is missing */
}

static void add_io(json_t *object, const struct io_counters *counters)
{
#define X(name) set(object, #name, json_integer(READ(counters->name)));
    COUNTERS_IO(X)
#undef X
}

static json_t *controller_json(const struct segment *segment, uint32_t id)
{
    const struct seat *seat = segment_seat(segment, id);
    json_t *object = json_object();

    set(object, "id", json_integer(id));
    set(object, "pid", json_integer(READ(seat->pid)));
    set(object, "state", json_string(seat_state_name(seat_state(seat))));
    set(object, "epoch", json_integer(READ(seat->epoch)));
    /* relaxed: written once, before the controller was declared running */
    uint32_t pinned = load_relaxed(&seat->cpu_pinned);
    set(object, "processor", pinned == 0 ? json_null() : json_integer(pinned - 1));
#define X(name) set(object, #name, json_integer(READ(seat->counters.name)));
    COUNTERS_CONTROLLER(X)
#undef X
    return object;
}

static const char *element_io_name(uint32_t flags)
{
    if ((flags & ELEMENT_DIRECT) != 0)
        return "direct";
    return (flags & ELEMENT_INLINE) != 0 ? "inline" : "buffered";
}

static json_t *element_json(const struct segment *segment, uint32_t index)
{
    const struct element_record *record = segment_element(segment, index);
    json_t *object = json_object();

    set(object, "name", json_string(record->name));
    set(object, "controller", json_integer(READ(record->owner)));
    set(object, "state", json_string(volume_state_name(element_state_now(segment, index))));
    set(object, "size", json_integer((json_int_t)record->size_bytes));
    set(object, "io", json_string(element_io_name(record->flags)));
    set(object, "read_only", json_boolean((record->flags & ELEMENT_READ_ONLY) != 0));
    set(object, "superblock", json_boolean((record->flags & ELEMENT_SUPERBLOCK) != 0));
    add_io(object, &record->counters);
    return object;
}

static json_t *member_json(const struct segment *segment, const struct mapping_members *members,
                           uint32_t place)
{
    uint32_t volume = members->records[place].volume;
    enum volume_state state = member_state_now(segment, members, place);
    json_t *object = json_object();

    if (volume < segment->geometry.volumes)
        set(object, "name", json_string(segment_volume(segment, volume)->name));
    set(object, "state", json_string(volume_state_name(state)));
    return object;
}

/* What a virtual volume has instead of an element. */
static void add_members(json_t *object, const struct segment *segment, uint32_t index)
{
    struct mapping_members members;
    json_t *array = json_array();

    if (mapping_members(segment, index, &members) == 0) {
        const char *layout = layout_name((enum layout_kind)members.layout);
        set(object, "layout", json_string(layout != NULL ? layout : "unknown"));
        if (members.chunk_bytes != 0)
            set(object, "chunk", json_integer(members.chunk_bytes));
        if (members.copies > 1)
            set(object, "copies", json_integer(members.copies));
        for (uint32_t i = 0; i < members.count; i++)
            (void)json_array_append_new(array, member_json(segment, &members, i));
    }
    set(object, "members", array);
}

static json_t *volume_json(const struct segment *segment, uint32_t index)
{
    const struct volume_record *record = segment_volume(segment, index);
    json_t *object = json_object();

    set(object, "name", json_string(record->name));
    set(object, "description", json_string(record->description));
    set(object, "size", json_integer((json_int_t)record->size_bytes));
    set(object, "offset", json_integer((json_int_t)record->offset_bytes));
    if (record->element < segment->geometry.elements) {
        const struct element_record *element = segment_element(segment, record->element);
        set(object, "element", json_string(element->name));
        set(object, "controller", json_integer(READ(element->owner)));
    }
    if (mapping_is_virtual(segment, index))
        add_members(object, segment, index);
    set(object, "state", json_string(volume_state_name(volume_state_now(segment, index))));
    set(object, "exported", json_boolean((record->flags & VOLUME_EXPORTED) != 0));
    set(object, "read_only", json_boolean((record->flags & VOLUME_READ_ONLY) != 0));
    add_io(object, &record->counters);
    return object;
}

static json_t *link_json(const struct segment *segment, uint32_t source, uint32_t target,
                         uint32_t fabric)
{
    const struct link *link = segment_link(segment, source, target, fabric);
    json_t *object = json_object();

    set(object, "from", json_integer(source));
    set(object, "to", json_integer(target));
    set(object, "fabric", json_string(fabric_names[fabric]));
#define X(name) set(object, #name, json_integer(READ(link->counters.name)));
    COUNTERS_LINK(X)
#undef X
    return object;
}

static json_t *links_json(const struct segment *segment)
{
    uint32_t controllers = segment->geometry.controllers;
    json_t *array = json_array();

    for (uint32_t source = 0; source < controllers; source++) {
        for (uint32_t target = 0; target < controllers; target++) {
            for (uint32_t fabric = 0; fabric < FABRICS && target != source; fabric++)
                (void)json_array_append_new(array, link_json(segment, source, target, fabric));
        }
    }
    return array;
}

static json_t *list_json(const struct segment *segment, uint32_t count,
                         json_t *(*one)(const struct segment *, uint32_t))
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(array, one(segment, i));
    return array;
}

static json_t *begin(void)
{
    json_t *object = json_object();

    set(object, "version", json_integer(STATUS_VERSION));
    return object;
}

json_t *status_json_controllers(const struct segment *segment)
{
    json_t *object = begin();

    set(object, "controllers", list_json(segment, segment->geometry.controllers, controller_json));
    return object;
}

json_t *status_json_volumes(const struct segment *segment)
{
    json_t *object = begin();

    set(object, "volumes", list_json(segment, segment->geometry.volumes, volume_json));
    return object;
}

json_t *status_json(const struct segment *segment)
{
    json_t *object = status_json_controllers(segment);

    set(object, "array", json_string(segment_header(segment)->array));
    set(object, "elements", list_json(segment, segment->geometry.elements, element_json));
    set(object, "volumes", list_json(segment, segment->geometry.volumes, volume_json));
    set(object, "links", links_json(segment));
    return object;
}
