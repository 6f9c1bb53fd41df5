/*
 * Redirect: the source's side of a component command that another controller executes (claim 1).
 */
#ifndef CONTROLLER_PATH_REDIRECT_H
#define CONTROLLER_PATH_REDIRECT_H

#include <stdbool.h>
#include <stdint.h>

struct command;
struct controller;

/* An answer's doorbell came from `peer`. One that is old or came twice is ignored. */
void redirect_answered(struct controller *controller, uint32_t peer, uint32_t slot,
                       uint32_t generation);

/* Takes back all that was sent to a peer that is lost: it fails, or, where the peer has died, looks
 * for another owner. */
void redirect_take_back_all(struct controller *controller, uint32_t peer);

/* The command's slot is taken back or has been freed; the command goes on with this status. */
void redirect_end(struct controller *controller, struct command *command, int32_t status);

/* Rings again for what was posted. */
void redirect_announce(struct controller *controller, struct command *command);

/* --- redirect_sweep.c --- */

void redirect_init(struct controller *controller);

/* Sees to it that redirect_sweep is called soon, and again until nothing is waited for that a lost
 * doorbell would keep for ever. */
void redirect_start_sweeping(struct controller *controller);

/* Looks at all our slots again: takes answers whose doorbell was lost, rings again for those that
 * still wait to be claimed, and ends those that have waited too long for a way to their target. */
void redirect_sweep(struct controller *controller);

/* A way there and back was found to a peer that had none: what was sent to it is looked at, and
 * what waits goes on. */
void redirect_way_found(struct controller *controller, uint32_t peer);

/* No way leads to a command's target and back. Whether it has waited for one as long as it may,
 * which is said on stderr, once each time that the ways are lost. */
bool redirect_waited_long(struct controller *controller, const struct command *command);

/* Commands that wait for a way look for one again, or see that their target is lost. */
void redirect_wake_way_waiters(struct controller *controller);

#endif
