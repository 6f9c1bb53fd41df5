/*
 * What adopt.c and adopt_seats.c share with each other.
 */
#ifndef CONTROLLER_CONFIG_ADOPT_PARTS_H
#define CONTROLLER_CONFIG_ADOPT_PARTS_H

#include "controller/config/configurator_parts.h"

/* To one controller that is to be led. */
struct adopt_channel {
    int fd;       /* -1: nobody listens there */
    bool answers; /* in time; the kernel accepts for one that does not */
};

/* What one controller hands over: a descriptor, which is ours, or -1. */
int adopt_get_if_any(int channel, enum handover_what what, uint32_t number);

/* Finds out who sits in a seat, and leads it by the channel, which is the configurator's from then
 * on; the lifelines are there. */
void adopt_seat(struct configurator *configurator, uint32_t id, struct adopt_channel channel);

#endif
