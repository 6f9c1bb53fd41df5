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

struct controller;

/* Listens to the lifelines of all others from the next turn on. `lifelines`: reading ends by seat,
 * which stay the caller's and open as long as the controller; NULL: there are none. The seats'
 * epochs are those of the lives that are listened to. 0 or -ENOMEM. */
int deaths_watch(struct controller *controller, const int *lifelines);

/* After the loop is gone. */
void deaths_done(struct controller *controller);

#endif
