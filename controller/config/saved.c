#include "controller/config/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/config_dump.h"
#include "controller/config/configurator.h"
#include "controller/config/refusal.h"

#define SAVED_NAME "array.yaml"
#define NEW_NAME   "array.yaml.new"

/* Relative paths are relative to the folder that the array was started in. */
static int dump_here(const struct config *config, char **ret_text)
{
    char *folder = getcwd(NULL, 0);
    const struct config_dump_wanted wanted = {.folder = folder, .omit = CONFIG_NONE};
    int error = folder == NULL ? -errno : config_dump(config, &wanted, ret_text);

    free(folder);
    return error;
}

int saved_text(const struct configurator *configurator, char **ret_text)
{
    struct config now = *configurator->config;

    now.elements = calloc(now.elements_count, sizeof *now.elements);
    if (now.elements == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < now.elements_count; i++) {
        now.elements[i] = configurator->config->elements[i];
        if (configurator->images.later[i] == NULL)
            continue;
        now.elements[i].image = configurator->images.later[i];
        /* relaxed: its owner has answered since it wrote it */
        now.elements[i].size_bytes =
            load_relaxed(&segment_element(&configurator->segment, i)->size_bytes);
    }
    int error = dump_here(&now, ret_text);
    free(now.elements);
    return error;
}

static int write_new(int folder, const char *text)
{
    int fd = openat(folder, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t bytes = strlen(text);

    if (fd < 0)
        return -errno;
    ssize_t written = write(fd, text, bytes);
    int error = written < 0 ? -errno : (size_t)written < bytes ? -ENOSPC : 0;
    close(fd);
    if (error == 0 && renameat(folder, NEW_NAME, folder, SAVED_NAME) < 0)
        error = -errno;
    return error;
}

/* Without it the array runs as well, and cannot be adopted. */
void saved_write(const struct configurator *configurator)
{
    char *text = NULL;
    int error = saved_text(configurator, &text);

    if (error == 0)
        error = write_new(configurator->sockets.run_dir_fd, text);
    if (error != 0)
        fprintf(stderr, "anyport: %s/" SAVED_NAME ": %s; nobody could take over from us\n",
                configurator->sockets.run_dir, strerror(-error));
    free(text);
}

void saved_remove(const struct array_sockets *sockets)
{
    (void)unlinkat(sockets->run_dir_fd, SAVED_NAME, 0);
    (void)unlinkat(sockets->run_dir_fd, NEW_NAME, 0);
}

static bool is_the_same_array(const struct config *named, const struct config *saved)
{
    return strcmp(named->array, saved->array) == 0 && named->controllers == saved->controllers;
}

int saved_load(const struct config *named, struct config **ret_config,
               struct config_error *ret_error)
{
    struct config *saved;
    char *path;

    if (asprintf(&path, "%s/" SAVED_NAME, named->run_dir) < 0)
        return refuse_array(named, ret_error, -ENOMEM, "not enough memory");
    int error = access(path, R_OK) == 0 ? config_load(path, &saved, ret_error) : -errno;
    if (error == -ENOENT)
        (void)refuse_array(named, ret_error, error,
                           "no array runs in %s; allowed: anyport run without --adopt",
                           named->run_dir);
    free(path);
    if (error != 0)
        return error;
    if (is_the_same_array(named, saved)) {
        *ret_config = saved;
        return 0;
    }
    error = refuse_array(named, ret_error, -EINVAL,
                         "array %s with %u controllers runs in %s; allowed: its configuration",
                         saved->array, saved->controllers, named->run_dir);
    config_free(saved);
    return error;
}
