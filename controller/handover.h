/*
 * What a controller keeps for the configuration controller, so that another one can take its place
 * when it has died: descriptors, which nobody could get otherwise.
 *
 *      its control channel has hung up      it listens on its handover socket
 *      somebody connects                    of the same user, or root: the connection is its
 *                                           control channel from then on
 *      GIVE what, number                    answered with that descriptor
 *
 * The segment says the rest (config/adopt.c). While a configuration controller lives, nobody is
 * accepted here.
 */
#ifndef CONTROLLER_HANDOVER_H
#define CONTROLLER_HANDOVER_H

#include "io/loop.h"

struct controller;

/* What can be asked for. Those with a number: by seat, or by element. */
enum handover_what {
    HANDOVER_SEGMENT,
    HANDOVER_NOTICE,
    HANDOVER_RUN_DIR, /* and with it the lock that says an array runs there */
    HANDOVER_FRONT,
    HANDOVER_FRONT_TCP,
    HANDOVER_OWN, /* the sockets of this controller */
    HANDOVER_OWN_TCP,
    HANDOVER_LISTENING, /* this one */
    HANDOVER_SINGLE,    /* those before are one each */
    HANDOVER_DOORBELL = HANDOVER_SINGLE,
    HANDOVER_LIFELINE,
    HANDOVER_IMAGE, /* a description of an element's image, for reading */
    HANDOVER_WHATS,
};

struct handover {
    struct completion completion;
    int single[HANDOVER_SINGLE]; /* the caller's, open as long as the controller; -1: none */
    const int *doorbells;        /* by seat, as above */
};

/* `single` as above; NULL: nothing is handed over. */
void handover_init(struct controller *controller, const int *single, const int *doorbells);

/* The configuration controller is gone. */
void handover_listen(struct controller *controller);

#endif
