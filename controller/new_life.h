/*
 * What a life of a seat finds from the life before it, and puts in order before it does anything:
 * slots in any state, levels that nobody counts down any more, and elements that are still its own.
 * By then no peer works for the life before, and none of its I/O is under way
 * (controller/config/seat_start.h).
 */
#ifndef CONTROLLER_NEW_LIFE_H
#define CONTROLLER_NEW_LIFE_H

struct controller;

/* In controller_new, when the elements are there. In a first life there is nothing to be done. */
void new_life_put_in_order(struct controller *controller);

#endif
