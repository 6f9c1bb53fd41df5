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

/* Nobody begins a life before its last death was said, and all that live have answered after that;
 * so a state that was loaded before an even epoch is not of a later one. */
void seat_finish_death(struct seat *seat)
{
    enum seat_state state = seat_state(seat);
    uint32_t life = seat_life(seat);

    if (state != SEAT_EMPTY && !seat_is_gone(state) && life % 2 == 0)
        seat_declare_dead(seat, life - 1);
}

void seat_begin_life(struct seat *seat, uint32_t epoch, uint64_t since_ns)
{
    seat_set_state(seat, SEAT_EMPTY);
    /* relaxed: published by the state below; until then nobody believes what stands here */
    store_relaxed(&seat->pid, 0);
    store_relaxed(&seat->request, SEAT_REQUEST_NONE);
    store_relaxed(&seat->refuses, 0); /* relaxed: as above */
    store_relaxed(&seat->done_with, 0);
    store_relaxed(&seat->sleeping, 0);
    store_relaxed(&seat->since_ns, since_ns); /* relaxed: as above */
    /* pairs with seat_life: EMPTY, or what came after it, is seen with it. */
    store_release(&seat->epoch, epoch);
    seat_set_state(seat, SEAT_STARTING);
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
