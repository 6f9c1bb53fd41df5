/*
 * What anyport locks lists, for a table in which some commands hold and some wait.
 */
#include "tools/reservations.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "controller/layout/layout.h"
#include "shm/mapping.h"
#include "tests/unit/unit.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

enum { CONTROLLERS = 3, PLAIN = 3 };
enum volumes { FAST = PLAIN, FIVE, VOLUMES };

static struct segment segment;
static struct coordination seats[CONTROLLERS];

static void tell_nobody(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    (void)context;
    (void)seat;
    (void)cookie;
    (void)generation;
}

static void enter(uint32_t index, const char *name, enum layout_kind layout)
{
    struct volume_record record = {.size_bytes = MIB(8),
                                   .element = layout == LAYOUT_NONE ? index : ELEMENT_NONE,
                                   .layout = layout,
                                   .members_count = layout == LAYOUT_NONE ? 0 : PLAIN,
                                   .copies = 1,
                                   .chunk_bytes = layout == LAYOUT_NONE ? 0 : 64 << 10};

    snprintf(record.name, sizeof record.name, "%s", name);
    assert(mapping_add_volume(&segment, index, &record) == 0);
}

/* A stripe and a raid5 of the same volumes: nothing here asks for more. */
static void begin(void)
{
    static const struct segment_wanted wanted = {.controllers = CONTROLLERS,
                                                 .elements = PLAIN,
                                                 .volumes = VOLUMES,
                                                 .members = PLAIN,
                                                 .slots = 1,
                                                 .ring_entries = RING_ENTRIES_MIN,
                                                 .buffers_bytes = BLOCK_BYTES};
    static const char *const names[PLAIN] = {"vol0", "vol1", "vol2"};

    assert(segment_create(&segment, &wanted, "lab") == 0);
    for (uint32_t i = 0; i < PLAIN; i++) {
        enter(i, names[i], LAYOUT_NONE);
        segment_member(&segment, i)->volume = i;
        segment_member(&segment, i)->size_bytes = MIB(8);
    }
    enter(FAST, "fast", LAYOUT_STRIPE);
    enter(FIVE, "five", LAYOUT_RAID5);
    for (uint32_t i = 0; i < CONTROLLERS; i++)
        coordination_init(&seats[i], &segment, i, 1, tell_nobody, NULL,
                          &segment_seat(&segment, i)->coordination);
}

static enum reserve_verdict start(uint32_t seat, struct reservation *reservation, uint32_t volume,
                                  uint64_t offset_bytes, uint64_t length_bytes, bool exclusive)
{
    *reservation = (struct reservation){.volume = volume,
                                        .offset_bytes = offset_bytes,
                                        .length_bytes = length_bytes,
                                        .exclusive = exclusive,
                                        .cookie = 1};
    return reserve_start(&seats[seat], reservation, 1);
}

static json_t *list_now(void)
{
    struct reservations list;

    assert(reservations_read(&list, &segment) == 0);
    json_t *object = reservations_json(&list, &segment);
    reservations_done(&list);
    return object;
}

static size_t count_of(const json_t *object)
{
    return json_array_size(json_object_get(object, "reservations"));
}

/* The entry without its time must be this; `held_ns` must be there for those that are held. */
static void expect(const json_t *object, size_t index, const char *wanted, bool held)
{
    json_t *one = json_array_get(json_object_get(object, "reservations"), index);
    char *text;

    CU_ASSERT_EQUAL(json_is_integer(json_object_get(one, "held_ns")), held);
    (void)json_object_del(one, "held_ns");
    text = json_dumps(one, JSON_COMPACT);
    if (strcmp(text, wanted) != 0)
        printf("\n    found:    %s\n    expected: %s\n", text, wanted);
    CU_ASSERT_STRING_EQUAL(text, wanted);
    free(text);
}

static void an_array_at_rest_has_none(void)
{
    begin();
    json_t *object = list_now();

    CU_ASSERT_EQUAL(json_integer_value(json_object_get(object, "version")), 1);
    CU_ASSERT(json_is_array(json_object_get(object, "reservations")));
    CU_ASSERT_EQUAL(count_of(object), 0);
    json_decref(object);
    segment_done(&segment);
}

