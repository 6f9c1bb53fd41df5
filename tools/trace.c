/*
 * anyport trace: the last events of each controller, merged by time, also of one that has died;
 * live with --follow. It reads them where the controllers write them, through a read-only view of
 * the segment; only to change the level it asks the configuration controller.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/mapping.h"
#include "shm/seat.h"
#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/trace_events.h"
#include "tools/trace_text.h"
#include "tools/words.h"

enum {
    FOLLOW_MS = 100, /* between two looks */
    OPTION_LEVEL = 256,
};

struct request {
    bool json, follow;
    const char *array;
    const char *controller, *volume, *level;
    double since_seconds; /* below 0: not given */
};

static void set_since(struct request *request, const char *argument, struct argp_state *state)
{
    char *end;

    request->since_seconds = strtod(argument, &end);
    if (end == argument || *end != '\0' || !(request->since_seconds >= 0) ||
        request->since_seconds > 1e9)
        argp_error(state, "--since: '%s'; allowed: seconds before now", argument);
}

static void set_level(struct request *request, const char *argument, struct argp_state *state)
{
    if (trace_level_of(argument) < 0)
        argp_error(state, "--level: '%s'; allowed: off, events, commands, stages", argument);
    request->level = argument;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'j':
        request->json = true;
        return 0;
    case 'f':
        request->follow = true;
        return 0;
    case 'c':
        request->controller = argument;
        return 0;
    case 'v':
        request->volume = argument;
        return 0;
    case 's':
        set_since(request, argument, state);
        return 0;
    case OPTION_LEVEL:
        set_level(request, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->array));
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option known_options[] = {
    {"controller", 'c', "NUMBER", 0, "Only events of this controller", 0},
    {"follow", 'f', NULL, 0, "Print events as they happen, until the array has ended", 0},
    {"json", 'j', NULL, 0, "Print one JSON object; with --follow, one a line", 0},
    {"level", OPTION_LEVEL, "LEVEL", 0,
     "Print nothing; trace at this level from now on: off, events, commands, stages", 0},
    {"since", 's', "SECONDS", 0, "Only events of the last so many seconds", 0},
    {"volume", 'v', "NAME", 0, "Only events of this volume, and of its members", 0},
    {0}};

static const struct argp parser = {
    known_options,
    parse_option,
    "[ARRAY]",
    "Print the last events of the controllers: TIME (seconds, CLOCK_MONOTONIC), the controller AT "
    "which it was, the host COMMAND that it belongs to (as its receiver numbered it), EVENT, and "
    "WHAT.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- what is wanted --- */

static int find_controller(const char *word, const struct segment *segment, uint32_t *ret_number)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);

    if (*word < '0' || *word > '9' || *end != '\0' || number >= segment->geometry.controllers) {
        fprintf(stderr, "anyport: there is no controller %s; allowed: 0 to %" PRIu32 "\n", word,
                segment->geometry.controllers - 1);
        return EXIT_WRONG;
    }
    *ret_number = (uint32_t)number;
    return EXIT_FINE;
}

static int find_volume(const char *name, const struct segment *segment, uint32_t *ret_volume)
{
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_has_volume(segment, i) &&
            strncmp(segment_volume(segment, i)->name, name, NAME_BYTES_MAX + 1) == 0) {
            *ret_volume = i;
            return EXIT_FINE;
        }
    }
    fprintf(stderr, "anyport: there is no volume %s\n", name);
    return EXIT_WRONG;
}

static int make_filter(const struct request *request, const struct segment *segment,
                       struct trace_filter *filter)
{
    uint64_t now = now_ns();
    int status = EXIT_FINE;

    *filter = (struct trace_filter){.one_controller = request->controller != NULL,
                                    .one_volume = request->volume != NULL};
    if (request->since_seconds >= 0 || request->follow) {
        double before_ns = request->since_seconds >= 0 ? request->since_seconds * 1e9 : 0;
        filter->since_ns = before_ns < (double)now ? now - (uint64_t)before_ns : 0;
    }
    if (filter->one_controller)
        status = find_controller(request->controller, segment, &filter->controller);
    if (status == EXIT_FINE && filter->one_volume)
        status = find_volume(request->volume, segment, &filter->volume);
    return status;
}

