/*
 * Ownership by traffic (follow-traffic: SECONDS): an element whose commands come mostly through
 * one other controller is moved there, as anyport element move does it, so that they need not be
 * redirected any more.
 *
 * Its owner counts the commands of an element by the controller whose host asked
 * (shm/layout.h: commands_from), and here the counts are looked at once a period. An element
 * moves when in a whole period
 *
 *      there were at least FOLLOW_COMMANDS_MIN of them: a quiet one stays where it is
 *      three quarters of them or more came through one controller, which is not the owner
 *
 * and then rests for FOLLOW_REST_PERIODS, so that hosts that take turns do not send it to and fro:
 * a move makes them wait, and takes its cache away. What could not be moved rests as well, and
 * nothing is said: nobody has asked for it.
 */
#ifndef CONTROLLER_CONFIG_FOLLOW_TRAFFIC_H
#define CONTROLLER_CONFIG_FOLLOW_TRAFFIC_H

#include <stdint.h>

#include "io/watch.h"
#include "shm/limits.h"

struct configurator;

enum {
    FOLLOW_COMMANDS_MIN = 1000, /* in a period */
    FOLLOW_REST_PERIODS = 4,
    FOLLOW_STAYS = CONTROLLERS_MAX, /* no seat: it stays where it is */
};

/* What is known of one element. */
struct element_traffic {
    uint64_t before[CONTROLLERS_MAX]; /* commands_from, a period ago */
    uint32_t rest_periods;
};

struct follow_traffic {
    struct watched watched; /* a timerfd, one tick a period; fd -1: nobody looks */
    struct element_traffic *elements;
};

/* Where an element of `owner` is to go after a period in which so many commands came through each
 * controller; FOLLOW_STAYS, or a seat. Pure. */
uint32_t follow_traffic_judge(const uint64_t *commands, uint32_t controllers, uint32_t owner);

/* The array runs: begins to look. 0 or -errno. Nothing where the configuration says 0. */
int follow_traffic_begin(struct configurator *configurator);

/* The array ends, or was never begun. */
void follow_traffic_end(struct configurator *configurator);

#endif
