/*
 * dump {} -> {version, yaml}: the configuration as it is now.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/configurator.h"
#include "controller/config/saved.h"
#include "tools/admin_methods.h"
#include "tools/status_json.h"

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
    int error = saved_text(service->configurator, &text);

    (void)params;
    if (error != 0)
        admin_reply_error(reply, RPC_FAILED, strerror(-error));
    else if (read_back(text, &why) != 0)
        admin_reply_error(reply, RPC_FAILED, why.text);
    else
        admin_reply_result(reply, json_pack("{s:i, s:s}", "version", STATUS_VERSION, "yaml", text));
    free(text);
}
