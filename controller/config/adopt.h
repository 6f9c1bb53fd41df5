/*
 * Taking the place of a configuration controller that has died, while its controllers go on.
 *
 * Each controller that lives is connected to (controller/handover.h) and led by that connection
 * from then on. From the first one comes what all have: segment, sockets, doorbells, lifelines, a
 * description of each image. The segment says the rest: who sits where, who owns what.
 *
 * Its process is known by the number in its seat; and that this is still it, by its lifeline: the
 * pidfd is opened first, and a lifeline that has not hung up after that belongs to a process that
 * was alive all the time.
 *
 * What the one before was in the middle of is not gone on with: a volume that was half made stays
 * half made, and is no volume. But a seat whose process was there is started to the end, and one
 * whose hosts were being let go is stopped to the end (adopt_seats.c, seat_go_on).
 */
#ifndef CONTROLLER_CONFIG_ADOPT_H
#define CONTROLLER_CONFIG_ADOPT_H

#include "controller/config/configurator.h"

/* As configurator_open and configurator_start together; `config` is what saved_load gave. 0, or
 * -errno and *ret_error: then nothing has changed, but that controllers may have been connected to.
 * on_phase is told nothing; the array runs. */
int configurator_adopt(struct configurator *configurator, const struct config *config,
                       struct watch *watch, controller_main_fn *main,
                       struct config_error *ret_error);

#endif
