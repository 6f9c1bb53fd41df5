/*
 * Redirect: the source's side of a component command that another controller executes (claim 1).
 */
#ifndef CONTROLLER_PATH_REDIRECT_H
#define CONTROLLER_PATH_REDIRECT_H

#include <stdint.h>

struct controller;

/* An answer's doorbell came from `peer`. One that is old or came twice is ignored. */
void redirect_answered(struct controller *controller, uint32_t peer, uint32_t slot,
                       uint32_t generation);

/* Fails all that was sent to a peer that is lost. */
void redirect_fail_all(struct controller *controller, uint32_t peer);

/* Sees to it that redirect_sweep is called soon, and again until nothing is waited for that a lost
 * doorbell would keep for ever. */
void redirect_start_sweeping(struct controller *controller);

/* Looks at all our slots again: takes answers whose doorbell was lost, and rings again for those
 * that still wait to be claimed. */
void redirect_sweep(struct controller *controller);

#endif
