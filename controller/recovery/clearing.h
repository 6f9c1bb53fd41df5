/*
 * Clearing: write intents of regions that have been left alone for a while go while the array runs,
 * so that after an end without order little has to be made equal (controller/integrity/intents.h).
 *
 * The owner of an element looks at it, every `intents: clear-after` of the configuration, as long
 * as there is anything to look at: an array that nobody writes to has no timer.
 *
 *      look: each element's cold regions, one run of them after the other
 *            those of a redundant volume's member      CLEAR to the volume (path/split_clear.c)
 *            those of plain volumes (checksums)        QUIET and CLEAR to the element itself
 *      then its intents age, and the next look is due
 *
 * One command at a time, and a pause behind each. What cannot be cleared now (a volume that lacks a
 * member, or is being made equal; something is being written; the owner of another member has had
 * no time to let it rest) is tried again at the next look. A region that two redundant volumes
 * share, and one that is longer than what can be reserved, goes at an orderly end only.
 */
#ifndef CONTROLLER_RECOVERY_CLEARING_H
#define CONTROLLER_RECOVERY_CLEARING_H

#include "controller/path/command.h"
#include "controller/recovery/errand.h"

struct clearing {
    struct timer timer;
    bool looking; /* at `element`, from `region` on */
    bool left;    /* there will be something to look at */
    uint32_t element;
    uint64_t region;
    struct errand errand;   /* to a volume */
    struct command command; /* to an element: its QUIET, then its CLEAR */
    bool sent;              /* that, and it is not over */
};

void clearing_init(struct controller *controller);

/* Something was written, or an element was taken: there may be intents that can go, later. */
void clearing_wake(struct controller *controller);

/* Whether nothing of it is on its way. Once the controller quiesces nothing new is sent. */
bool clearing_is_quiet(const struct controller *controller);

#endif
