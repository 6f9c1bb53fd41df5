/*
 * The state of an element, of a member and of a volume, as everybody tells it who is asked.
 *
 *      plain volume     its element's: online, failed, unreachable
 *      virtual volume   online     every member is online
 *                       degraded   some are not, and the layout bears it: no byte is lost
 *                       failed     more are not than it bears
 */
#ifndef CONTROLLER_VOLUME_STATE_H
#define CONTROLLER_VOLUME_STATE_H

#include "controller/layout/layout.h"
#include "shm/mapping.h"

enum volume_state {
    VOLUME_ONLINE,
    VOLUME_DEGRADED,
    VOLUME_FAILED,
    VOLUME_REBUILDING,  /* of a member: not read yet, but written */
    VOLUME_UNREACHABLE, /* of a plain volume, member, element: no controller is there to serve it */
    VOLUME_STATES
};

/* "online", "degraded" ...; NULL for what is no state. Lives for ever. */
const char *volume_state_name(enum volume_state state);

/* The rule: the state of a virtual volume of this layout when the members of the mask `absent`
 * cannot be used. Pure. */
enum volume_state volume_state_of_layout(const struct layout *layout, uint32_t absent);

/* The three below look at shared memory as it is now; they wait for nobody. An index that is in no
 * table, and a record that makes no sense, is FAILED. */
enum volume_state element_state_now(const struct segment *segment, uint32_t element);
/* FAILED also where the member itself is not marked, but its element has failed; REBUILDING only
 * where its element is online. */
enum volume_state member_state_now(const struct segment *segment,
                                   const struct mapping_members *members, uint32_t place);
enum volume_state volume_state_now(const struct segment *segment, uint32_t volume);

/* A volume that can be read now and could not be without this element, or -1. A plain volume does
 * not count where a redundant one is made of it. */
int64_t volume_lost_without(const struct segment *segment, uint32_t element);

#endif
