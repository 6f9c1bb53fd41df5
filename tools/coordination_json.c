#include "tools/coordination_json.h"

#include "shm/reserve.h"
#include "tools/counter_values.h"
#include "tools/json_set.h"

/* Up to the last bucket that is not empty: most are. */
static json_t *histogram_json(const uint64_t buckets[HELD_HISTOGRAM_BUCKETS])
{
    json_t *array = json_array();
    uint32_t count = HELD_HISTOGRAM_BUCKETS;

    while (count > 0 && buckets[count - 1] == 0)
        count--;
    for (uint32_t i = 0; i < count; i++)
        (void)json_array_append_new(array, json_integer((json_int_t)buckets[i]));
    return array;
}

static json_t *values_json(const struct coordination_values *values)
{
    json_t *object = json_object();

#define X(name) json_set(object, #name, json_integer((json_int_t)values->name));
    COUNTERS_COORDINATION(X)
#undef X
    json_set(object, "held_histogram", histogram_json(values->held_histogram));
    return object;
}

static struct coordination_values values_of(const struct segment *segment, uint32_t seat)
{
    struct coordination_values values;

    coordination_values_read(&values, &segment_seat(segment, seat)->coordination);
    return values;
}

json_t *coordination_json_controller(const struct segment *segment, uint32_t seat)
{
    struct coordination_values values = values_of(segment, seat);

    return values_json(&values);
}

static json_t *total_json(const struct segment *segment)
{
    struct coordination_values total = {0};

    for (uint32_t seat = 0; seat < segment->geometry.controllers; seat++) {
        struct coordination_values values = values_of(segment, seat);
        coordination_values_add(&total, &values);
    }
    return values_json(&total);
}

struct occupancy {
    uint32_t reservations;
    uint32_t held_commands;
};

/* A command is held in one region at a time, so no command is counted twice. */
static void count_view(void *context, const struct reserve_view *view)
{
    struct occupancy *occupancy = context;

    occupancy->reservations++;
    occupancy->held_commands +=
        view->state == RESERVE_VIEW_HELD || view->state == RESERVE_VIEW_HANDED;
}

static json_t *structures_json(const struct region_table *table)
{
    json_t *object = json_object();

    json_set(object, "used", json_integer(region_table_used(table)));
    json_set(object, "all", json_integer(table->regions));
    return object;
}

json_t *coordination_json(const struct segment *segment)
{
    const char *policy = coordination_policy_name(segment_header(segment)->coordination_policy);
    struct region_table table = segment_region_table(segment);
    struct occupancy occupancy = {0};
    json_t *object = json_object();

    reserve_walk(&table, count_view, &occupancy);
    json_set(object, "policy", json_string(policy != NULL ? policy : "unknown"));
    json_set(object, "region", json_integer((json_int_t)1 << table.region_shift));
    json_set(object, "reservations", json_integer(occupancy.reservations));
    json_set(object, "held_commands", json_integer(occupancy.held_commands));
    json_set(object, "region_structures", structures_json(&table));
    json_set(object, "total", total_json(segment));
    return object;
}
