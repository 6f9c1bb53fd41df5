/*
 * MAP: which element a command's range lies on, and which controller owns it (claims 1 and 2).
 * COORDINATE and RELEASE: order between commands that overlap. CACHE: the owner's cache.
 */
#include <errno.h>

#include "controller/controller.h"

enum stage_verdict route_map(struct controller *controller, struct command *command)
{
    struct mapping_place place;
    int error = mapping_resolve(&controller->segment, command->volume, command->offset_bytes,
                                command->length_bytes, &place);

    if (error != 0) {
        aggregate_add(&command->aggregate, 0, error == -ERANGE ? -EINVAL : -EIO);
        return STAGE_DONE;
    }
    command->element = place.element;
    command->element_offset_bytes = place.element_offset_bytes;
    command->target = (uint8_t)place.owner;
    return STAGE_NEXT;
}

/* A command on a plain volume is ordered by the single owner of its element and needs no
 * reservation. */
enum stage_verdict coordinate_reserve(struct controller *controller, struct command *command)
{
    (void)controller;
    (void)command;
    return STAGE_NEXT;
}

enum stage_verdict coordinate_release(struct controller *controller, struct command *command)
{
    (void)controller;
    (void)command;
    return STAGE_NEXT;
}

/* Every command passes through to its element: all reads are misses, and a write is durable or not
 * as the element says. */
enum stage_verdict cache_look(struct controller *controller, struct command *command)
{
    (void)controller;
    (void)command;
    return STAGE_NEXT;
}
