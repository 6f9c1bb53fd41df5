#include "shm/redo.h"

#include "shm/seat.h"
#include "shm/segment.h"

bool redo_claim(struct redo_record *record, struct redo_state found, uint32_t seat, uint16_t epoch)
{
    uint32_t expected = redo_state_pack(found);
    struct redo_state ours = {.phase = found.phase, .seat = (uint8_t)seat, .epoch = epoch};

    /* pairs with redo_look: what the one before had written is seen, and nobody else goes on. */
    return cas_acq_rel(&record->state, &expected, redo_state_pack(ours));
}

/* Its own records, and those of others that it had taken over. */
static bool is_with(const struct redo_record *record, bool own, uint32_t seat)
{
    struct redo_state state = redo_look(record);

    return state.phase != REDO_FREE && (own || state.seat == seat);
}

bool redo_pending(const struct segment *segment, uint32_t seat)
{
    for (uint32_t source = 0; source < segment->geometry.controllers; source++) {
        const struct redo_record *records = segment_redo(segment, source);
        for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
            if (is_with(&records[i], source == seat, seat))
                return true;
        }
    }
    return false;
}

static bool is_of_volume(const struct redo_record *record, uint32_t volume)
{
    enum redo_phase phase = redo_look(record).phase;

    return (phase == REDO_BEGUN || phase == REDO_SLICE) && record->command.volume == volume;
}

bool redo_pending_of_volume(const struct segment *segment, uint32_t volume)
{
    for (uint32_t source = 0; source < segment->geometry.controllers; source++) {
        const struct redo_record *records = segment_redo(segment, source);
        if (!seat_is_gone(seat_state(segment_seat(segment, source))))
            continue;
        for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
            if (is_of_volume(&records[i], volume))
                return true;
        }
    }
    return false;
}
