/*
 * A fence: a request of the configuration controller that is answered when something has passed by
 * itself. It is looked at now and then; nothing is held up by it.
 *
 * CONTROL_FENCE_VOLUME: when all commands on a virtual volume that were on their way when it was
 * asked for have ended. Those that begin later see what had been changed in shared memory before.
 * With a journal: and when none of their records would be replayed any more. What is made anew of
 * other members is not in the journal, and must not be overwritten by what was there before.
 * It is what makes a rebuild safe where hosts' writes reserve nothing (coordination: none), and
 * what keeps commands that know a volume as it was from meeting it as it is.
 */
#ifndef CONTROLLER_RECOVERY_FENCE_H
#define CONTROLLER_RECOVERY_FENCE_H

#include "controller/control.h"

struct fence {
    struct control_request *request; /* NULL: this place is free */
    /* Whether it has passed; looked at several times. */
    bool (*is_passed)(struct controller *controller, struct fence *fence);
    /* What is done then; its result is the answer. */
    int (*pass)(struct controller *controller, const struct fence *fence);
    uint64_t deadline_ns;      /* is_passed's own */
    uint64_t journal_sequence; /* as above */
    uint64_t number;           /* of the last command on a virtual volume that had begun */
    uint32_t what;             /* the volume, or the element */
};

struct fences {
    struct timer timer;
    struct fence all[CONTROL_REQUESTS_MAX];
};

void fences_init(struct controller *controller);

/* Sets up a fence: request, is_passed, pass and `what` are given. It may pass at once. */
void fence_wait(struct controller *controller, struct fence fence);

#endif