/* --- printing --- */

static int print_json(const struct segment *segment, const struct traced_list *list, uint64_t lost)
{
    json_t *events = json_array();
    bool made = events != NULL;

    for (size_t i = 0; i < list->count && made; i++)
        made = json_array_append_new(events, trace_json(segment, &list->all[i])) == 0;
    json_t *object =
        json_pack("{s:i, s:I, s:o}", "version", 1, "lost", (json_int_t)lost, "events", events);
    if (!made || object == NULL || json_dumpf(object, stdout, JSON_INDENT(1)) != 0)
        made = false;
    json_decref(object);
    putchar('\n');
    return made ? EXIT_FINE : EXIT_FAILED;
}

static bool print_json_line(const struct segment *segment, const struct traced *traced)
{
    json_t *object = trace_json(segment, traced);
    bool made = object != NULL && json_object_set_new(object, "version", json_integer(1)) == 0 &&
                json_dumpf(object, stdout, JSON_COMPACT) == 0;

    json_decref(object);
    putchar('\n');
    return made;
}

static int print_lines(const struct segment *segment, const struct traced_list *list, bool json)
{
    char line[TRACE_LINE_BYTES];
    bool made = true;

    for (size_t i = 0; i < list->count && made; i++) {
        if (json) {
            made = print_json_line(segment, &list->all[i]);
            continue;
        }
        trace_line(segment, &list->all[i], line);
        puts(line);
    }
    return made && fflush(stdout) == 0 && !ferror(stdout) ? EXIT_FINE : EXIT_FAILED;
}

static bool array_has_ended(const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->geometry.controllers; i++) {
        if (!seat_is_gone(seat_state(segment_seat(segment, i))))
            return false;
    }
    return true;
}

/* --- once, or on and on --- */

static int print_next(struct trace_reading *reading, const struct trace_filter *filter,
                      const struct request *request)
{
    struct traced_list list;
    int error = trace_reading_take(reading, filter, &list);

    if (error != 0) {
        fprintf(stderr, "anyport: cannot read the trace: %s\n", strerror(-error));
        return EXIT_FAILED;
    }
    int status = request->json && !request->follow
                     ? print_json(reading->segment, &list, reading->lost)
                     : print_lines(reading->segment, &list, request->json);
    traced_list_done(&list);
    if (reading->lost > 0 && !(request->json && !request->follow)) {
        fprintf(stderr, "anyport: %" PRIu64 " events were overwritten before they were read\n",
                reading->lost);
        reading->lost = 0;
    }
    return status;
}

static int print_trace(const struct segment *segment, const struct request *request)
{
    const struct timespec pause = {.tv_nsec = FOLLOW_MS * 1000000};
    struct trace_reading reading;
    struct trace_filter filter;
    int status = make_filter(request, segment, &filter);
    bool ended;

    if (status == EXIT_FINE && segment->geometry.trace_events == 0) {
        fprintf(stderr, "anyport: the array keeps no trace (trace: {events: 0})\n");
        status = EXIT_FAILED;
    }
    if (status != EXIT_FINE)
        return status;
    trace_reading_init(&reading, segment);
    if (!request->json)
        puts(trace_heading);
    do {
        ended = array_has_ended(segment); /* before the look that is the last then */
        status = print_next(&reading, &filter, request);
        if (request->follow && !ended && status == EXIT_FINE)
            nanosleep(&pause, NULL);
    } while (request->follow && !ended && status == EXIT_FINE);
    return status;
}

static int change_level(const struct request *request)
{
    char path[4096];
    json_t *result = admin_call_with(admin_path(request->array, path, sizeof path), "trace.level",
                                     json_pack("{s:s}", "level", request->level));

    json_decref(result);
    return result != NULL ? EXIT_FINE : EXIT_FAILED;
}

int verb_trace(int argc, char **argv)
{
    struct request request = {.since_seconds = -1};
    struct segment segment;

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    if (request.level != NULL)
        return change_level(&request);
    if (admin_attach(request.array, &segment) != 0)
        return EXIT_FAILED;
    int status = print_trace(&segment, &request);
    segment_done(&segment);
    return status;
}
