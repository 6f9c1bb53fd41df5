#include "shm/seat.h"

const char *seat_state_name(enum seat_state state)
{
    switch (state) {
    case SEAT_EMPTY:
        return "empty";
    case SEAT_STARTING:
        return "starting";
    case SEAT_RUNNING:
        return "running";
    case SEAT_QUIESCED:
        return "quiesced";
    case SEAT_STOPPED:
        return "stopped";
    case SEAT_DEAD:
        return "dead";
    case SEAT_DRAINED:
        return "dead"; /* a detail that matters to controllers only */
    }
    return "damaged";
}
