/*
 * Deaths of other controllers, noticed without the configuration controller.
 *
 * Each controller holds the only writing end of a pipe, its lifeline, and all others a reading end.
 * The kernel hangs it up when the last descriptor is gone, which is when the process is: nothing
 * can be mistaken, as a process id that was given to somebody else can be. Whoever hears it
 * declares the seat dead (seat_declare_dead); that several do, the configuration controller among
 * them, does no harm.
 */
#ifndef CONTROLLER_DEATHS_H
#define CONTROLLER_DEATHS_H

#include <stdbool.h>
#include <stdint.h>

struct controller;

/* Listens to the lifelines of all others from the next turn on. `lifelines`: reading ends by seat,
 * which stay the caller's and open as long as the controller; NULL: there are none. The seats'
 * epochs are those of the lives that are listened to. 0 or -ENOMEM. */
int deaths_watch(struct controller *controller, const int *lifelines);

/* Whether the end of the life that is listened to was heard. True where nothing is listened to. */
bool deaths_was_heard(const struct controller *controller, uint32_t id);

/* A new life of this epoch is to begin in a seat whose last end was heard: listens to its lifeline,
 * which is ours from then on. */
void deaths_watch_again(struct controller *controller, uint32_t id, uint32_t epoch, int lifeline);

/* The lifeline of a seat, our own among them, as it is listened to now, or -1. */
int deaths_lifeline(const struct controller *controller, uint32_t id);

/* After the loop is gone. */
void deaths_done(struct controller *controller);

#endif
