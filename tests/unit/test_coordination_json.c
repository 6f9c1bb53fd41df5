/*
 * What status says of coordination, for a table in which some commands hold, wait, and have ended.
 */
#include "tools/coordination_json.h"

#include "tests/unit/table.h"
#include "tests/unit/unit.h"
#include "tools/status_json.h"

#define MIB(n) ((uint64_t)(n) << 20)

static struct table table;
static struct coordination *const a = &table.seats[0], *const b = &table.seats[1];

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void expect(const json_t *object, const char *key, json_int_t wanted)
{
    if (number(object, key) != wanted)
        printf("\n    %s: %lld, not %lld\n", key, (long long)number(object, key),
               (long long)wanted);
    CU_ASSERT_EQUAL(number(object, key), wanted);
}

static const json_t *of_controller(const json_t *status, size_t index)
{
    const json_t *one = json_array_get(json_object_get(status, "controllers"), index);

    return json_object_get(one, "coordination");
}

static void an_array_at_rest_has_a_table_without_anything(void)
{
    table_open(&table, MIB(2));
    segment_header(&table.segment)->coordination_policy = COORDINATION_WRITES;
    json_t *status = status_json(&table.segment);
    const json_t *all = json_object_get(status, "coordination");

    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(all, "policy")), "writes");
    expect(all, "region", MIB(2));
    expect(all, "reservations", 0);
    expect(all, "held_commands", 0);
    expect(json_object_get(all, "region_structures"), "used", 0);
    expect(json_object_get(all, "region_structures"), "all", REGIONS_MIN);
    expect(json_object_get(all, "total"), "granted", 0);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(of_controller(status, 3), "held_histogram")),
                    0);
    json_decref(status);
    table_close(&table);
}

/* One of each: granted over two regions, held behind it, and handed to a third. */
static void commands_that_hold_and_wait_are_counted(void)
{
    struct reservation wide = wish(MIB(1) - 4096, 8192, true, 1);
    struct reservation late = wish(MIB(1) - 512, 512, true, 2);
    struct reservation first = wish(MIB(9), 4096, true, 3), next = wish(MIB(9), 4096, false, 4);

    table_open(&table, MIB(1));
    CU_ASSERT_EQUAL(reserve_start(a, &wide, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &late, 1000), RESERVE_HELD);
    CU_ASSERT_EQUAL(reserve_start(a, &first, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &next, 1000), RESERVE_HELD);
    reserve_release(a, &first); /* handed to `next`, which does not know it yet */
    json_t *status = status_json(&table.segment);
    const json_t *all = json_object_get(status, "coordination");

    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(all, "policy")), "strict");
    expect(all, "reservations", 4);
    expect(all, "held_commands", 2);
    expect(json_object_get(all, "region_structures"), "used", 3);
    expect(of_controller(status, 0), "granted", 2);
    expect(of_controller(status, 0), "released", 1);
    expect(of_controller(status, 0), "handed_off", 1);
    expect(of_controller(status, 0), "held", 0);
    expect(of_controller(status, 1), "granted", 0);
    expect(of_controller(status, 1), "held", 2);
    json_decref(status);
    table_close(&table);
}

static void totals_are_sums_and_hold_times_a_histogram(void)
{
    struct reservation one = wish(0, 4096, true, 1), two = wish(0, 4096, true, 2);
    struct reservation far = wish(MIB(5), 1, true, 3);

    table_open(&table, MIB(1));
    CU_ASSERT_EQUAL(reserve_start(a, &one, 0), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(b, &two, 100), RESERVE_HELD);
    reserve_release(a, &one);
    CU_ASSERT_EQUAL(reserve_continue(b, &two, 110), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(reserve_start(a, &far, 0), RESERVE_GRANTED);
    json_t *status = status_json(&table.segment);
    const json_t *total = json_object_get(json_object_get(status, "coordination"), "total");
    const json_t *held = json_object_get(of_controller(status, 1), "held_histogram");

    expect(total, "granted", 3);
    expect(total, "released", 1);
    expect(total, "held", 1);
    expect(total, "held_ns", 10);
    expect(total, "conflicts_true", 1);
    CU_ASSERT_EQUAL_FATAL(json_array_size(held), 4); /* 10 ns: 2^3 to 2^4 */
    CU_ASSERT_EQUAL(json_integer_value(json_array_get(held, 3)), 1);
    CU_ASSERT_EQUAL(json_integer_value(json_array_get(held, 2)), 0);
    CU_ASSERT(json_equal(json_object_get(total, "held_histogram"), held));
    json_decref(status);
    table_close(&table);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an array at rest has a table without anything",
         an_array_at_rest_has_a_table_without_anything},
        {"commands that hold and wait are counted", commands_that_hold_and_wait_are_counted},
        {"totals are sums, and hold times a histogram", totals_are_sums_and_hold_times_a_histogram},
    };

    return UNIT_RUN("coordination_json", tests);
}
