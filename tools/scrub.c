/*
 * anyport scrub: do the members of a redundant volume agree?
 */
#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/words.h"

enum { EXIT_DIFFER = 3, LOOK_MS = 100 };

struct request {
    const char *name, *array;
    bool repair, wait;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'r':
        request->repair = true;
        return 0;
    case 'w':
        request->wait = true;
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->name, &request->array));
        return 0;
    case ARGP_KEY_END:
        if (request->name == NULL)
            argp_error(state, "which volume?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"repair", 'r', NULL, 0, "Make equal what differs", 0},
    {"wait", 'w', NULL, 0, "Wait for the end, and say what was found", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "VOLUME [ARRAY]",
    "Compare what the members of a mirror, raid10, raid5 or raid6 hold, while hosts go on.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.\n"
    "Exit status: 0; 1 when it did not work; 2 when the command line is wrong; with --wait also 3 "
    "when something differed.",
    NULL,
    NULL,
    NULL};

/* The job of the volume, a new reference, or NULL. */
static json_t *job_of(const char *path, const char *name)
{
    json_t *list = admin_call(path, "volume.list", NULL), *job = NULL;
    const json_t *one;
    size_t i;

    json_array_foreach(json_object_get(list, "volumes"), i, one)
    {
        const char *its_name = json_string_value(json_object_get(one, "name"));
        if (its_name != NULL && strcmp(its_name, name) == 0)
            job = json_incref(json_object_get(one, "job"));
    }
    json_decref(list);
    return job;
}

static bool is_under_way(const json_t *job)
{
    const char *state = json_string_value(json_object_get(job, "state"));

    return state != NULL && (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0);
}

static int report(const struct request *request, const json_t *job)
{
    const char *state = json_string_value(json_object_get(job, "state"));
    int64_t found = json_integer_value(json_object_get(job, "found"));
    int64_t repaired = json_integer_value(json_object_get(job, "repaired"));

    if (state == NULL || strcmp(state, "done") != 0) {
        const char *why = json_string_value(json_object_get(job, "error"));
        fprintf(stderr, "anyport: volume %s: the scrub has failed: %s\n", request->name,
                why != NULL ? why : "nobody knows of it any more");
        return EXIT_FAILED;
    }
    printf("volume %s: %" PRId64 " block%s differed, %" PRId64 " repaired\n", request->name, found,
           found == 1 ? "" : "s", repaired);
    return found == 0 ? EXIT_FINE : EXIT_DIFFER;
}

static int wait_for_end(const struct request *request, const char *path)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    json_t *job = job_of(path, request->name);

    while (is_under_way(job)) {
        (void)nanosleep(&pause, NULL);
        json_decref(job);
        job = job_of(path, request->name);
    }
    int status = report(request, job);
    json_decref(job);
    return status;
}

int verb_scrub(int argc, char **argv)
{
    struct request request = {0};
    char buffer[4096];

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    const char *path = admin_path(request.array, buffer, sizeof buffer);
    json_t *result =
        admin_call_with(path, "scrub.start",
                        json_pack("{s:s, s:b}", "name", request.name, "repair", request.repair));
    if (result == NULL)
        return EXIT_FAILED;
    json_decref(result);
    return request.wait ? wait_for_end(&request, path) : EXIT_FINE;
}
