#include "tools/counter_values.h"

#include "shm/mapping.h"

/* relaxed: counters are made to be read at any time; each is one word, and late is fine. */
#define READ(name) ret_values->name = load_relaxed(&counters->name);
#define ADD(name)  sum->name += values->name;

void controller_values_read(struct controller_values *ret_values,
                            const struct controller_counters *counters)
{
    COUNTERS_CONTROLLER(READ)
}

void io_values_read(struct io_values *ret_values, const struct io_counters *counters)
{
    COUNTERS_IO(READ)
}

void link_values_read(struct link_values *ret_values, const struct link_counters *counters)
{
    COUNTERS_LINK(READ)
}

void coordination_values_read(struct coordination_values *ret_values,
                              const struct coordination_counters *counters)
{
    COUNTERS_COORDINATION(READ)
    for (uint32_t i = 0; i < HELD_HISTOGRAM_BUCKETS; i++)
        READ(held_histogram[i]) /* relaxed: as above */
}

static void io_values_add(struct io_values *sum, const struct io_values *values)
{
    COUNTERS_IO(ADD)
}

void coordination_values_add(struct coordination_values *sum,
                             const struct coordination_values *values)
{
    COUNTERS_COORDINATION(ADD)
    for (uint32_t i = 0; i < HELD_HISTOGRAM_BUCKETS; i++)
        ADD(held_histogram[i])
}

static void add_members(struct io_values *sum, const struct segment *segment, uint32_t volume)
{
    struct mapping_members members;
    struct io_values values;

    if (mapping_members(segment, volume, &members) != 0)
        return;
    for (uint32_t i = 0; i < members.count; i++) {
        uint32_t member = members.records[i].volume;
        if (member >= segment->geometry.volumes)
            continue;
        io_values_read(&values, &segment_volume(segment, member)->counters);
        io_values_add(sum, &values);
    }
}

void volume_values_read(struct io_values *ret_values, const struct segment *segment,
                        uint32_t volume)
{
    io_values_read(ret_values, &segment_volume(segment, volume)->counters);
    if (mapping_is_virtual(segment, volume))
        add_members(ret_values, segment, volume);
}

static void cache_values_add(struct cache_values *sum, const struct segment *segment,
                             uint32_t volume)
{
    const struct cache_counters *counters = &segment_volume(segment, volume)->cache;

#define ADD_READ(name) sum->name += load_relaxed(&counters->name); /* relaxed: as above */
    COUNTERS_CACHE(ADD_READ)
#undef ADD_READ
}

void cache_values_read(struct cache_values *ret_values, const struct segment *segment,
                       uint32_t volume)
{
    struct mapping_members members;

    *ret_values = (struct cache_values){0};
    cache_values_add(ret_values, segment, volume);
    if (mapping_members(segment, volume, &members) != 0)
        return;
    for (uint32_t i = 0; i < members.count; i++)
        if (members.records[i].volume < segment->geometry.volumes)
            cache_values_add(ret_values, segment, members.records[i].volume);
}

void controller_cache_values_read(struct cache_values *ret_values, const struct segment *segment,
                                  uint32_t controller)
{
    *ret_values = (struct cache_values){0};
    for (uint32_t i = 0; i < segment->geometry.volumes; i++) {
        uint32_t element = segment_volume(segment, i)->element;
        if (element < segment->geometry.elements &&
            owner_load(&segment_element(segment, element)->owner).seat == controller)
            cache_values_add(ret_values, segment, i);
    }
}
