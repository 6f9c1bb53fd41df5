#include "shm/seat.h"

#include "shm/crash_point.h"

void seat_declare_dead(struct seat *seat, uint32_t epoch)
{
    uint32_t state = (uint32_t)seat_state(seat), found = epoch;

    if (seat_is_gone((enum seat_state)state))
        return;
    /* pairs with seat_epoch: whoever claims a slot of the dead one sees its new epoch. */
    if (!cas_acq_rel(&seat->epoch, &found, epoch + 1) && found != epoch + 1)
        return; /* a later life sits here */
    CRASH_POINT("seat.epoch_raised");
    do {
        if (seat_is_gone((enum seat_state)state))
            return;
        /* pairs with seat_state: who sees DEAD sees the new epoch. */
    } while (!cas_acq_rel(&seat->state, &state, (uint32_t)SEAT_DEAD));
}

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
