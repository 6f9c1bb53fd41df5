#include "controller/path/workspaces.h"

#include <errno.h>

#include "controller/controller.h"

int workspaces_make(struct controller *controller, struct command_waiter *waiter)
{
    uint64_t offset_bytes;

    if (controller->workspaces != NULL)
        return 0;
    int error = command_take_memory(controller, WORKSPACES_BYTES, waiter, &offset_bytes);
    if (error != 0)
        return error;
    error = pool_new(&controller->workspaces, WORKSPACES_BYTES, NULL, NULL);
    if (error != 0) {
        pool_give(controller->pool, offset_bytes);
        return error;
    }
    controller->workspaces_offset_bytes = controller->pool_offset_bytes + offset_bytes;
    return 0;
}
