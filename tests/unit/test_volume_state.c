/*
 * Which state a volume has, by the rule and from a mapping table made by hand, and how status and
 * top show it.
 */
#include "controller/volume_state.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "controller/recovery/job.h"
#include "shm/mapping.h"
#include "shm/seat.h"
#include "tests/unit/unit.h"
#include "tools/status_json.h"
#include "tools/top_text.h"

enum { CONTROLLERS = 4, PLAIN = 4, MIB = 1 << 20 };
enum volumes { STRIPE = PLAIN, SAFE, VOLUMES };

/* --- the rule --- */

/* Counts, by another way than the code's: what is left of each byte. */
static enum volume_state expected(const struct layout *layout, uint32_t absent)
{
    uint32_t worst = 0; /* copies or columns that are lost */

    switch (layout->kind) {
    case LAYOUT_MIRROR:
        return absent == 0                              ? VOLUME_ONLINE
               : absent == (1u << layout->members) - 1u ? VOLUME_FAILED
                                                        : VOLUME_DEGRADED;
    case LAYOUT_RAID10:
        for (uint32_t set = 0; set < layout->members / layout->copies; set++) {
            uint32_t all = (1u << layout->copies) - 1;
            worst += (absent >> set * layout->copies & all) == all;
        }
        return worst != 0 ? VOLUME_FAILED : absent != 0 ? VOLUME_DEGRADED : VOLUME_ONLINE;
    default:
        worst = (uint32_t)__builtin_popcount(absent);
        if (worst > (layout->kind == LAYOUT_RAID6 ? 2u : layout->kind == LAYOUT_RAID5 ? 1u : 0u))
            return VOLUME_FAILED;
        return worst != 0 ? VOLUME_DEGRADED : VOLUME_ONLINE;
    }
}

