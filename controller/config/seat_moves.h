/*
 * Elements that leave a controller which is to be stopped, one after the other: commands wait while
 * an element changes hands. How they come back is failback.h.
 */
#ifndef CONTROLLER_CONFIG_SEAT_MOVES_H
#define CONTROLLER_CONFIG_SEAT_MOVES_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

/* Of one seat, in struct watched_controller. */
struct seat_moves {
    bool under_way;
    uint32_t next; /* element to be looked at */
    uint32_t moving;
    bool busy; /* `moving` is on its way */
    bool looking;
};

/* All that it owns goes to those that are left; then its stop goes on, or is over with why not. */
void seat_moves_away(struct configurator *configurator, uint32_t id);

/* Whether it owns elements that would have to go. */
bool seat_has_elements(const struct configurator *configurator, uint32_t id);

#endif
