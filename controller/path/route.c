/*
 * MAP: which element a command's range lies on (claims 1 and 2). Who owns it is for OWNER to say.
 */
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

static enum stage_verdict refuse(struct command *command, int32_t status)
{
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    return STAGE_DONE;
}

/* A virtual volume lies on no element of its own: SPLIT finds those of its members. */
static enum stage_verdict map_virtual(struct controller *controller, struct command *command)
{
    uint64_t size_bytes = command->virtual->layout.size_bytes;

    if (command->split == NULL) /* a component of a component: no table says so */
        return refuse(command, -EIO);
    if (command->offset_bytes > size_bytes ||
        command->length_bytes > size_bytes - command->offset_bytes)
        return refuse(command, -EINVAL);
    command->element = ELEMENT_NONE;
    split_begin(controller, command);
    return STAGE_NEXT;
}

enum stage_verdict route_map(struct controller *controller, struct command *command)
{
    struct mapping_place place;

    command->virtual = virtual_find(controller, command->volume);
    if (command->virtual != NULL)
        return map_virtual(controller, command);
    int error = mapping_resolve(&controller->segment, command->volume, command->offset_bytes,
                                command->length_bytes, &place);
    if (error != 0)
        return refuse(command, error == -ERANGE ? -EINVAL : -EIO);
    command->element = place.element;
    command->element_offset_bytes = place.element_offset_bytes;
    return STAGE_NEXT;
}
