/*
 * anyport check: what anyport run would say about a configuration, without doing anything.
 */
#include <argp.h>
#include <stdio.h>

#include "controller/config/config.h"
#include "controller/config/images.h"
#include "tools/anyport.h"

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    const char **path = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (*path != NULL)
            argp_error(state, "%s: one configuration only", argument);
        *path = argument;
        return 0;
    case ARGP_KEY_END:
        if (*path == NULL)
            argp_error(state, "which configuration?");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    NULL,
    parse_option,
    "CONFIGURATION",
    "Check a configuration, and the images it names as far as they exist. Nothing is created.",
    NULL,
    NULL,
    NULL};

int verb_check(int argc, char **argv)
{
    const char *path = NULL;
    struct config_error why;
    struct config *config;

    argp_parse(&parser, argc, argv, 0, NULL, &path);
    int error = config_load(path, &config, &why);
    if (error == 0) {
        error = images_check(config, &why);
        if (error == 0)
            printf("%s: array %s: %u controllers, %u elements, %u volumes%s: good\n", path,
                   config->array, config->controllers, config->elements_count,
                   config->volumes_count, config->journal != NULL ? ", a journal" : "");
        config_free(config);
    }
    if (error == 0)
        return EXIT_FINE;
    fprintf(stderr, "anyport: %s\n", why.text);
    return EXIT_WRONG;
}
