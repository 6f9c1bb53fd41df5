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

static bool lies_in(const struct segment *segment, uint64_t offset_bytes, uint32_t seat)
{
    return segment_buffers_seat(segment, offset_bytes, 1) == (int)seat;
}

/* Of one that lingers it is not known any more whose memory is still read. */
static bool needs(const struct segment *segment, const struct redo_record *record, uint32_t source,
                  uint32_t seat)
{
    struct redo_state state = redo_look(record);

    if (state.phase == REDO_FREE)
        return false;
    return source == seat || state.seat == seat || state.phase == REDO_LINGERS ||
           (state.phase == REDO_SLICE && (lies_in(segment, record->slice.p_offset_bytes, seat) ||
                                          lies_in(segment, record->slice.q_offset_bytes, seat)));
}

bool redo_pending(const struct segment *segment, uint32_t seat)
{
    for (uint32_t source = 0; source < segment->geometry.controllers; source++) {
        const struct redo_record *records = segment_redo(segment, source);
        for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
            if (needs(segment, &records[i], source, seat))
                return true;
        }
    }
    return false;
}

bool redo_pending_slices(const struct segment *segment, uint32_t seat)
{
    for (uint32_t source = 0; source < segment->geometry.controllers; source++) {
        const struct redo_record *records = segment_redo(segment, source);
        for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
            if (redo_look(&records[i]).phase == REDO_SLICE &&
                needs(segment, &records[i], source, seat))
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
