/*
 * Takeover: elements whose owner has died are taken by those that are left; and an element that its
 * owner lets go (recovery/let_go.h) by the one it is meant for. For neither is the configuration
 * controller needed. The owner's word and its transitions are in shm/owner.h; where commands wait
 * meanwhile is in path/owner.h.
 *
 *      LATER   its owner has died, and who is to take it is another one, who may not come to it
 *      DRAIN   the word says that we take it; what the owner before had submitted still lands
 *      ADOPT   the image is open; what caches of dead controllers hold of it is written there
 *      (over)  the word says that we own it
 *
 * Who takes what: the elements of the dead are dealt out over those that run, by number, so that no
 * one has them all. Every survivor finds the same; where they see different sets of survivors, two
 * may want the same element, or none at once: the swap lets one of them have it, and who was not
 * first in turn tries it some time later.
 *
 * When the taker dies, its TAKING is of a life that has ended, and is taken like any OWNED. What it
 * had done is done again, and does no harm: the image is opened anew behind the same lock, and a
 * block is dirty in a dead one's cache region until it is on the image.
 *
 * Who lets its hosts go takes what nobody else does: at the end of the array all are such, and what
 * one that dies then had cached and not written is on the image before the others stop
 * (config/configurator_phases.c). Who stops takes nothing any more.
 *
 * Where the image cannot be opened, or not be written, the element is ours all the same, and has
 * failed: its commands end with EIO, members on it are marked, and it can be replaced. One that had
 * failed before is ours at once. For such elements OWNED does not say that the I/O of the owner
 * before has landed, so what that one had claimed of buffers is kept aside (path/owner.c).
 */
#ifndef CONTROLLER_RECOVERY_TAKEOVER_H
#define CONTROLLER_RECOVERY_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/recovery/adopt.h"
#include "io/loop.h"
#include "io/witness.h"
#include "shm/owner.h"

struct controller;

/* How far one element is. */
struct taking {
    enum taking_step { TAKE_NOT, TAKE_LATER, TAKE_DRAIN, TAKE_ADOPT } step;
    struct owner owner; /* from DRAIN on: the word that is ours */
    bool handed;        /* its owner before let it go */
    uint64_t due_ns;    /* LATER: when to try */
    uint64_t begun_ns;  /* when its owner was found to be gone, or it was handed to us */
};

struct takeover {
    struct taking *elements;  /* by element */
    struct witness *images;   /* a descriptor of each image; the mark is in the element's record */
    uint32_t active;          /* whose step is not NOT */
    struct adoption adoption; /* of one element at a time */
    struct timer timer;
};

/* `images`: a descriptor of each element's image (-1: none), the caller's; they are copied. NULL:
 * there are none, and nothing can be opened. 0, -ENOMEM or -errno. */
int takeover_init(struct controller *controller, const struct witness *images);
void takeover_done(struct controller *controller);

/* Looks which elements are to be taken: after seats or owners have changed. */
void takeover_look(struct controller *controller);

/* Whether what owners before us had submitted to an element of ours has landed: always, but of one
 * that had failed. It does not get another image before that, because by the mark of this one
 * others know when it has. Where there is no descriptor of the image, nobody can tell: true. */
bool takeover_has_landed(const struct controller *controller, uint32_t element);

/* Whether nothing is being taken, nor waits for somebody else to take it. */
bool takeover_is_quiet(const struct controller *controller);

/* The descriptor of an element's image, which stays ours, or -1. */
int takeover_image(const struct controller *controller, uint32_t element);

/* The element lies on another image now, of which this is a descriptor: ours from then on. */
void takeover_image_replaced(struct controller *controller, uint32_t element, int fd);

#endif
