/*
 * Ways: by which link a doorbell leaves for a peer (claim 16).
 *
 *      DIRECT   a link of ours to it works: on the primary fabric, or on the redundant one when the
 *               primary has failed, or on both in turn where the fabrics share the load
 *      RELAY    none does, but a third controller can be reached and reaches it: that one passes
 *               the entry on
 *      NONE     neither. Nothing is sent; commands wait, and fail when they have waited too long
 *               (redirect.c)
 *
 * A link works when nothing has been injected that makes it fail, and both its controllers are
 * there. Ways are found when the membership has changed, which it does with each link, and kept in
 * private memory: what is posted follows them without looking at anything shared.
 *
 * What was on its way on a link that has failed is sent again by the new way, in the same turn that
 * noticed. Each doorbell may so arrive twice, or when it is old; neither does anything (slot.h).
 */
#ifndef CONTROLLER_PATH_WAYS_H
#define CONTROLLER_PATH_WAYS_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/slot.h"

struct controller;
struct peer;

enum way_kind { WAY_NONE = 0, WAY_DIRECT, WAY_RELAY };

struct way {
    enum way_kind kind;
    uint8_t fabric;       /* DIRECT: the one that is used; RELAY: that to the relay */
    bool shared;          /* DIRECT: the other one as well */
    uint8_t relay;        /* RELAY: the seat that passes on, */
    uint8_t relay_fabric; /* and the fabric that it does so on */
};

/* Looks at all links and finds the ways anew; sends again what links that have failed since did not
 * deliver, and looks again at what was sent to peers that could not be reached. */
void ways_update(struct controller *controller);

/* A peer asks that an entry be passed on to its party. Done where a link of ours leads there; else
 * it is lost. */
void ways_pass_on(struct controller *controller, const struct peer *from, struct doorbell doorbell);

#endif
