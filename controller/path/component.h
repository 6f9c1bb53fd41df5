/*
 * Component commands: the parts of a host command on a virtual volume, each on one member (claim
 * 4). A component is a command of its own, from a fixed set; it enters at MAP like a host command
 * on the member would, and its reply is counted in the host command's aggregate.
 */
#ifndef CONTROLLER_PATH_COMPONENT_H
#define CONTROLLER_PATH_COMPONENT_H

#include <errno.h>

#include "controller/path/command.h"
#include "controller/path/virtual.h"

/* A component to be sent. */
struct component_wanted {
    uint8_t op;
    uint8_t flags;
    uint32_t member;
    uint64_t member_offset_bytes;
    uint64_t length_bytes;
    uint64_t virtual_offset_bytes; /* where it begins on the virtual volume, for the aggregate */
    uint64_t payload_offset_bytes; /* in the segment */
    struct payload_shape shape;
};

/* How a component lies in its host command's payload, of which no length is beyond 32 bits: what
 * payload_place goes by. */
static inline struct payload_shape component_shape(const struct component *component)
{
    if (component->first_bytes >= component->length_bytes)
        return (struct payload_shape){0};
    return (struct payload_shape){.first_bytes = (uint32_t)component->first_bytes,
                                  .chunk_bytes = component->chunk_bytes,
                                  .stride_bytes = (uint32_t)component->stride_bytes};
}

/* Sends a component of `parent`, which must be in SPLIT. False when there is none to be had: then
 * the parent stands in line, and command_complete says when it may try again. The component may
 * have ended, and been counted in parent->aggregate, when this returns. */
bool component_send(struct controller *controller, struct command *parent,
                    const struct component_wanted *wanted);

/* How a component ends whose element nobody owns just now, where another copy can be read at once.
 */
#define COMPONENT_AWAY (-EHOSTDOWN)

/* Whether such an end is better than waiting. */
bool component_can_be_read_elsewhere(const struct command *command);

/* The command whose buffer holds this command's payload: itself, or the host command that it is a
 * component of. */
struct command *component_payload_owner(struct command *command);

#endif
