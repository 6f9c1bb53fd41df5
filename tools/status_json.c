#include "tools/status_json.h"

#include <string.h>

#include "controller/config/config.h"
#include "controller/volume_state.h"
#include "io/watch.h"
#include "shm/mapping.h"
#include "shm/seat.h"
#include "tools/coordination_json.h"
#include "tools/counter_values.h"
#include "tools/job_json.h"
#include "tools/json_set.h"
#include "tools/link_json.h"

/* relaxed: counters are made to be read at any time; each is one word, and late is fine. */
#define READ(counter) ((json_int_t)load_relaxed(&(counter)))

static void add_io(json_t *object, const struct io_values *values)
{
#define X(name) json_set(object, #name, json_integer((json_int_t)values->name));
    COUNTERS_IO(X)
#undef X
}

static json_t *cache_json(const struct cache_values *values)
{
    json_t *object = json_object();

#define X(name) json_set(object, #name, json_integer((json_int_t)values->name));
    COUNTERS_CACHE(X)
#undef X
    return object;
}

static json_t *cache_setting_json(const struct segment *segment)
{
    const struct segment_header *header = segment_header(segment);
    json_t *object = json_object();

    json_set(object, "mode",
             json_string(config_cache_mode_name((enum cache_mode)header->cache_mode)));
    json_set(object, "policy",
             json_string(config_cache_policy_name((enum cache_policy_kind)header->cache_policy)));
    json_set(object, "size", json_integer((json_int_t)segment->geometry.cache_bytes));
    json_set(object, "in_memory", json_boolean(header->cache_in_memory != 0));
    return object;
}

/* "none", "good", or "failed": it could not be written, and volumes with parity are not either. */
static json_t *journal_json(const struct segment *segment)
{
    const struct journal_shared *journal = &segment_header(segment)->journal;
    bool failed = READ(journal->failed) != 0;
    json_t *object = json_object();

    json_set(object, "state",
             json_string(journal->generation == 0 ? "none"
                         : failed                 ? "failed"
                                                  : "good"));
    json_set(object, "size", json_integer((json_int_t)journal->bytes));
    return object;
}

/* Names of the elements that a controller owns. */
static json_t *owned_json(const struct segment *segment, uint32_t id)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < segment->geometry.elements; i++) {
        const struct element_record *record = segment_element(segment, i);
        if (owner_load(&record->owner).seat == id)
            (void)json_array_append_new(array, json_string(record->name));
    }
    return array;
}

static json_t *controller_json(const struct segment *segment, uint32_t id)
{
    const struct seat *seat = segment_seat(segment, id);
    json_t *object = json_object();

    json_set(object, "id", json_integer(id));
    json_set(object, "pid", json_integer(READ(seat->pid)));
    json_set(object, "state", json_string(seat_state_name(seat_state(seat))));
    json_set(object, "epoch", json_integer(READ(seat->epoch)));
    json_set(object, "since", json_integer(READ(seat->since_ns) / 1000000000));
    json_set(object, "restarts", json_integer(READ(seat->restarts)));
    json_set(object, "elements", owned_json(segment, id));
    /* relaxed: written once, before the controller was declared running */
    uint32_t pinned = load_relaxed(&seat->cpu_pinned);
    json_set(object, "processor", pinned == 0 ? json_null() : json_integer(pinned - 1));
#define X(name) json_set(object, #name, json_integer(READ(seat->counters.name)));
    COUNTERS_CONTROLLER(X)
#undef X
    struct cache_values cache;
    controller_cache_values_read(&cache, segment, id);
    json_set(object, "cache", cache_json(&cache));
    json_set(object, "coordination", coordination_json_controller(segment, id));
    return object;
}

static const char *element_io_name(uint32_t flags)
{
    if ((flags & ELEMENT_DIRECT) != 0)
        return "direct";
    return (flags & ELEMENT_INLINE) != 0 ? "inline" : "buffered";
}

/* By controller: who asked. */
static json_t *commands_from_json(const struct segment *segment,
                                  const struct element_record *record)
{
    json_t *array = json_array();

    for (uint32_t id = 0; id < segment->geometry.controllers; id++)
        (void)json_array_append_new(array,
                                    json_integer((json_int_t)READ(record->commands_from[id])));
    return array;
}

static json_t *element_json(const struct segment *segment, uint32_t index)
{
    const struct element_record *record = segment_element(segment, index);
    json_t *object = json_object();
    struct io_values values;
    uint32_t flags = (uint32_t)READ(record->flags);

    io_values_read(&values, &record->counters);
    json_set(object, "name", json_string(record->name));
    json_set(object, "controller", json_integer(owner_load(&record->owner).seat));
    json_set(object, "configured_controller", json_integer(record->configured_owner));
    json_set(object, "owner_state",
             json_string(owner_state_name(owner_load(&record->owner).state)));
    json_set(object, "takeovers", json_integer(READ(record->takeovers)));
    json_set(object, "taken_ns", json_integer((json_int_t)READ(record->taken_ns)));
    json_set(object, "state", json_string(volume_state_name(element_state_now(segment, index))));
    json_set(object, "size", json_integer((json_int_t)READ(record->size_bytes)));
    json_set(object, "io", json_string(element_io_name(flags)));
    json_set(object, "read_only", json_boolean((flags & ELEMENT_READ_ONLY) != 0));
    json_set(object, "superblock", json_boolean((flags & ELEMENT_SUPERBLOCK) != 0));
    json_set(object, "checksums", json_boolean((flags & ELEMENT_CHECKSUMS) != 0));
    add_io(object, &values);
    json_set(object, "commands_from", commands_from_json(segment, record));
    return object;
}

