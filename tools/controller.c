/*
 * anyport controller: what is done to a controller of a running array.
 */
#include <argp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/limits.h"
#include "tools/admin_client.h"
#include "tools/anyport.h"

struct request {
    const char *what;
    const char *id_text;
    const char *array;
    int id;
    bool force, json;
};

static error_t take_word(struct request *request, char *word, struct argp_state *state)
{
    if (request->what == NULL)
        request->what = word;
    else if (request->id_text == NULL)
        request->id_text = word;
    else if (request->array == NULL)
        request->array = word;
    else
        argp_error(state, "%s: one array only", word);
    return 0;
}

static bool is(const struct request *request, const char *what)
{
    return request->what != NULL && strcmp(request->what, what) == 0;
}

/* "1", or "c1" as lists show it. -1: neither. */
static int id_of(const char *text)
{
    char *end;

    if (text[0] == 'c')
        text++;
    if (text[0] < '0' || text[0] > '9')
        return -1;
    long id = strtol(text, &end, 10);
    return *end == '\0' && id < CONTROLLERS_MAX ? (int)id : -1;
}

static void check(struct request *request, struct argp_state *state)
{
    if (!is(request, "kill") && !is(request, "stop") && !is(request, "start"))
        argp_error(state, "%s: unknown; allowed: list, kill, stop, start",
                   request->what != NULL ? request->what : "what?");
    else if (request->id_text == NULL)
        argp_error(state, "which controller?");
    else if ((request->id = id_of(request->id_text)) < 0)
        argp_error(state, "%s: no controller; allowed: its number, from 0 to %d", request->id_text,
                   CONTROLLERS_MAX - 1);
    else if (request->json)
        argp_error(state, "--json is for list");
    else if (request->force && !is(request, "kill"))
        argp_error(state, "--force is for kill");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'f':
        request->force = true;
        return 0;
    case 'j':
        request->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return take_word(request, argument, state);
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"force", 'f', NULL, 0, "kill: also the last one that runs; the array ends then", 0},
    {"json", 'j', NULL, 0, "list: print one JSON object with a version field", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "list [ARRAY]\nkill N [ARRAY]\nstop N [ARRAY]\nstart N [ARRAY]",
    "List the controllers of a running array, or do something to one.\v"
    "N is the controller's number. ARRAY is the array's run-dir or its admin socket; without it, "
    "$ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

static json_t *params_of(const struct request *request)
{
    json_t *params = json_pack("{s:i}", "id", request->id);

    if (request->force)
        (void)json_object_set_new(params, "force", json_true());
    return params;
}

int verb_controller(int argc, char **argv)
{
    struct request request = {0};
    char path[PATH_MAX], method[32];

    if (argc > 1 && strcmp(argv[1], "list") == 0)
        return verb_controller_list(argc, argv);
    argp_parse(&parser, argc, argv, 0, NULL, &request);
    snprintf(method, sizeof method, "controller.%s", request.what);
    json_t *result =
        admin_call_with(admin_path(request.array, path, sizeof path), method, params_of(&request));
    if (result == NULL)
        return EXIT_FAILED;
    json_decref(result);
    return EXIT_FINE;
}
