/*
 * anyport locks: which ranges are reserved now, by whom, and who is held for them. It reads the
 * coordination table where the controllers have it, through a read-only view of the segment.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/reservations.h"
#include "tools/words.h"

enum { NUMBER_BYTES = 24 };

struct request {
    bool json;
    const char *array;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'j':
        request->json = true;
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->array));
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option known_options[] = {
    {"json", 'j', NULL, 0, "Print one JSON object with a version field", 0}, {0}};

static const struct argp parser = {
    known_options,
    parse_option,
    "[ARRAY]",
    "Print the reservations that commands on virtual volumes have now, and the commands that are "
    "held for them: VOLUME, what the range is OF (the volume or, with parity, its members), "
    "CONTROLLER, MODE (shared, exclusive), OFFSET and LENGTH in bytes, STATE (pending, reserved, "
    "held, handed), and for how long a command has been HELD.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

static const char *duration(uint64_t ns, char into[NUMBER_BYTES])
{
    if (ns < 1000000)
        snprintf(into, NUMBER_BYTES, "%.1f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(into, NUMBER_BYTES, "%.1f ms", (double)ns / 1e6);
    else
        snprintf(into, NUMBER_BYTES, "%.1f s", (double)ns / 1e9);
    return into;
}

static void print_list(const struct reservations *list, const struct segment *segment)
{
    char owner[NUMBER_BYTES], held[NUMBER_BYTES];
    uint64_t held_ns;

    printf("%-20s %-7s %-10s %-9s %15s %10s %-8s %9s\n", "VOLUME", "OF", "CONTROLLER", "MODE",
           "OFFSET", "LENGTH", "STATE", "HELD");
    for (size_t i = 0; i < list->count; i++) {
        const struct reserve_view *view = &list->views[i];
        bool is_held = reservation_is_held(list, view, &held_ns);
        snprintf(owner, sizeof owner, "c%" PRIu32, view->seat);
        printf("%-20s %-7s %-10s %-9s %15" PRIu64 " %10" PRIu64 " %-8s %9s\n",
               reservation_volume(segment, view), reservation_of(segment, view), owner,
               reservation_mode(view), view->offset_bytes, view->length_bytes,
               reservation_state(view), is_held ? duration(held_ns, held) : "-");
    }
}

static int print_json(const struct reservations *list, const struct segment *segment)
{
    json_t *object = reservations_json(list, segment);
    int failed = object == NULL || json_dumpf(object, stdout, JSON_INDENT(2)) != 0;

    json_decref(object);
    putchar('\n');
    return failed ? EXIT_FAILED : EXIT_FINE;
}

static int print_now(const struct segment *segment, bool json)
{
    struct reservations list;
    int status = EXIT_FINE;
    int error = reservations_read(&list, segment);

    if (error != 0) {
        fprintf(stderr, "anyport: cannot list the reservations: %s\n", strerror(-error));
        return EXIT_FAILED;
    }
    if (json)
        status = print_json(&list, segment);
    else
        print_list(&list, segment);
    reservations_done(&list);
    return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILED : status;
}

int verb_locks(int argc, char **argv)
{
    struct request request = {0};
    struct segment segment;

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    if (admin_attach(request.array, &segment) != 0)
        return EXIT_FAILED;
    int status = print_now(&segment, request.json);
    segment_done(&segment);
    return status;
}