static void each_layout_bears_what_it_promises(void)
{
    static const struct {
        enum layout_kind kind;
        uint32_t members, copies;
    } all[] = {{LAYOUT_CONCAT, 3, 0}, {LAYOUT_STRIPE, 4, 0}, {LAYOUT_MIRROR, 2, 0},
               {LAYOUT_MIRROR, 8, 0}, {LAYOUT_RAID10, 6, 2}, {LAYOUT_RAID10, 6, 3},
               {LAYOUT_RAID5, 3, 0},  {LAYOUT_RAID5, 7, 0},  {LAYOUT_RAID6, 4, 0},
               {LAYOUT_RAID6, 8, 0}};
    uint64_t member_bytes[MEMBERS_MAX], starts[MEMBERS_MAX + 1];
    struct layout layout;
    uint32_t wrong = 0;

    for (uint32_t i = 0; i < MEMBERS_MAX; i++)
        member_bytes[i] = MIB;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct layout_wanted wanted = {all[i].kind, all[i].members, all[i].copies, 0, member_bytes};
        assert(layout_init(&layout, &wanted, starts) == 0);
        for (uint32_t absent = 0; absent < 1u << layout.members; absent++)
            wrong += volume_state_of_layout(&layout, absent) != expected(&layout, absent);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void the_largest_mask_is_no_special_case(void)
{
    struct layout layout = {.kind = LAYOUT_RAID6, .members = 32, .copies = 1, .parities = 2};

    CU_ASSERT_EQUAL(volume_state_of_layout(&layout, 0), VOLUME_ONLINE);
    CU_ASSERT_EQUAL(volume_state_of_layout(&layout, UINT32_C(1) << 31), VOLUME_DEGRADED);
    CU_ASSERT_EQUAL(volume_state_of_layout(&layout, UINT32_C(7) << 29), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_of_layout(&layout, UINT32_MAX), VOLUME_FAILED);
}

/* --- a table made by hand --- */

static struct segment segment;

static void enter(uint32_t index, const char *name, struct volume_record record)
{
    snprintf(record.name, sizeof record.name, "%s", name);
    assert(mapping_add_volume(&segment, index, &record) == 0);
}

/* Members 0 and 1 of `fast` lie on elements 0 and 1; of the mirror `safe`, on 2 and 3. */
static void begin(void)
{
    static const struct segment_wanted wanted = {.controllers = CONTROLLERS,
                                                 .elements = PLAIN,
                                                 .volumes = VOLUMES,
                                                 .members = 4,
                                                 .slots = 4,
                                                 .ring_entries = 4,
                                                 .buffers_bytes = BLOCK_BYTES};
    char name[16];

    assert(segment_create(&segment, &wanted, "lab") == 0);
    for (uint32_t i = 0; i < PLAIN; i++) {
        owner_enter(&segment_element(&segment, i)->owner, i, 0);
        snprintf(segment_element(&segment, i)->name, NAME_BYTES_MAX, "disk%u", i);
        seat_set_state(segment_seat(&segment, i), SEAT_RUNNING);
        snprintf(name, sizeof name, "vol%u", i);
        enter(i, name, (struct volume_record){.size_bytes = MIB, .element = i});
        segment_member(&segment, i)->volume = i;
        segment_member(&segment, i)->size_bytes = MIB;
    }
    enter(STRIPE, "fast",
          (struct volume_record){.size_bytes = 2 * MIB,
                                 .element = ELEMENT_NONE,
                                 .flags = VOLUME_EXPORTED,
                                 .layout = LAYOUT_STRIPE,
                                 .members_count = 2,
                                 .copies = 1,
                                 .chunk_bytes = 64 << 10});
    enter(SAFE, "safe",
          (struct volume_record){.size_bytes = MIB,
                                 .element = ELEMENT_NONE,
                                 .layout = LAYOUT_MIRROR,
                                 .members_first = 2,
                                 .members_count = 2,
                                 .copies = 2});
}

static void fail_element(uint32_t element)
{
    /* relaxed: nobody else is there. */
    store_relaxed(&segment_element(&segment, element)->state, ELEMENT_FAILED);
}

static void fail_member(uint32_t volume, uint32_t place)
{
    /* relaxed: nobody else is there. */
    store_relaxed(&segment_volume(&segment, volume)->members_now, 1u << place);
}

static enum volume_state member_now(uint32_t volume, uint32_t place)
{
    struct mapping_members members;

    CU_ASSERT_EQUAL_FATAL(mapping_members(&segment, volume, &members), 0);
    return member_state_now(&segment, &members, place);
}

static void states_follow_members_elements_and_controllers(void)
{
    begin();
    CU_ASSERT_EQUAL(volume_state_now(&segment, 0), VOLUME_ONLINE);
    CU_ASSERT_EQUAL(volume_state_now(&segment, STRIPE), VOLUME_ONLINE);
    CU_ASSERT_EQUAL(volume_state_now(&segment, SAFE), VOLUME_ONLINE);

    fail_element(0);
    CU_ASSERT_EQUAL(element_state_now(&segment, 0), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_now(&segment, 0), VOLUME_FAILED);
    CU_ASSERT_EQUAL(member_now(STRIPE, 0), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_now(&segment, STRIPE), VOLUME_FAILED);

    fail_member(SAFE, 0);
    CU_ASSERT_EQUAL(volume_state_now(&segment, 2), VOLUME_ONLINE);
    CU_ASSERT_EQUAL(member_now(SAFE, 0), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_now(&segment, SAFE), VOLUME_DEGRADED);

    seat_set_state(segment_seat(&segment, 3), SEAT_DEAD);
    CU_ASSERT_EQUAL(volume_state_now(&segment, 3), VOLUME_UNREACHABLE);
    CU_ASSERT_EQUAL(member_now(SAFE, 1), VOLUME_UNREACHABLE);
    CU_ASSERT_EQUAL(volume_state_now(&segment, SAFE), VOLUME_FAILED);
    segment_done(&segment);
}

static void a_damaged_table_is_told_as_failed(void)
{
    begin();
    CU_ASSERT_EQUAL(element_state_now(&segment, PLAIN), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_now(&segment, VOLUMES), VOLUME_FAILED);
    segment_volume(&segment, 0)->element = 77;
    CU_ASSERT_EQUAL(volume_state_now(&segment, 0), VOLUME_FAILED);
    segment_member(&segment, 2)->volume = VOLUMES;
    CU_ASSERT_EQUAL(member_now(SAFE, 0), VOLUME_FAILED);
    segment_member(&segment, 3)->volume = SAFE;
    CU_ASSERT_EQUAL(member_now(SAFE, 1), VOLUME_FAILED);
    CU_ASSERT_EQUAL(volume_state_now(&segment, SAFE), VOLUME_FAILED);
    segment_volume(&segment, STRIPE)->layout = LAYOUT_KINDS;
    CU_ASSERT_EQUAL(volume_state_now(&segment, STRIPE), VOLUME_FAILED);
    segment_volume(&segment, STRIPE)->layout = LAYOUT_STRIPE;
    segment_volume(&segment, STRIPE)->chunk_bytes = 5;
    CU_ASSERT_EQUAL(volume_state_now(&segment, STRIPE), VOLUME_FAILED);
    segment_volume(&segment, STRIPE)->members_first = UINT32_MAX;
    CU_ASSERT_EQUAL(volume_state_now(&segment, STRIPE), VOLUME_FAILED);
    segment_done(&segment);
}

/* --- status --- */

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "(none)";
}

