/*
 * anyport status, anyport controller list, element list, volume list: what a running array says of
 * itself.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/size_text.h"
#include "tools/words.h"

enum { NUMBER_BYTES = 24 };

struct request {
    bool json;
    const char *verb; /* the word behind volume, controller: NULL for status */
    const char *verb_allowed;
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
        if (request->verb_allowed == NULL)
            words_take(argument, state, WORDS(&request->array));
        else
            words_take(argument, state, WORDS(&request->verb, &request->array));
        if (request->verb != NULL && strcmp(request->verb, request->verb_allowed) != 0)
            argp_error(state, "%s: unknown; allowed: %s", request->verb, request->verb_allowed);
        return 0;
    case ARGP_KEY_END:
        if (request->verb_allowed != NULL && request->verb == NULL)
            argp_error(state, "what? allowed: %s", request->verb_allowed);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print one JSON object with a version field", 0}, {0}};

static const char array_help[] =
    "\vARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.";

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "-";
}

static void print_controllers(const json_t *result)
{
    const json_t *one;
    size_t i;

    printf("%-11s %-9s %8s %11s %11s %13s %12s\n", "CONTROLLER", "STATE", "PID", "CONNECTIONS",
           "EXECUTED", "REDIRECTED-OUT", "REDIRECTED-IN");
    json_array_foreach(json_object_get(result, "controllers"), i, one) printf(
        "c%-10" PRId64 " %-9s %8" PRId64 " %11" PRId64 " %11" PRId64 " %14" PRId64 " %13" PRId64
        "\n",
        number(one, "id"), text(one, "state"), number(one, "pid"), number(one, "connections"),
        number(one, "executed"), number(one, "redirected_out"), number(one, "redirected_in"));
}

/* "c2", or "c2(c1)": owned by c2, and the configuration says c1. */
static const char *element_owner(const json_t *element, char into[2 * NUMBER_BYTES])
{
    int64_t now = number(element, "controller"), home = number(element, "configured_controller");

    if (now == home)
        snprintf(into, 2 * NUMBER_BYTES, "c%" PRId64, now);
    else
        snprintf(into, 2 * NUMBER_BYTES, "c%" PRId64 "(c%" PRId64 ")", now, home);
    return into;
}

static void print_elements(const json_t *result)
{
    char size[SIZE_TEXT_BYTES], owner[2 * NUMBER_BYTES];
    const json_t *one;
    size_t i;

    printf("%-20s %-10s %-11s %10s %-8s %11s %11s %7s\n", "ELEMENT", "CONTROLLER", "STATE", "SIZE",
           "IO", "READS", "WRITES", "ERRORS");
    json_array_foreach(json_object_get(result, "elements"), i, one)
        printf("%-20s %-10s %-11s %10s %-8s %11" PRId64 " %11" PRId64 " %7" PRId64 "\n",
               text(one, "name"), element_owner(one, owner), text(one, "state"),
               size_text((uint64_t)number(one, "size"), size), text(one, "io"),
               number(one, "reads"), number(one, "writes"), number(one, "errors"));
}

/* "-" of a virtual volume, which no single controller owns. */
static const char *owner_of(const json_t *one, char into[NUMBER_BYTES])
{
    if (json_object_get(one, "controller") == NULL)
        return "-";
    snprintf(into, NUMBER_BYTES, "c%" PRId64, number(one, "controller"));
    return into;
}

/* A member that is not online says so: "vol0 vol1(failed) vol2". */
static void print_members(const json_t *members)
{
    const json_t *one;
    size_t i;

    json_array_foreach(members, i, one)
    {
        bool online = strcmp(text(one, "state"), "online") == 0;
        printf(" %s%s%s%s", text(one, "name"), online ? "" : "(", online ? "" : text(one, "state"),
               online ? "" : ")");
    }
    putchar('\n');
}

/* Below its volume: "rebuild running: 12% of 1GiB, 100MiB a second, 9 s left". */
static void print_job(const json_t *job)
{
    char size[SIZE_TEXT_BYTES], rate[SIZE_TEXT_BYTES];
    int64_t end = number(job, "end"), position = number(job, "position");
    const json_t *left = json_object_get(job, "seconds_left");

    if (job == NULL)
        return;
    printf("  %s %s: %" PRId64 "%% of %s", text(job, "kind"), text(job, "state"),
           end > 0 ? position * 100 / end : 0, size_text((uint64_t)end, size));
    if (number(job, "rate") > 0)
        printf(", %s a second", size_text((uint64_t)number(job, "rate"), rate));
    if (left != NULL)
        printf(", %.0f s left", json_real_value(left));
    if (json_object_get(job, "error") != NULL)
        printf(": %s", text(job, "error"));
    putchar('\n');
}

static void print_virtual(const json_t *result)
{
    const char *const heading = "\n%-20s %-8s %-10s %10s  %s\n";
    char chunk[SIZE_TEXT_BYTES];
    bool any = false;
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "volumes"), i, one)
    {
        if (json_object_get(one, "layout") == NULL)
            continue;
        if (!any)
            printf(heading, "VIRTUAL VOLUME", "LAYOUT", "STATE", "CHUNK", "MEMBERS");
        any = true;
        bool chunked = number(one, "chunk") != 0;
        printf("%-20s %-8s %-10s %10s ", text(one, "name"), text(one, "layout"), text(one, "state"),
               chunked ? size_text((uint64_t)number(one, "chunk"), chunk) : "-");
        print_members(json_object_get(one, "members"));
        print_job(json_object_get(one, "job"));
    }
}

