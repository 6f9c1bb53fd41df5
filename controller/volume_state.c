#include "controller/volume_state.h"

#include "shm/seat.h"

static const char *const names[VOLUME_STATES] = {
    [VOLUME_ONLINE] = "online",
    [VOLUME_DEGRADED] = "degraded",
    [VOLUME_FAILED] = "failed",
    [VOLUME_UNREACHABLE] = "unreachable",
};

const char *volume_state_name(enum volume_state state)
{
    return (unsigned)state < VOLUME_STATES ? names[state] : NULL;
}

/* --- the rule --- */

/* A set of copies is lost when all of them are; a row bears as many lost sets as it has parities. A
 * layout without copies has sets of one. */
enum volume_state volume_state_of_layout(const struct layout *layout, uint32_t absent)
{
    uint32_t lost = 0;
    bool any = false;

    for (uint32_t first = 0; first < layout->members; first += layout->copies) {
        bool left = false;
        for (uint32_t i = first; i < first + layout->copies; i++) {
            bool gone = (absent >> i & 1) != 0;
            any = any || gone;
            left = left || !gone;
        }
        lost += !left;
    }
    if (lost > layout->parities)
        return VOLUME_FAILED;
    return any ? VOLUME_DEGRADED : VOLUME_ONLINE;
}

/* --- as it is now --- */

enum volume_state element_state_now(const struct segment *segment, uint32_t element)
{
    if (element >= segment->geometry.elements)
        return VOLUME_FAILED;
    const struct element_record *record = segment_element(segment, element);
    uint32_t owner = load_acquire(&record->owner);
    if (owner >= segment->geometry.controllers ||
        seat_is_gone(seat_state(segment_seat(segment, owner))))
        return VOLUME_UNREACHABLE;
    /* relaxed: what is told may be old by the time it is heard. */
    return load_relaxed(&record->state) == ELEMENT_ONLINE ? VOLUME_ONLINE : VOLUME_FAILED;
}

enum volume_state member_state_now(const struct segment *segment,
                                   const struct mapping_members *members, uint32_t place)
{
    uint32_t volume = members->records[place].volume;

    if ((members->failed >> place & 1) != 0 || volume >= segment->geometry.volumes ||
        mapping_is_virtual(segment, volume))
        return VOLUME_FAILED;
    return element_state_now(segment, segment_volume(segment, volume)->element);
}

/* The rule of the members there are. */
static enum volume_state state_of_members(const struct segment *segment,
                                          const struct mapping_members *members)
{
    uint64_t member_bytes[MEMBERS_MAX], starts[MEMBERS_MAX + 1];
    struct layout_wanted wanted = {.kind = (enum layout_kind)members->layout,
                                   .members = members->count,
                                   .copies = members->copies,
                                   .chunk_bytes = members->chunk_bytes,
                                   .member_bytes = member_bytes};
    struct layout layout;
    uint32_t absent = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        member_bytes[i] = members->records[i].size_bytes;
        if (member_state_now(segment, members, i) != VOLUME_ONLINE)
            absent |= UINT32_C(1) << i;
    }
    if (layout_name(wanted.kind) == NULL || layout_init(&layout, &wanted, starts) != 0)
        return VOLUME_FAILED;
    return volume_state_of_layout(&layout, absent);
}

enum volume_state volume_state_now(const struct segment *segment, uint32_t volume)
{
    struct mapping_members members;

    if (volume >= segment->geometry.volumes)
        return VOLUME_FAILED;
    if (!mapping_is_virtual(segment, volume))
        return element_state_now(segment, segment_volume(segment, volume)->element);
    if (mapping_members(segment, volume, &members) != 0)
        return VOLUME_FAILED;
    return state_of_members(segment, &members);
}
