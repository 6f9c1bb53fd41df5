/*
 * dump {} -> {version, yaml}: the configuration as it is now.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/config_dump.h"
#include "controller/config/configurator.h"
#include "tools/admin_methods.h"
#include "tools/status_json.h"

/* Relative paths are relative to the folder that the array was started in. */
static int dump_here(const struct config *config, char **ret_text)
{
    char *folder = getcwd(NULL, 0);
    const struct config_dump_wanted wanted = {.folder = folder, .omit = CONFIG_NONE};
    int error = folder == NULL ? -errno : config_dump(config, &wanted, ret_text);

    free(folder);
    return error;
}

/* With the images that came later, in the place of those that the array was started with. */
static int dump_as_it_is_now(const struct configurator *configurator, char **ret_text)
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

/* A dump that nothing can be started from must not be given out: paths may have become too long, or
 * the folder's name is no UTF-8. */
static int read_back(const char *text, struct config_error *ret_error)
{
    struct config *config = NULL;
    int error = config_parse("dump", text, strlen(text), &config, ret_error);

    config_free(config);
    return error;
}

void admin_dump(const struct admin_service *service, const json_t *params,
                struct admin_reply *reply)
{
    struct config_error why;
    char *text = NULL;
    int error = dump_as_it_is_now(service->configurator, &text);

    (void)params;
    if (error != 0)
        admin_reply_error(reply, RPC_FAILED, strerror(-error));
    else if (read_back(text, &why) != 0)
        admin_reply_error(reply, RPC_FAILED, why.text);
    else
        admin_reply_result(reply, json_pack("{s:i, s:s}", "version", STATUS_VERSION, "yaml", text));
    free(text);
}
