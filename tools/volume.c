/*
 * anyport volume: the volumes of a running array; list them, create and delete one.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/words.h"

struct request {
    const char *what, *name, *array;
    json_t *params;
    bool describes; /* an option said something of a new volume */
};

enum { OPTION_READ_ONLY = 256, OPTION_EXPORT, OPTION_NO_EXPORT, OPTION_ROTATIONAL };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "list:", 1},
    {"json", 'j', NULL, 0, "Print one JSON object with a version field", 1},
    {NULL, 0, NULL, 0, "create, a plain volume:", 2},
    {"element", 'e', "NAME", 0, "The element that it is a range of", 2},
    {"offset", 'o', "SIZE", 0, "Where it begins there; default: 0", 2},
    {"size", 's', "SIZE", 0, "Its size; default: up to the element's end", 2},
    {NULL, 0, NULL, 0, "create, a virtual volume:", 3},
    {"layout", 'l', "LAYOUT", 0, "concat, stripe, mirror, raid10, raid5, raid6", 3},
    {"members", 'm', "NAMES", 0, "Plain volumes, with commas between them", 3},
    {"chunk", 'c', "SIZE", 0, "What lies in one piece on one member; default: 64KiB", 3},
    {"copies", 'n', "COUNT", 0, "Of each byte of a raid10; default: 2", 3},
    {NULL, 0, NULL, 0, "create, any:", 4},
    {"description", 'd', "TEXT", 0, "Shown to hosts that ask for it", 4},
    {"read-only", OPTION_READ_ONLY, NULL, 0, "Hosts cannot change it", 4},
    {"export", OPTION_EXPORT, NULL, 0, "Hosts see it; the default", 4},
    {"no-export", OPTION_NO_EXPORT, NULL, 0, "Hosts do not see it", 4},
    {"rotational", OPTION_ROTATIONAL, NULL, 0, "Hosts are told that it is a rotating disk", 4},
    {0}};

static void say(struct argp_state *state, const char *key, json_t *value)
{
    struct request *request = state->input;

    request->describes = true;
    if (json_object_set_new(request->params, key, value) != 0)
        argp_error(state, "--%s: not UTF-8", key);
}

/* NULL: one is not UTF-8. */
static json_t *list_of_names(const char *text)
{
    json_t *list = json_array();

    for (;;) {
        size_t bytes = strcspn(text, ",");
        if (json_array_append_new(list, json_stringn(text, bytes)) != 0) {
            json_decref(list);
            return NULL;
        }
        if (text[bytes] == '\0')
            return list;
        text += bytes + 1;
    }
}

static json_t *count_of(const char *text, struct argp_state *state)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || count > UINT32_MAX)
        argp_error(state, "%s: not a number", text);
    return json_integer((json_int_t)count);
}

static void check(const struct request *request, struct argp_state *state)
{
    const char *what = request->what != NULL ? request->what : "what?";
    bool creates = strcmp(what, "create") == 0;

    if (!creates && strcmp(what, "delete") != 0)
        argp_error(state, "%s: unknown; allowed: list, create, delete", what);
    else if (request->name == NULL)
        argp_error(state, "which volume?");
    else if (!creates && request->describes)
        argp_error(state, "delete takes no options but a name");
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'j':
        argp_error(state, "--json is for list");
        return 0;
    case 'm':
        say(state, "members", list_of_names(argument));
        return 0;
    case 'n':
        say(state, "copies", count_of(argument, state));
        return 0;
    case OPTION_READ_ONLY:
        say(state, "read-only", json_true());
        return 0;
    case OPTION_EXPORT:
    case OPTION_NO_EXPORT:
        say(state, "export", json_boolean(key == OPTION_EXPORT));
        return 0;
    case OPTION_ROTATIONAL:
        say(state, "rotational", json_true());
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->what, &request->name, &request->array));
        return 0;
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        break;
    }
    for (const struct argp_option *option = options; argument != NULL && option->doc != NULL;
         option++) {
        if (option->key == key && option->name != NULL) {
            say(state, option->name, json_string(argument));
            return 0;
        }
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp parser = {
    options,
    parse_option,
    "list [ARRAY]\ncreate NAME OPTION... [ARRAY]\ndelete NAME [ARRAY]",
    "List the volumes of a running array, create one, or delete one. A size, a name and a number "
    "are written as in the configuration.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

int verb_volume(int argc, char **argv)
{
    struct request request = {.params = json_object()};
    char path[4096];

    if (argc > 1 && strcmp(argv[1], "list") == 0) {
        json_decref(request.params);
        return verb_volume_list(argc, argv);
    }
    argp_parse(&parser, argc, argv, 0, NULL, &request);
    (void)json_object_set_new(request.params, "name", json_string(request.name));
    const char *method = strcmp(request.what, "create") == 0 ? "volume.create" : "volume.delete";
    json_t *result =
        admin_call_with(admin_path(request.array, path, sizeof path), method, request.params);
    if (result == NULL)
        return EXIT_FAILED;
    json_decref(result);
    return EXIT_FINE;
}