static json_t *member_json(const struct segment *segment, const struct mapping_members *members,
                           uint32_t place)
{
    uint32_t volume = members->records[place].volume;
    enum volume_state state = member_state_now(segment, members, place);
    json_t *object = json_object();

    if (volume < segment->geometry.volumes)
        json_set(object, "name", json_string(segment_volume(segment, volume)->name));
    json_set(object, "state", json_string(volume_state_name(state)));
    return object;
}

/* What a virtual volume has instead of an element. */
static void add_members(json_t *object, const struct segment *segment, uint32_t index)
{
    struct mapping_members members;
    json_t *array = json_array();

    if (mapping_members(segment, index, &members) == 0) {
        const char *layout = layout_name((enum layout_kind)members.layout);
        json_set(object, "layout", json_string(layout != NULL ? layout : "unknown"));
        if (members.chunk_bytes != 0)
            json_set(object, "chunk", json_integer(members.chunk_bytes));
        if (members.copies > 1)
            json_set(object, "copies", json_integer(members.copies));
        for (uint32_t i = 0; i < members.count; i++)
            (void)json_array_append_new(array, member_json(segment, &members, i));
        if (layout_kind_redundant((enum layout_kind)members.layout))
            json_set(object, "resync",
                     json_integer(READ(segment_volume(segment, index)->resync_regions)));
    }
    json_set(object, "members", array);
}

static json_t *volume_json(const struct segment *segment, uint32_t index)
{
    const struct volume_record *record = segment_volume(segment, index);
    uint32_t flags = mapping_volume_flags(record);
    json_t *object = json_object();
    struct io_values values;

    volume_values_read(&values, segment, index);
    json_set(object, "name", json_string(record->name));
    json_set(object, "description", json_string(record->description));
    json_set(object, "size", json_integer((json_int_t)record->size_bytes));
    json_set(object, "offset", json_integer((json_int_t)record->offset_bytes));
    if (record->element < segment->geometry.elements) {
        const struct element_record *element = segment_element(segment, record->element);
        json_set(object, "element", json_string(element->name));
        json_set(object, "controller", json_integer(owner_load(&element->owner).seat));
    }
    if (mapping_is_virtual(segment, index))
        add_members(object, segment, index);
    json_t *job = job_json(segment, index, watch_now_ns());
    if (job != NULL)
        json_set(object, "job", job);
    json_set(object, "state", json_string(volume_state_name(volume_state_now(segment, index))));
    json_set(object, "exported", json_boolean((flags & VOLUME_EXPORTED) != 0));
    json_set(object, "read_only", json_boolean((flags & VOLUME_READ_ONLY) != 0));
    add_io(object, &values);
    struct cache_values cache;
    cache_values_read(&cache, segment, index);
    json_set(object, "cache", cache_json(&cache));
    return object;
}

static json_t *list_json(const struct segment *segment, uint32_t count,
                         json_t *(*one)(const struct segment *, uint32_t))
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(array, one(segment, i));
    return array;
}

static json_t *volumes_json(const struct segment *segment)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_has_volume(segment, i))
            (void)json_array_append_new(array, volume_json(segment, i));
    }
    return array;
}

static json_t *begin(void)
{
    json_t *object = json_object();

    json_set(object, "version", json_integer(STATUS_VERSION));
    return object;
}

json_t *status_json_controllers(const struct segment *segment)
{
    json_t *object = begin();

    json_set(object, "controllers",
             list_json(segment, segment->geometry.controllers, controller_json));
    return object;
}

json_t *status_json_elements(const struct segment *segment)
{
    json_t *object = begin();

    json_set(object, "elements", list_json(segment, segment->geometry.elements, element_json));
    return object;
}

json_t *status_json_volumes(const struct segment *segment)
{
    json_t *object = begin();

    json_set(object, "volumes", volumes_json(segment));
    return object;
}

json_t *status_json_links(const struct segment *segment)
{
    json_t *object = begin();

    json_set(object, "interconnect", link_json_interconnect(segment));
    json_set(object, "links", link_json_all(segment));
    return object;
}

json_t *status_json(const struct segment *segment)
{
    json_t *object = status_json_controllers(segment);

    json_set(object, "array", json_string(segment_header(segment)->array));
    json_set(object, "elements", list_json(segment, segment->geometry.elements, element_json));
    json_set(object, "volumes", volumes_json(segment));
    json_set(object, "cache", cache_setting_json(segment));
    json_set(object, "journal", journal_json(segment));
    json_set(object, "links", link_json_all(segment));
    json_set(object, "interconnect", link_json_interconnect(segment));
    json_set(object, "coordination", coordination_json(segment));
    return object;
}