static void print_volumes(const json_t *result)
{
    char size[SIZE_TEXT_BYTES], owner[NUMBER_BYTES];
    const json_t *one;
    size_t i;

    printf("%-20s %-20s %-10s %10s %11s %11s %7s\n", "VOLUME", "ELEMENT", "CONTROLLER", "SIZE",
           "READS", "WRITES", "ERRORS");
    json_array_foreach(json_object_get(result, "volumes"), i, one) printf(
        "%-20s %-20s %-10s %10s %11" PRId64 " %11" PRId64 " %7" PRId64 "\n", text(one, "name"),
        text(one, "element"), owner_of(one, owner), size_text((uint64_t)number(one, "size"), size),
        number(one, "reads"), number(one, "writes"), number(one, "errors"));
    print_virtual(result);
}

static bool has_virtual(const json_t *result)
{
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(result, "volumes"), i, one)
    {
        if (json_object_get(one, "layout") != NULL)
            return true;
    }
    return false;
}

/* Where nothing is virtual, nothing is ever reserved. */
static void print_coordination(const json_t *result)
{
    const json_t *coordination = json_object_get(result, "coordination");
    const json_t *total = json_object_get(coordination, "total");
    char region[SIZE_TEXT_BYTES];

    if (!has_virtual(result))
        return;
    printf("\ncoordination %s, regions of %s: %" PRId64 " reserved, %" PRId64 " held; "
           "since the start %" PRId64 " granted, %" PRId64 " held, %" PRId64 " handed off\n",
           text(coordination, "policy"),
           size_text((uint64_t)number(coordination, "region"), region),
           number(coordination, "reservations"), number(coordination, "held_commands"),
           number(total, "granted"), number(total, "held"), number(total, "handed_off"));
}

/* Each controller's own: how much of it is in use. */
static void print_journal(const json_t *result)
{
    const json_t *journal = json_object_get(result, "journal"), *one;
    char size[SIZE_TEXT_BYTES], used[SIZE_TEXT_BYTES];
    size_t i;

    if (strcmp(text(journal, "state"), "none") == 0)
        return;
    printf("\njournal %s, %s for each controller:", text(journal, "state"),
           size_text((uint64_t)number(journal, "size"), size));
    json_array_foreach(json_object_get(result, "controllers"), i, one)
        printf("%s c%" PRId64 " %s", i > 0 ? "," : "", number(one, "id"),
               size_text((uint64_t)number(one, "journal_used_bytes"), used));
    printf(" in use\n");
}

static void print_status(const json_t *result)
{
    printf("array %s\n\n", text(result, "array"));
    print_controllers(result);
    putchar('\n');
    print_elements(result);
    putchar('\n');
    print_volumes(result);
    print_coordination(result);
    print_journal(result);
}

static int ask(const struct request *request, const char *method, void (*print)(const json_t *))
{
    char path[4096];
    json_t *result = admin_call(admin_path(request->array, path, sizeof path), method, NULL);

    if (result == NULL)
        return EXIT_FAILED;
    if (request->json) {
        json_dumpf(result, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print(result);
    }
    json_decref(result);
    return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_FINE;
}

int verb_status(int argc, char **argv)
{
    const struct argp parser = {options, parse_option, "[ARRAY]", array_help, NULL, NULL, NULL};
    struct request request = {0};

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    return ask(&request, "status", print_status);
}

static int verb_list(int argc, char **argv, const char *method, void (*print)(const json_t *))
{
    const struct argp parser = {options, parse_option, "list [ARRAY]", array_help, NULL,
                                NULL,    NULL};
    struct request request = {.verb_allowed = "list"};

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    return ask(&request, method, print);
}

int verb_volume_list(int argc, char **argv)
{
    return verb_list(argc, argv, "volume.list", print_volumes);
}

int verb_element_list(int argc, char **argv)
{
    return verb_list(argc, argv, "element.list", print_elements);
}

/* "2026-01-31 12:00:00", or "-" where there was no life yet. */
static const char *time_text(int64_t seconds, char into[NUMBER_BYTES])
{
    struct tm broken;
    time_t time = (time_t)seconds;

    if (seconds == 0 || localtime_r(&time, &broken) == NULL ||
        strftime(into, NUMBER_BYTES, "%F %T", &broken) == 0)
        return "-";
    return into;
}

/* As seats: who sits there, since when, and what it owns. */
static void print_seats(const json_t *result)
{
    char since[NUMBER_BYTES];
    const json_t *one;
    size_t i;

    printf("%-11s %-9s %8s %6s %-19s %8s %8s %11s\n", "CONTROLLER", "STATE", "PID", "EPOCH",
           "SINCE", "RESTARTS", "ELEMENTS", "CONNECTIONS");
    json_array_foreach(json_object_get(result, "controllers"), i, one) printf(
        "c%-10" PRId64 " %-9s %8" PRId64 " %6" PRId64 " %-19s %8" PRId64 " %8zu %11" PRId64 "\n",
        number(one, "id"), text(one, "state"), number(one, "pid"), number(one, "epoch"),
        time_text(number(one, "since"), since), number(one, "restarts"),
        json_array_size(json_object_get(one, "elements")), number(one, "connections"));
}

int verb_controller_list(int argc, char **argv)
{
    return verb_list(argc, argv, "controller.list", print_seats);
}
