/*
 * anyport link: the links between controllers of a running array, and faults that are injected into
 * them.
 */
#include <argp.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config.h"
#include "shm/limits.h"
#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/words.h"

enum { KEY_FABRIC = 'f', KEY_LOSS = 'l', KEY_DELAY = 'd', KEY_JSON = 'j' };

struct request {
    const char *what;
    const char *source, *target; /* NULL: all */
    const char *array;
    json_t *params;
    bool json;
};

/* --- the command line --- */

/* "2" or "c2" is a controller; "all" is none in particular. */
static void set_controller(struct request *request, const char *key, const char *word,
                           struct argp_state *state)
{
    const char *digits = word[0] == 'c' ? word + 1 : word;
    char *end;

    if (strcmp(word, "all") == 0)
        return;
    unsigned long number = strtoul(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || number >= CONTROLLERS_MAX)
        argp_error(state, "%s: not a controller; allowed: 0, c0, ..., or all", word);
    (void)json_object_set_new(request->params, key, json_integer((json_int_t)number));
}

/* "10", "10%", "0.5": per cent. */
static void set_loss(struct request *request, const char *word, struct argp_state *state)
{
    char *end;
    double percent = strtod(word, &end);

    if (end == word || (*end != '\0' && strcmp(end, "%") != 0) || !(percent >= 0) || percent > 100)
        argp_error(state, "--loss %s: allowed: 0 to 100, per cent", word);
    (void)json_object_set_new(request->params, "loss",
                              json_integer((json_int_t)(percent * 10 + 0.5)));
}

static void set_delay(struct request *request, const char *word, struct argp_state *state)
{
    uint64_t ns = 0;

    if (config_parse_time(word, &ns) != 0 || ns > INTERCONNECT_TIME_NS_MAX)
        argp_error(state, "--delay %s: allowed: a time such as 500ns, 5us or 1ms, up to 10s", word);
    (void)json_object_set_new(request->params, "delay", json_integer((json_int_t)ns));
}

static void take_word(struct request *request, const char *word, struct argp_state *state)
{
    if (request->what != NULL && strcmp(request->what, "list") == 0)
        words_take(word, state, WORDS(&request->array));
    else
        words_take(word, state,
                   WORDS(&request->what, &request->source, &request->target, &request->array));
}

static void check(struct request *request, struct argp_state *state)
{
    const char *what = request->what != NULL ? request->what : "what?";
    bool fails = strcmp(what, "fail") == 0, repairs = strcmp(what, "repair") == 0;

    if (!fails && !repairs && strcmp(what, "list") != 0)
        argp_error(state, "%s: unknown; allowed: list, fail, repair", what);
    if (request->json && (fails || repairs))
        argp_error(state, "--json is for list");
    if (!fails && (json_object_get(request->params, "loss") != NULL ||
                   json_object_get(request->params, "delay") != NULL))
        argp_error(state, "--loss and --delay are for fail");
    if (!fails && !repairs && json_object_get(request->params, "fabric") != NULL)
        argp_error(state, "--fabric is for fail and repair");
    if (!fails && !repairs)
        return;
    if (request->target == NULL)
        argp_error(state, "which link? SOURCE and TARGET; allowed: controllers, or all");
    set_controller(request, "source", request->source, state);
    set_controller(request, "target", request->target, state);
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case KEY_JSON:
        request->json = true;
        return 0;
    case KEY_FABRIC:
        if (strcmp(argument, "primary") != 0 && strcmp(argument, "redundant") != 0)
            argp_error(state, "--fabric %s: allowed: primary, redundant", argument);
        (void)json_object_set_new(request->params, "fabric", json_string(argument));
        return 0;
    case KEY_LOSS:
        set_loss(request, argument, state);
        return 0;
    case KEY_DELAY:
        set_delay(request, argument, state);
        return 0;
    case ARGP_KEY_ARG:
        take_word(request, argument, state);
        return 0;
    case ARGP_KEY_END:
        check(request, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"fabric", KEY_FABRIC, "FABRIC", 0, "primary or redundant; without it, both", 0},
    {"loss", KEY_LOSS, "PERCENT", 0, "fail: lose so many doorbells, and repeat as many", 0},
    {"delay", KEY_DELAY, "TIME", 0, "fail: let everything arrive so much later", 0},
    {"json", KEY_JSON, NULL, 0, "list: print one JSON object with a version field", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "list [ARRAY]\nfail SOURCE TARGET [ARRAY]\nrepair SOURCE TARGET [ARRAY]",
    "List the links between the controllers of a running array, make them fail, repair them.\v"
    "SOURCE and TARGET are numbers of controllers, or all. ARRAY is its run-dir or its admin "
    "socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

/* --- listing --- */

static int64_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value != NULL ? value : "-";
}

static void print_link(const json_t *one)
{
    printf("c%-4" PRId64 " c%-4" PRId64 " %-9s %-6s %5.1f%% %9" PRId64 " %11" PRId64 " %9" PRId64
           " %9" PRId64 " %9" PRId64,
           number(one, "from"), number(one, "to"), text(one, "fabric"), text(one, "state"),
           100 * json_real_value(json_object_get(one, "loss")), number(one, "delay_ns") / 1000,
           number(one, "sent"), number(one, "lost"), number(one, "moved"), number(one, "relayed"));
    if (json_object_get(one, "utilisation") != NULL)
        printf(" %6.1f%% %10" PRId64 " %10" PRId64,
               100 * json_real_value(json_object_get(one, "utilisation")),
               number(one, "queued_mean_ns") / 1000, number(one, "queued_max_ns") / 1000);
    putchar('\n');
}

static void print_links(const json_t *result)
{
    const json_t *interconnect = json_object_get(result, "interconnect"), *one;
    bool modelled = json_object_get(interconnect, "bandwidth") != NULL;
    size_t i;

    printf("model %s%s\n", text(interconnect, "model"),
           json_is_true(json_object_get(interconnect, "share")) ? ", fabrics share the load" : "");
    printf("%-5s %-5s %-9s %-6s %6s %9s %11s %9s %9s %9s%s\n", "FROM", "TO", "FABRIC", "STATE",
           "LOSS", "DELAY-US", "SENT", "LOST", "MOVED", "RELAYED",
           modelled ? "    BUSY  QUEUED-US     MAX-US" : "");
    json_array_foreach(json_object_get(result, "links"), i, one) print_link(one);
}

/* --- doing it --- */

static int list(const struct request *request, const char *path)
{
    json_t *result = admin_call(path, "link.list", NULL);

    if (result == NULL)
        return EXIT_FAILED;
    if (request->json) {
        json_dumpf(result, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_links(result);
    }
    json_decref(result);
    return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_FINE;
}

static int change(const struct request *request, const char *path)
{
    const char *method = strcmp(request->what, "fail") == 0 ? "link.fail" : "link.repair";
    json_t *result = admin_call_with(path, method, json_incref(request->params));

    if (result == NULL)
        return EXIT_FAILED;
    printf("%" PRId64 " links\n", number(result, "links"));
    json_decref(result);
    return EXIT_FINE;
}

int verb_link(int argc, char **argv)
{
    struct request request = {.params = json_object()};
    char path_buffer[PATH_BYTES_MAX + 1];

    if (request.params == NULL)
        return EXIT_FAILED;
    argp_parse(&parser, argc, argv, 0, NULL, &request);
    const char *path = admin_path(request.array, path_buffer, sizeof path_buffer);
    int status = strcmp(request.what, "list") == 0 ? list(&request, path) : change(&request, path);
    json_decref(request.params);
    return status;
}
