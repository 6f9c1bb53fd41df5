/*
 * Elements that leave a controller which is to be stopped, and elements that go back to the one
 * that the configuration names when it runs again (failback). One after the other: commands wait
 * while an element changes hands.
 */
#ifndef CONTROLLER_CONFIG_SEAT_MOVES_H
#define CONTROLLER_CONFIG_SEAT_MOVES_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;

enum seat_moves_kind { SEAT_MOVES_NONE, SEAT_MOVES_AWAY, SEAT_MOVES_BACK };

/* Of one seat, in struct watched_controller. */
struct seat_moves {
    enum seat_moves_kind kind;
    uint32_t next; /* element to be looked at */
    uint32_t moving;
    bool busy; /* `moving` is on its way */
    bool looking;
};

/* All that it owns goes to those that are left; then its stop goes on, or is over with why not. */
void seat_moves_away(struct configurator *configurator, uint32_t id);

/* What it is to own by the configuration, and others have, comes back. Where that does not work it
 * is said on stderr. */
void seat_moves_back(struct configurator *configurator, uint32_t id);

#endif
