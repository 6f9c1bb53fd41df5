/*
 * anyport dump: the configuration of a running array, as it is now.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/admin_client.h"
#include "tools/anyport.h"
#include "tools/words.h"

struct request {
    const char *array;
    const char *output; /* NULL: standard output */
    bool force;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct request *request = state->input;

    switch (key) {
    case 'o':
        request->output = argument;
        return 0;
    case 'f':
        request->force = true;
        return 0;
    case ARGP_KEY_ARG:
        words_take(argument, state, WORDS(&request->array));
        return 0;
    case ARGP_KEY_END:
        if (request->force && request->output == NULL)
            argp_error(state, "--force is for --output");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write FILE, which must not exist", 0},
    {"force", 'f', NULL, 0, "Replace FILE when it exists", 0},
    {0}};

static const struct argp parser = {
    options,
    parse_option,
    "[ARRAY]",
    "Write the configuration of a running array, as it is now, as YAML that starts the same array. "
    "Every path in it is absolute, so it may be put anywhere.\v"
    "ARRAY is its run-dir or its admin socket; without it, $ANYPORT_ADMIN.",
    NULL,
    NULL,
    NULL};

static int write_all(int fd, const char *text)
{
    size_t bytes = strlen(text);

    while (bytes > 0) {
        ssize_t put = write(fd, text, bytes);
        if (put < 0 && errno != EINTR)
            return -errno;
        text += put > 0 ? put : 0;
        bytes -= put > 0 ? (size_t)put : 0;
    }
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS ? 0 : -errno;
}

/* A file of its own beside the one to be replaced; `path` has room for what is appended. */
static int open_beside(char *path)
{
    mode_t mask = umask(0);

    (void)umask(mask);
    int fd = mkostemp(strcat(path, ".XXXXXX"), O_CLOEXEC);
    if (fd >= 0)
        (void)fchmod(fd, 0666 & ~mask);
    return fd < 0 ? -errno : fd;
}

/* The text is whole in a file before that becomes `output`; a name that is taken stays as it is
 * unless it is to be replaced. */
static int write_file(const char *output, bool force, const char *text)
{
    char *beside = malloc(strlen(output) + sizeof ".XXXXXX");
    int fd = beside == NULL ? -ENOMEM : open_beside(strcpy(beside, output));
    int error = fd < 0 ? fd : write_all(fd, text);

    if (fd >= 0 && close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0 && (force ? rename(beside, output) : link(beside, output)) < 0)
        error = -errno;
    if (fd >= 0 && (error != 0 || !force))
        (void)unlink(beside);
    free(beside);
    return error;
}

static int put(const struct request *request, const char *text)
{
    if (request->output == NULL) {
        fputs(text, stdout);
        return ferror(stdout) || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_FINE;
    }
    int error = write_file(request->output, request->force, text);
    if (error == 0)
        return EXIT_FINE;
    fprintf(stderr, "anyport: %s: %s%s\n", request->output, strerror(-error),
            error == -EEXIST ? "; allowed: another name, or --force to replace it" : "");
    return EXIT_FAILED;
}

int verb_dump(int argc, char **argv)
{
    struct request request = {0};
    char path[4096];

    argp_parse(&parser, argc, argv, 0, NULL, &request);
    json_t *result = admin_call(admin_path(request.array, path, sizeof path), "dump", NULL);
    if (result == NULL)
        return EXIT_FAILED;
    const char *text = json_string_value(json_object_get(result, "yaml"));
    int status = EXIT_FAILED;
    if (text != NULL)
        status = put(&request, text);
    else
        fputs("anyport: the answer has no configuration in it\n", stderr);
    json_decref(result);
    return status;
}
