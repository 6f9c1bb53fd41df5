/*
 * A fence: when all commands on a virtual volume that were on their way when it was asked for have
 * ended. Those that begin later see what had been changed in shared memory before.
 *
 * It is what makes a rebuild safe where hosts' writes reserve nothing (coordination: none), and
 * what keeps commands that know a volume as it was from meeting it as it is (CONTROL_FENCE_VOLUME).
 */
#ifndef CONTROLLER_RECOVERY_FENCE_H
#define CONTROLLER_RECOVERY_FENCE_H

#include "controller/control.h"

struct fences {
    struct timer timer;
    struct fence {
        struct control_request *request; /* NULL: this place is free */
        uint64_t number;                 /* the last command that had begun */
        uint32_t volume;
    } all[CONTROL_REQUESTS_MAX];
};

void fences_init(struct controller *controller);

#endif
