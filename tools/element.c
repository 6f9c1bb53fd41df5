/*
 * anyport element: what is done to an element of a running array.
 */
#include <argp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/config.h"
#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/words.h"

struct request {
    const char *what;
    const char *name;
    const char *array;
    const char *image;
    const char *to; /* the number of a controller */
    uint64_t size_bytes;
    bool force, json;
};

static bool is(const struct request *request, const char *what)
{
    return request->what != NULL && strcmp(request->what, what) == 0;
}

static void check(const struct request *request, struct argp_state *state)
{
    if (!is(request, "fail") && !is(request, "move") && !is(request, "replace"))
        argp_error(state, "%s: unknown; allowed: list, fail, move, replace",
                   request->what != NULL ? request->what : "what?");
    else if (request->name == NULL)
        argp_error(state, "which element?");
    else if (request->json)
        argp_error(state, "--json is for list");
    else if ((request->to != NULL) != is(request, "move"))
        argp_error(state, "--to is for move, which wants it: the controller's number");
    else if (request->force && !is(request, "fail"))
        argp_error(state, "--force is for fail");
    else if ((request->image != NULL || request->size_bytes != 0) && !is(request, "replace"))
        argp_error(state, "--image and --size are for replace");
    else if (request->size_bytes != 0 && request->image == NULL)
        argp_error(state, "--size is for a new image (--image)");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'f':
        request->force = true;
        return 0;
    case 'i':
        request->image = argument;
        return 0;
    case 't':
        if (argument[0] == '\0' || strspn(argument, "0123456789") != strlen(argument) ||
            strlen(argument) > 4)
            argp_error(state, "%s: no controller; allowed: its number", argument);
        request->to = argument;
        return 0;
    case 'j':
        request->json = true;
        return 0;
    case 's':
        if (config_parse_size(argument, &request->size_bytes) != 0 || request->size_bytes == 0)
            argp_error(state, "%s: no size; allowed: 1 or more bytes, as 64MiB", argument);
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->what, &request->name, &request->array));
        return 0;
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"force", 'f', NULL, 0, "fail: also where a volume is lost by it", 0},
    {"image", 'i', "FILE", 0, "replace: by a new image, which is created", 0},
    {"size", 's', "SIZE", 0, "replace: of the element on the new image (default: as it was)", 0},
    {"to", 't', "N", 0, "move: the controller that is to own the element", 0},
    {"json", 'j', NULL, 0, "list: print one JSON object with a version field", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "list [ARRAY]\nfail NAME [ARRAY]\nmove NAME --to N [ARRAY]\nreplace NAME [ARRAY]",
    "List the elements of a running array, or change one.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

/* The array runs in another folder. */
static json_t *absolute(const char *path)
{
    char folder[PATH_MAX];

    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL)
        return json_string(path);
    return json_sprintf("%s/%s", folder, path);
}

/* A path that JSON cannot hold must not be left out: the element would take the image it had. */
static bool can_be_sent(const struct request *request)
{
    json_t *image = request->image != NULL ? absolute(request->image) : json_null();

    if (image == NULL)
        fprintf(stderr, "anyport: --image: cannot be sent; allowed: a path in UTF-8\n");
    json_decref(image);
    return image != NULL;
}

static json_t *params_of(const struct request *request)
{
    json_t *params = json_pack("{s:s}", "name", request->name);

    if (request->to != NULL)
        (void)json_object_set_new(params, "controller", json_integer(atoll(request->to)));
    if (request->force)
        (void)json_object_set_new(params, "force", json_true());
    if (request->image != NULL)
        (void)json_object_set_new(params, "image", absolute(request->image));
    if (request->size_bytes != 0)
        (void)json_object_set_new(params, "size", json_integer((json_int_t)request->size_bytes));
    return params;
}

/* The configuration is the user's: what it must say is said here. */
static void say_replaced(const struct request *request, const json_t *result)
{
    const char *image = json_string_value(json_object_get(result, "image"));

    printf("element %s is online; members that are rebuilt: %" PRId64 "\n", request->name,
           (int64_t)json_integer_value(json_object_get(result, "members")));
    if (request->image != NULL && image != NULL)
        printf("write into the configuration, or the next start takes the old image, as stale:\n"
               "  {name: %s, image: %s, size: %" PRId64 ", ...}\n",
               request->name, image, (int64_t)json_integer_value(json_object_get(result, "size")));
}

int verb_element(int argc, char **argv)
{
    struct request request = {0};
    char path[PATH_MAX], method[32];

    if (argc > 1 && strcmp(argv[1], "list") == 0)
        return verb_element_list(argc, argv);
    argp_parse(&parser, argc, argv, 0, NULL, &request);
    if (!can_be_sent(&request))
        return EXIT_FAILED;
    snprintf(method, sizeof method, "element.%s", request.what);
    json_t *result =
        admin_call_with(admin_path(request.array, path, sizeof path), method, params_of(&request));
    if (result == NULL)
        return EXIT_FAILED;
    if (is(&request, "replace"))
        say_replaced(&request, result);
    json_decref(result);
    return EXIT_FINE;
}