static void expect_member(const json_t *volume, size_t index, const char *name, const char *state)
{
    const json_t *member = json_array_get(json_object_get(volume, "members"), index);

    CU_ASSERT_STRING_EQUAL(text(member, "name"), name);
    CU_ASSERT_STRING_EQUAL(text(member, "state"), state);
}

static void status_shows_virtual_volumes(void)
{
    begin();
    fail_member(SAFE, 1);
    fail_element(1);
    json_t *status = status_json(&segment);
    const json_t *volumes = json_object_get(status, "volumes");
    const json_t *plain = json_array_get(volumes, 1), *stripe = json_array_get(volumes, STRIPE);
    const json_t *safe = json_array_get(volumes, SAFE);

    CU_ASSERT_STRING_EQUAL(text(stripe, "layout"), "stripe");
    CU_ASSERT_STRING_EQUAL(text(stripe, "state"), "failed");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(stripe, "chunk")), 64 << 10);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(stripe, "members")), 2);
    CU_ASSERT_PTR_NULL(json_object_get(stripe, "element"));
    CU_ASSERT_PTR_NULL(json_object_get(stripe, "copies"));
    expect_member(stripe, 0, "vol0", "online");
    expect_member(stripe, 1, "vol1", "failed");
    CU_ASSERT_STRING_EQUAL(text(safe, "layout"), "mirror");
    CU_ASSERT_STRING_EQUAL(text(safe, "state"), "degraded");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(safe, "copies")), 2);
    CU_ASSERT_PTR_NULL(json_object_get(safe, "chunk"));
    expect_member(safe, 0, "vol2", "online");
    expect_member(safe, 1, "vol3", "failed");
    CU_ASSERT_STRING_EQUAL(text(plain, "state"), "failed");
    CU_ASSERT_STRING_EQUAL(text(plain, "element"), "disk1");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(plain, "controller")), 1);
    CU_ASSERT_PTR_NULL(json_object_get(plain, "layout"));
    CU_ASSERT_PTR_NULL(json_object_get(plain, "members"));
    json_decref(status);
    segment_done(&segment);
}

static void count_io(uint32_t volume, uint64_t reads, uint64_t write_bytes)
{
    struct io_counters *counters = &segment_volume(&segment, volume)->counters;

    count_up(&counters->reads, reads);
    count_up(&counters->write_bytes, write_bytes);
}