/* Begun in another order than they are listed in. Of those that are not held the table knows units:
 * 512 bytes of a region of 1 MiB. */
static void who_has_what_and_who_waits_for_whom(void)
{
    struct reservation five, shared, other, first, late;

    begin();
    CU_ASSERT_EQUAL(start(2, &five, FIVE, KIB(4), 100, true), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(start(1, &shared, FAST, MIB(2), KIB(4), false), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(start(2, &other, FAST, MIB(2), KIB(8), false), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(start(0, &first, FAST, MIB(1) - 1000, 2000, true), RESERVE_GRANTED);
    CU_ASSERT_EQUAL(start(1, &late, FAST, MIB(1) - 7, 7, true), RESERVE_HELD);
    json_t *object = list_now();

    CU_ASSERT_EQUAL_FATAL(count_of(object), 6);
    expect(object, 0,
           "{\"volume\":\"fast\",\"of\":\"volume\",\"controller\":0,\"mode\":\"exclusive\","
           "\"offset\":1047552,\"length\":1024,\"exact\":false,\"state\":\"reserved\"}",
           false);
    expect(object, 1,
           "{\"volume\":\"fast\",\"of\":\"volume\",\"controller\":1,\"mode\":\"exclusive\","
           "\"offset\":1048569,\"length\":7,\"exact\":true,\"state\":\"held\"}",
           true);
    expect(object, 2,
           "{\"volume\":\"fast\",\"of\":\"volume\",\"controller\":0,\"mode\":\"exclusive\","
           "\"offset\":1048576,\"length\":1024,\"exact\":false,\"state\":\"reserved\"}",
           false);
    expect(object, 5,
           "{\"volume\":\"five\",\"of\":\"members\",\"controller\":2,\"mode\":\"exclusive\","
           "\"offset\":4096,\"length\":512,\"exact\":false,\"state\":\"reserved\"}",
           false);
    json_decref(object);

    reserve_release(&seats[0], &first);
    object = list_now();
    CU_ASSERT_EQUAL_FATAL(count_of(object), 4);
    expect(object, 0,
           "{\"volume\":\"fast\",\"of\":\"volume\",\"controller\":1,\"mode\":\"exclusive\","
           "\"offset\":1048569,\"length\":7,\"exact\":true,\"state\":\"handed\"}",
           true);
    expect(object, 1,
           "{\"volume\":\"fast\",\"of\":\"volume\",\"controller\":1,\"mode\":\"shared\","
           "\"offset\":2097152,\"length\":4096,\"exact\":false,\"state\":\"reserved\"}",
           false);
    json_decref(object);
    segment_done(&segment);
}

static void a_volume_that_is_none_has_no_name(void)
{
    struct reservation strange;

    begin();
    CU_ASSERT_EQUAL(start(0, &strange, VOLUMES + 5, 0, 1, true), RESERVE_GRANTED);
    json_t *object = list_now();

    expect(object, 0,
           "{\"volume\":\"-\",\"of\":\"volume\",\"controller\":0,\"mode\":\"exclusive\","
           "\"offset\":0,\"length\":512,\"exact\":false,\"state\":\"reserved\"}",
           false);
    json_decref(object);
    segment_done(&segment);
}

/* More than there was room for at first. */
static void many_are_listed(void)
{
    enum { MANY = 1000 };
    struct reservation all[MANY];

    begin();
    for (uint32_t i = 0; i < MANY; i++)
        assert(start(i % CONTROLLERS, &all[i], FAST, (MANY - i) * MIB(1), 512, true) ==
               RESERVE_GRANTED);
    json_t *object = list_now();

    CU_ASSERT_EQUAL_FATAL(count_of(object), MANY);
    for (size_t i = 0; i < MANY; i++) {
        const json_t *one = json_array_get(json_object_get(object, "reservations"), i);
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(one, "offset")), (i + 1) * MIB(1));
    }
    json_decref(object);
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an array at rest has none", an_array_at_rest_has_none},
        {"who has what, and who waits for whom", who_has_what_and_who_waits_for_whom},
        {"a volume that is none has no name", a_volume_that_is_none_has_no_name},
        {"many are listed", many_are_listed},
    };

    return UNIT_RUN("reservations", tests);
}
