/*
 * anyport element: what is done to an element of a running array.
 */
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"

struct request {
    const char *what;
    const char *name;
    const char *array;
    bool json;
};

static error_t take_word(struct request *request, char *word, struct argp_state *state)
{
    if (request->what == NULL)
        request->what = word;
    else if (request->name == NULL)
        request->name = word;
    else if (request->array == NULL)
        request->array = word;
    else
        argp_error(state, "%s: one array only", word);
    return 0;
}

static void check(const struct request *request, struct argp_state *state)
{
    if (request->what == NULL || strcmp(request->what, "fail") != 0)
        argp_error(state, "%s: unknown; allowed: list, fail",
                   request->what != NULL ? request->what : "what?");
    else if (request->name == NULL)
        argp_error(state, "which element?");
    else if (request->json)
        argp_error(state, "--json is for list");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
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
    {"json", 'j', NULL, 0, "list: print one JSON object with a version field", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "list [ARRAY]\nfail NAME [ARRAY]",
    "List the elements of a running array, or change one.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

int verb_element(int argc, char **argv)
{
    struct request request = {0};
    char path[4096];

    if (argc > 1 && strcmp(argv[1], "list") == 0)
        return verb_element_list(argc, argv);
    argp_parse(&parser, argc, argv, 0, NULL, &request);
    json_t *result = admin_call_with(admin_path(request.array, path, sizeof path), "element.fail",
                                     json_pack("{s:s}", "name", request.name));
    if (result == NULL)
        return EXIT_FAILED;
    json_decref(result);
    return EXIT_FINE;
}