static void expect_io(const json_t *volumes, uint32_t volume, json_int_t reads,
                      json_int_t write_bytes)
{
    const json_t *one = json_array_get(volumes, volume);

    CU_ASSERT_EQUAL(json_integer_value(json_object_get(one, "reads")), reads);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(one, "write_bytes")), write_bytes);
}

static void virtual_volumes_count_what_their_members_do(void)
{
    begin();
    count_io(0, 5, 100);
    count_io(1, 7, 4096);
    count_io(3, 1, 1);
    segment_member(&segment, 2)->volume = VOLUMES; /* damaged: nothing is added for it */
    json_t *status = status_json(&segment);
    const json_t *volumes = json_object_get(status, "volumes");

    expect_io(volumes, 1, 7, 4096);
    expect_io(volumes, STRIPE, 12, 4196);
    expect_io(volumes, SAFE, 1, 1);
    json_decref(status);
    segment_done(&segment);
}

/* --- top --- */

static void expect_line(const struct top_view *view, enum top_pane pane, uint32_t row,
                        const char *expected_line)
{
    char line[TOP_LINE_BYTES];

    top_row(view, pane, row, line);
    if (strcmp(line, expected_line) != 0)
        printf("\n    line:     %s\n    expected: %s\n", line, expected_line);
    CU_ASSERT_STRING_EQUAL(line, expected_line);
}

static void top_shows_members(void)
{
    struct top_view view;

    begin();
    fail_member(SAFE, 1);
    assert(top_view_new(&view, &segment) == 0); /* the segment is the view's from now on */
    CU_ASSERT_EQUAL(top_rows(&view, TOP_MEMBERS), 4);
    expect_line(&view, TOP_MEMBERS, 0,
                "fast                 stripe  64.0 KiB online   vol0                 online");
    expect_line(&view, TOP_MEMBERS, 1,
                "                                               vol1                 online");
    expect_line(&view, TOP_MEMBERS, 2,
                "safe                 mirror         - degraded vol2                 online");
    expect_line(&view, TOP_MEMBERS, 3,
                "                                               vol3                 failed");
    expect_line(&view, TOP_MEMBERS, 4, "");
    top_view_done(&view);
}

static void top_shows_how_controllers_coordinate(void)
{
    struct top_view view;
    char line[TOP_LINE_BYTES];

    begin();
    assert(top_view_new(&view, &segment) == 0);
    CU_ASSERT_EQUAL(top_rows(&view, TOP_LOCKS), CONTROLLERS);
    top_view_look(&view);
    /* No clock is known here: what is a mean says more than what is a rate. */
    struct coordination_counters *counters = &segment_seat(&segment, 2)->coordination;
    count_up(&counters->held_ns, 5000);
    count_up(&counters->held_histogram[11], 2);
    top_view_look(&view);
    expect_line(&view, TOP_LOCKS, 2, "c2   running          0        0        0        0      2.5");
    top_heading(TOP_LOCKS, line);
    CU_ASSERT_STRING_EQUAL(line, "CTRL STATE      GRANT/s   HELD/s HANDED/s   FULL/s  HELD us");
    top_view_done(&view);
}

static void top_shows_what_caches_do(void)
{
    struct top_view view;
    char line[TOP_LINE_BYTES];

    begin();
    assert(top_view_new(&view, &segment) == 0);
    CU_ASSERT_EQUAL(top_rows(&view, TOP_CACHE), 0);
    segment_header(&segment)->cache_mode = CACHE_WRITE_BACK;
    CU_ASSERT_EQUAL(top_rows(&view, TOP_CACHE), top_rows(&view, TOP_VOLUMES));
    top_view_look(&view);
    struct cache_counters *counters = &segment_volume(&segment, 0)->cache;
    count_up(&counters->hits, 3);
    count_up(&counters->misses, 1);
    count_up(&counters->dirty, 12);
    top_view_look(&view);
    /* Rates are left out: no clock is known here. */
    top_row(&view, TOP_CACHE, 0, line);
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "vol0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(line, "   75.0      12 "));
    top_heading(TOP_CACHE, line);
    CU_ASSERT_STRING_EQUAL(line, "VOLUME               CTRL   HIT/s  MISS/s  HIT %   DIRTY"
                                 "  BACK/s AHEAD/s EVICT/s");
    top_view_done(&view);
}

