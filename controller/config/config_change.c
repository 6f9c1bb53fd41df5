#include "controller/config/config_change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/config_dump.h"

#define CHANGED "changed" /* stands for a file's name in messages, until it is taken out */

/* --- words --- */

static void cut(char *from, size_t bytes)
{
    memmove(from, from + bytes, strlen(from + bytes) + 1);
}

/* " (line 12)" and " on line 12"; of the latter also where more follows. */
static void cut_lines(char *text, const char *before, const char *behind)
{
    char *at = text;

    while ((at = strstr(at, before)) != NULL) {
        size_t digits = strspn(at + strlen(before), "0123456789");
        size_t bytes = strlen(before) + digits + strlen(behind);

        if (digits > 0 && strncmp(at + strlen(before) + digits, behind, strlen(behind)) == 0)
            cut(at, bytes);
        else
            at++;
    }
}

/* "changed:57: volumes[5].chunk: ..." becomes "chunk: ...". */
static void cut_place(char *text)
{
    size_t bytes = strlen(CHANGED);

    if (strncmp(text, CHANGED, bytes) != 0)
        return;
    if (text[bytes] == ':')
        bytes += 1 + strspn(text + bytes + 1, "0123456789");
    if (text[bytes] == ':')
        bytes++;
    bytes += text[bytes] == ' ';
    cut(text, bytes);
    if (strncmp(text, "volumes[", strlen("volumes[")) != 0)
        return;
    bytes = strcspn(text, "]") + 1;
    bytes += strspn(text + bytes, ".: ");
    cut(text, bytes);
}

void config_error_without_lines(struct config_error *error)
{
    cut_place(error->text);
    cut_lines(error->text, " (line ", ")");
    cut_lines(error->text, " on line ", "");
}

/* --- the change --- */

static int refuse(struct config_error *ret_error, int error)
{
    snprintf(ret_error->text, sizeof(ret_error->text), "%s", strerror(-error));
    return error;
}

/* What was only said for the check, or is only said by the file's name, is as it was. */
static int take_over(const struct config *before, struct config *config)
{
    char *path = strdup(before->path), *folder = strdup(before->folder);

    if (!path || !folder) {
        free(path);
        free(folder);
        return -ENOMEM;
    }
    free(config->path);
    free(config->folder);
    config->path = path;
    config->folder = folder;
    for (uint32_t i = 0; i < config->elements_count; i++)
        config->elements[i].size_bytes = before->elements[i].size_bytes;
    return 0;
}

static int parse(const struct config *before, const char *text, struct config **ret_config,
                 struct config_error *ret_error)
{
    struct config *config = NULL;
    int result = config_parse(CHANGED, text, strlen(text), &config, ret_error);

    if (result < 0) {
        config_error_without_lines(ret_error);
        return result;
    }
    result = take_over(before, config);
    if (result < 0) {
        config_free(config);
        return refuse(ret_error, result);
    }
    *ret_config = config;
    return 0;
}

static int change(const struct config *config, struct config_dump_wanted *wanted,
                  struct config **ret_config, struct config_error *ret_error)
{
    char *folder = getcwd(NULL, 0), *text = NULL;
    int result = folder ? 0 : -errno;

    wanted->folder = folder;
    if (result == 0)
        result = config_dump(config, wanted, &text);
    result = result < 0 ? refuse(ret_error, result) : parse(config, text, ret_config, ret_error);
    free(text);
    free(folder);
    return result;
}

int config_with_volume(const struct config *config, const uint64_t *element_bytes,
                       const char *entry, struct config **ret_config,
                       struct config_error *ret_error)
{
    struct config_dump_wanted wanted = {
        .element_bytes = element_bytes, .omit = CONFIG_NONE, .append = entry};

    return change(config, &wanted, ret_config, ret_error);
}

int config_without_volume(const struct config *config, const uint64_t *element_bytes,
                          uint32_t index, struct config **ret_config,
                          struct config_error *ret_error)
{
    struct config_dump_wanted wanted = {.element_bytes = element_bytes, .omit = index};

    if (config->volumes_count == 1) {
        snprintf(ret_error->text, sizeof(ret_error->text),
                 "it is the only one; allowed: at least one volume in an array");
        return -EINVAL;
    }
    return change(config, &wanted, ret_config, ret_error);
}
