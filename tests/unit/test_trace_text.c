/*
 * What `anyport trace` makes of events: those of several controllers in order, and of garbage that
 * some process has written, nothing that is not printable and nothing outside the tables.
 */
#include "tools/trace_text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "controller/path/command.h"
#include "tests/unit/unit.h"

static struct segment new_segment(void)
{
    const struct segment_wanted wanted = {.controllers = 2,
                                          .elements = 1,
                                          .volumes = 1,
                                          .slots = 16,
                                          .ring_entries = 16,
                                          .trace_events = TRACE_EVENTS_MIN};
    struct segment segment = {.fd = -1};

    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, &wanted, "lab"), 0);
    snprintf(segment_volume(&segment, 0)->name, NAME_BYTES_MAX + 1, "vol0");
    return segment;
}

static struct trace_event replied(uint64_t time_ns)
{
    return (struct trace_event){.time_ns = time_ns,
                                .command = 17,
                                .detail = 1500,
                                .offset_bytes = 4096,
                                .length_bytes = 512,
                                .status = -5,
                                .kind = TRACE_REPLIED,
                                .op = COMMAND_READ,
                                .receiver = 1,
                                .peer = TRACE_NO_CONTROLLER};
}

static void write_event(const struct segment *segment, uint32_t controller,
                        const struct trace_event *event)
{
    struct trace_writer writer;

    CU_ASSERT_EQUAL_FATAL(trace_writer_init(&writer, segment_trace(segment, controller),
                                            TRACE_EVENTS_MIN, NULL, NULL),
                          0);
    trace_write(&writer, event);
}

static void an_event_is_told_in_words(void)
{
    struct segment segment = new_segment();
    struct traced traced = {.event = replied(1002000003), .controller = 1};
    char line[TRACE_LINE_BYTES];

    trace_line(&segment, &traced, line);
    CU_ASSERT_STRING_EQUAL(
        line, "       1.002000003 c1   c1:17          replied         read vol0 4096+512 EIO after "
              "1.5 us");
    segment_done(&segment);
}

static void events_are_merged_by_time(void)
{
    struct segment segment = new_segment();
    struct trace_filter all = {0};
    struct trace_reading reading;
    struct traced_list list;
    const uint64_t times[2][2] = {{10, 30}, {20, 40}};

    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            struct trace_event event = replied(times[i][j]);
            write_event(&segment, i, &event);
        }
    }
    trace_reading_init(&reading, &segment);
    CU_ASSERT_EQUAL_FATAL(trace_reading_take(&reading, &all, &list), 0);
    CU_ASSERT_EQUAL_FATAL(list.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(list.all[i].event.time_ns, 10 * (i + 1));
        CU_ASSERT_EQUAL(list.all[i].controller, i % 2);
    }
    traced_list_done(&list);
    CU_ASSERT_EQUAL_FATAL(trace_reading_take(&reading, &all, &list), 0);
    CU_ASSERT_EQUAL(list.count, 0); /* each once */
    traced_list_done(&list);
    segment_done(&segment);
}

static void what_was_overrun_is_counted(void)
{
    struct segment segment = new_segment();
    struct trace_filter late = {.since_ns = 5};
    struct trace_reading reading;
    struct traced_list list;
    struct trace_event event = replied(1);

    trace_reading_init(&reading, &segment);
    write_event(&segment, 0, &event);
    CU_ASSERT_EQUAL_FATAL(trace_reading_take(&reading, &late, &list), 0);
    CU_ASSERT_EQUAL(list.count, 0); /* too early */
    traced_list_done(&list);
    event.time_ns = 7;
    for (uint32_t i = 0; i < TRACE_EVENTS_MIN + 3; i++)
        write_event(&segment, 0, &event);
    CU_ASSERT_EQUAL_FATAL(trace_reading_take(&reading, &late, &list), 0);
    CU_ASSERT_EQUAL(list.count, TRACE_EVENTS_MIN);
    CU_ASSERT_EQUAL(reading.lost, 3);
    traced_list_done(&list);
    segment_done(&segment);
}

static void garbage_is_told_without_harm(void)
{
    struct segment segment = new_segment();
    char *name = segment_volume(&segment, 0)->name;
    struct traced traced = {.controller = 0};
    char line[TRACE_LINE_BYTES];
    uint32_t seed = 1;

    memset(name, 0x1b, NAME_BYTES_MAX + 1); /* an escape sequence, and no end */
    for (uint32_t round = 0; round < 20000; round++) {
        uint8_t *bytes = (uint8_t *)&traced.event;
        for (size_t i = 0; i < sizeof traced.event; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        traced.event.kind %= TRACE_KINDS_END + 2;
        if (round % 2 == 0) {
            traced.event.receiver = 0;
            traced.event.volume = 0;
        }
        trace_line(&segment, &traced, line);
        for (const char *at = line; *at != '\0'; at++)
            CU_ASSERT_TRUE(isprint((unsigned char)*at));
        json_t *object = trace_json(&segment, &traced);
        CU_ASSERT_TRUE(json_is_object(object));
        json_decref(object);
    }
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an event is told in words", an_event_is_told_in_words},
        {"events are merged by time", events_are_merged_by_time},
        {"what was overrun is counted", what_was_overrun_is_counted},
        {"garbage is told without harm", garbage_is_told_without_harm},
    };

    return UNIT_RUN("trace_text", tests);
}