/* The interval says the rate, the time since the controller began what is left. */
static void top_shows_how_far_jobs_are(void)
{
    struct top_view view;
    char line[TOP_LINE_BYTES];

    begin();
    struct job_record *job = &segment_volume(&segment, SAFE)->job;
    store_relaxed(&job->kind, JOB_KIND_SCRUB); /* relaxed: nobody else is there */
    store_relaxed(&job->runner, 2);
    store_relaxed(&job->end_bytes, 100000000);
    store_relaxed(&job->position_bytes, 25000000); /* relaxed: as above */
    store_relaxed(&job->began_at_bytes, 5000000);
    store_relaxed(&job->found, 12345);
    store_relaxed(&job->started_ns, 1000); /* relaxed: as above */
    assert(top_view_new(&view, &segment) == 0);
    CU_ASSERT_EQUAL(top_rows(&view, TOP_JOBS), 0);
    store_relaxed(&job->state, JOB_RUNNING); /* relaxed: as above */
    top_view_look(&view);
    CU_ASSERT_EQUAL_FATAL(top_rows(&view, TOP_JOBS), 1);
    view.before.ns = view.after.jobs[SAFE].started_ns + 8000000000u;
    view.after.ns = view.before.ns + 2000000000u;
    view.before.jobs[SAFE].position_bytes -= 3000000;
    top_heading(TOP_JOBS, line);
    CU_ASSERT_STRING_EQUAL(line, "VOLUME               JOB     STATE   CTRL   DONE   MB/s     LEFT"
                                 "  FOUND REPAIRED");
    expect_line(&view, TOP_JOBS, 0,
                "safe                 scrub   running c2    25.0%    1.5  0:00:38  12.3k        0");
    view.before.jobs[SAFE].started_ns++; /* the one before was another job */
    expect_line(&view, TOP_JOBS, 0,
                "safe                 scrub   running c2    25.0%    0.0  0:00:38  12.3k        0");
    store_relaxed(&job->state, JOB_FAILED); /* relaxed: as above */
    top_view_look(&view);
    expect_line(&view, TOP_JOBS, 0,
                "safe                 scrub   failed  -     25.0%    0.0        -  12.3k        0");
    store_relaxed(&job->state, JOB_DONE); /* relaxed: as above */
    top_view_look(&view);
    CU_ASSERT_EQUAL(top_rows(&view, TOP_JOBS), 0);
    top_view_done(&view);
}

static void top_shows_what_members_do(void)
{
    struct top_view view;

    begin();
    assert(top_view_new(&view, &segment) == 0);
    count_up(&segment_volume(&segment, 0)->counters.in_flight, 2);
    count_up(&segment_volume(&segment, 1)->counters.in_flight, 3);
    top_view_look(&view);
    expect_line(&view, TOP_VOLUMES, STRIPE,
                "fast                 -    online           0      0    0.0    0.0     5      0");
    top_view_done(&view);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"each layout bears what it promises", each_layout_bears_what_it_promises},
        {"the largest mask is no special case", the_largest_mask_is_no_special_case},
        {"states follow members, elements and controllers",
         states_follow_members_elements_and_controllers},
        {"a damaged table is told as failed", a_damaged_table_is_told_as_failed},
        {"status shows virtual volumes", status_shows_virtual_volumes},
        {"virtual volumes count what their members do",
         virtual_volumes_count_what_their_members_do},
        {"top shows members", top_shows_members},
        {"top shows what members do", top_shows_what_members_do},
        {"top shows how controllers coordinate", top_shows_how_controllers_coordinate},
        {"top shows how far jobs are", top_shows_how_far_jobs_are},
        {"top shows what caches do", top_shows_what_caches_do},
    };

    return UNIT_RUN("volume_state", tests);
}
