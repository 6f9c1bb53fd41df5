/*
 * Letting an element go: its owner hands it to another controller that runs, both alive. What has
 * begun on it ends, and is answered; what comes now waits in those that received it (path/owner.h).
 * Then nothing of it is dirty here, its image is given up, and the word names the target, which
 * takes it as after a death (takeover.h).
 *
 *      OWNED us -> MOVING us -> TAKING target -> OWNED target
 *
 * Where that does not come to an end in time, it stays ours, and nothing was lost. When we die in
 * between, it is taken over; when the target does, likewise.
 */
#ifndef CONTROLLER_RECOVERY_LET_GO_H
#define CONTROLLER_RECOVERY_LET_GO_H

#include "controller/control.h"

/* CONTROL_MOVE_ELEMENT is answered when the word names the target. -ENOENT: not ours; -EALREADY:
 * the target is us; -EIO: the element has failed; -EHOSTDOWN: the target does not run; -EBUSY:
 * something else is being done to it; -ETIMEDOUT: what had begun did not end. */

/* CONTROL_WATCH_ELEMENT: the element lies on another image now, and a descriptor of that comes
 * along (takeover_image_replaced). */

#endif
