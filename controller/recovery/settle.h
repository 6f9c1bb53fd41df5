/*
 * Settling: when an element of this controller has failed, or another controller has died with
 * dirty blocks of its elements, each redundant volume with a member on it marks that member as
 * failed, durably, in the superblocks of the others; whether anybody writes to it or not. Else,
 * after a restart, the member would be trusted. All that are left settle for a dead one: marking
 * twice does nothing.
 */
#ifndef CONTROLLER_RECOVERY_SETTLE_H
#define CONTROLLER_RECOVERY_SETTLE_H

#include "controller/control.h"
#include "controller/recovery/errand.h"

struct settle {
    struct errand errand;
    bool running;
    bool again;           /* another element has failed meanwhile: all volumes once more */
    uint32_t next_volume; /* to be looked at */
    int32_t status;       /* the first error of this pass */
    /* Who is to be told: when this pass is over, and when the next is. */
    struct control_request *waiting[CONTROL_REQUESTS_MAX], *waiting_next[CONTROL_REQUESTS_MAX];
    uint32_t waiting_count, waiting_next_count;
};

void settle_init(struct controller *controller);

/* Goes over all volumes, from the next turn on. `request` (NULL: nobody asked) is answered when
 * that is done: 0, or what kept a volume from being marked. */
void settle_failed_elements(struct controller *controller, struct control_request *request);

/* Once a turn; and whether that would do something. */
void settle_turn(struct controller *controller);
bool settle_has_work(const struct controller *controller);

#endif
