#include "controller/loss.h"

#include "controller/layout/layout.h"
#include "shm/cache_mode.h"
#include "shm/cache_region.h"
#include "shm/mapping.h"
#include "shm/member_states.h"
#include "shm/seat.h"

/* --- what is dirty --- */

static bool died_dirty(const struct segment *segment, uint32_t seat, uint32_t element)
{
    enum seat_state state = seat_state(segment_seat(segment, seat));
    struct cache_region region = segment_cache_region(segment, seat);

    return (state == SEAT_DEAD || state == SEAT_DRAINED) &&
           cache_region_has_dirty(&region, element);
}

bool loss_is_left_dirty(const struct segment *segment, uint32_t element)
{
    if (segment_header(segment)->cache_mode != CACHE_WRITE_BACK ||
        segment->geometry.cache_bytes == 0)
        return false;
    for (uint32_t seat = 0; seat < segment->geometry.controllers; seat++) {
        if (died_dirty(segment, seat, element))
            return true;
    }
    return false;
}

/* --- whose it is --- */

/* Whether others hold what this volume held: it is a member that its volume does without. */
static bool is_held_by_others(const struct segment *segment, uint32_t volume)
{
    struct mapping_members members;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_members(segment, i, &members) != 0 ||
            !layout_kind_redundant((enum layout_kind)members.layout))
            continue;
        uint32_t failed = member_states_now(segment_volume(segment, i)).failed;
        for (uint32_t member = 0; member < members.count; member++) {
            if (members.records[member].volume == volume)
                return (failed >> member & 1) != 0;
        }
    }
    return false;
}

static bool reaches_volume(const struct segment *segment, uint32_t element)
{
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_has_volume(segment, i) && !mapping_is_virtual(segment, i) &&
            segment_volume(segment, i)->element == element && !is_held_by_others(segment, i))
            return true;
    }
    return false;
}

static bool has_failed_and_lost(const struct element_record *record)
{
    /* relaxed: its writers have ended, or it is our own */
    return load_relaxed(&record->lost_writes) != 0 &&
           load_relaxed(&record->state) != ELEMENT_ONLINE; /* relaxed: as above */
}

bool loss_is_there(const struct segment *segment, uint32_t element)
{
    return (has_failed_and_lost(segment_element(segment, element)) ||
            loss_is_left_dirty(segment, element)) &&
           reaches_volume(segment, element);
}
