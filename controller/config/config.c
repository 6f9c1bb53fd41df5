/*
 * The way of a configuration:
 *
 *   bytes -> config_text  (UTF-8, size)
 *         -> config_scan  (YAML events against the schema; lines)
 *         -> libcyaml     (loads struct raw_config by the same schema)
 *         -> config_check (fields against each other; defaults) -> struct config
 *
 * Each step relies on what the one before it let through.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/config.h"
#include "controller/config/config_check.h"
#include "controller/config/config_path.h"
#include "controller/config/config_reading.h"
#include "controller/config/config_scan.h"
#include "controller/config/config_text.h"
#include "shm/limits.h"

/* --- libcyaml --- */

struct cyaml_log {
    char first[256]; /* what libcyaml said first: the cause */
};

static void log_cyaml(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct cyaml_log *log = context;

    (void)level;
    if (log->first[0])
        return;
    vsnprintf(log->first, sizeof(log->first), format, arguments);
    log->first[strcspn(log->first, "\n")] = '\0';
}

/* libcyaml asks for one entry more for each entry of a list. Most allocators copy the list each
 * time, which for 100,000 volumes takes minutes; so a long list is given twice the room it asks
 * for. */
static void *allocate_for_cyaml(void *context, void *memory, size_t bytes)
{
    enum { LONG_BYTES = 64 << 10 };
    size_t room = LONG_BYTES;

    (void)context;
    if (bytes == 0) {
        free(memory);
        return NULL;
    }
    if (bytes <= LONG_BYTES)
        return realloc(memory, bytes);
    if (memory && malloc_usable_size(memory) >= bytes)
        return memory;
    while (room < bytes)
        room *= 2;
    return realloc(memory, room);
}

static cyaml_config_t cyaml_settings(struct cyaml_log *log)
{
    return (cyaml_config_t){
        .log_fn = log_cyaml,
        .log_ctx = log,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = allocate_for_cyaml,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

/* The scan has refused what libcyaml refuses, and libyaml has parsed the text once before, so that
 * a failure here is a shortage of memory; were it anything else, libcyaml's own words are better
 * than none. */
static int load_raw(const struct config_reading *reading, struct raw_config **ret_raw)
{
    struct cyaml_log log = {0};
    cyaml_config_t settings = cyaml_settings(&log);
    cyaml_data_t *data = NULL;
    cyaml_err_t error = cyaml_load_data((const uint8_t *)reading->text, reading->text_bytes,
                                        &settings, &config_schema, &data, NULL);

    if (error == CYAML_OK) {
        *ret_raw = data;
        return 0;
    }
    if (error == CYAML_ERR_OOM || error == CYAML_ERR_LIBYAML_PARSER_INIT ||
        error == CYAML_ERR_LIBYAML_PARSER)
        return -ENOMEM;
    return config_refuse_at(reading, 0, "file", "%s; allowed: what anyport.yaml(5) describes",
                            log.first[0] ? log.first : cyaml_strerror(error));
}

static void free_raw(struct raw_config *raw)
{
    struct cyaml_log log = {0};
    cyaml_config_t settings = cyaml_settings(&log);

    if (raw)
        cyaml_free(&settings, &config_schema, raw, 0);
}

/* --- from memory --- */

static int read_and_check(struct config_reading *reading, struct config *config)
{
    struct raw_config *raw = NULL;
    int result = config_text_check(reading);

    if (result == 0)
        result = config_scan(reading);
    if (result == 0)
        result = load_raw(reading, &raw);
    if (result == 0)
        result = config_check(reading, raw, config);
    free_raw(raw);
    return result;
}

int config_parse(const char *path, const char *text, size_t text_bytes, struct config **ret_config,
                 struct config_error *ret_error)
{
    struct config_reading reading = {
        .path = path, .text = text, .text_bytes = text_bytes, .error = ret_error};
    struct config *config = calloc(1, sizeof(*config));
    int result = -ENOMEM;

    assert(path && (text || text_bytes == 0) && ret_config && ret_error);
    if (config) {
        config->path = strdup(path);
        config->folder = config_path_folder(path);
        if (config->path && config->folder)
            result = read_and_check(&reading, config);
    }
    config_reading_done(&reading);
    if (result < 0) {
        if (result == -ENOMEM)
            config_refuse_at(&reading, 0, "file", "not enough memory to read it");
        config_free(config);
        return result;
    }
    *ret_config = config;
    return 0;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (uint32_t i = 0; i < config->elements_count; i++) {
        free(config->elements[i].name);
        free(config->elements[i].image);
    }
    for (uint32_t i = 0; i < config->volumes_count; i++) {
        free(config->volumes[i].name);
        free(config->volumes[i].description);
        free(config->volumes[i].members);
    }
    free(config->elements);
    free(config->volumes);
    free(config->tcp_host);
    free(config->run_dir);
    free(config->journal);
    free(config->array);
    free(config->folder);
    free(config->path);
    free(config);
}

/* --- from a file --- */

/* One byte more than allowed is read, so that a file too large is told from one that just fits. The
 * room grows with what was read: the file may be a pipe. */
static int read_all(int fd, char **ret_text, size_t *ret_bytes)
{
    const size_t most = (size_t)CONFIG_BYTES_MAX + 1;
    char *text = NULL;
    size_t room = 0;
    size_t bytes = 0;
    ssize_t got = 1;

    while (got > 0 && bytes < most) {
        if (bytes == room) {
            char *grown = NULL;

            room = room ? 2 * room : 16384;
            room = room < most ? room : most;
            grown = realloc(text, room);
            if (!grown) {
                free(text);
                return -ENOMEM;
            }
            text = grown;
        }
        got = read(fd, text + bytes, room - bytes);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            bytes += (size_t)got;
    }
    if (got < 0) {
        int error = errno;

        free(text);
        return -error;
    }
    *ret_text = text;
    *ret_bytes = bytes;
    return 0;
}

static int read_file(const char *path, char **ret_text, size_t *ret_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result = 0;

    if (fd < 0)
        return -errno;
    result = read_all(fd, ret_text, ret_bytes);
    close(fd);
    return result;
}

int config_load(const char *path, struct config **ret_config, struct config_error *ret_error)
{
    struct config_reading reading = {.path = path, .error = ret_error};
    char *text = NULL;
    size_t text_bytes = 0;
    int result = read_file(path, &text, &text_bytes);

    assert(ret_config && ret_error);
    if (result < 0) {
        config_refuse_at(&reading, 0, "file", "cannot be read: %s", strerror(-result));
        return result;
    }
    result = config_parse(path, text, text_bytes, ret_config, ret_error);
    free(text);
    return result;
}
