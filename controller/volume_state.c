#include "controller/volume_state.h"

#include "shm/seat.h"

static const char *const names[VOLUME_STATES] = {
    [VOLUME_ONLINE] = "online",           [VOLUME_DEGRADED] = "degraded",
    [VOLUME_FAILED] = "failed",           [VOLUME_REBUILDING] = "rebuilding",
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
    struct owner owner = owner_load(&record->owner);
    if (owner.seat >= segment->geometry.controllers || owner_is_gone(segment, owner) ||
        seat_is_gone(seat_state(segment_seat(segment, owner.seat))))
        return VOLUME_UNREACHABLE;
    /* relaxed: what is told may be old by the time it is heard. */
    return load_relaxed(&record->state) == ELEMENT_ONLINE ? VOLUME_ONLINE : VOLUME_FAILED;
}

enum volume_state member_state_now(const struct segment *segment,
                                   const struct mapping_members *members, uint32_t place)
{
    uint32_t volume = members->records[place].volume;

    if (volume >= segment->geometry.volumes || mapping_is_virtual(segment, volume))
        return VOLUME_FAILED;
    enum volume_state state = element_state_now(segment, segment_volume(segment, volume)->element);
    if ((members->failed >> place & 1) == 0)
        return state;
    return (members->rebuilding >> place & 1) != 0 && state == VOLUME_ONLINE ? VOLUME_REBUILDING
                                                                             : VOLUME_FAILED;
}

static bool is_on(const struct segment *segment, uint32_t volume, uint32_t element)
{
    return mapping_has_volume(segment, volume) && !mapping_is_virtual(segment, volume) &&
           segment_volume(segment, volume)->element == element;
}

/* The rule of the members there are, but for those on the element `without` (ELEMENT_NONE). */
static enum volume_state state_of_members(const struct segment *segment,
                                          const struct mapping_members *members, uint32_t without)
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
        if (member_state_now(segment, members, i) != VOLUME_ONLINE ||
            is_on(segment, members->records[i].volume, without))
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
    return state_of_members(segment, &members, ELEMENT_NONE);
}

/* --- without an element --- */

/* How many members of redundant volumes lie on the element. */
static uint32_t redundant_members_on(const struct segment *segment, uint32_t element)
{
    struct mapping_members members;
    uint32_t count = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_members(segment, i, &members) != 0 ||
            !layout_kind_redundant((enum layout_kind)members.layout))
            continue;
        for (uint32_t j = 0; j < members.count; j++)
            count += is_on(segment, members.records[j].volume, element);
    }
    return count;
}

/* The first plain volume on the element that no redundant one is made of, or -1. */
static int64_t plain_volume_on(const struct segment *segment, uint32_t element)
{
    struct mapping_members members;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        bool covered = false;
        if (!mapping_has_volume(segment, i) || !is_on(segment, i, element))
            continue;
        for (uint32_t j = 0; j < mapping_volumes_end(segment) && !covered; j++) {
            if (mapping_members(segment, j, &members) != 0 ||
                !layout_kind_redundant((enum layout_kind)members.layout))
                continue;
            for (uint32_t k = 0; k < members.count && !covered; k++)
                covered = members.records[k].volume == i;
        }
        if (!covered)
            return i;
    }
    return -1;
}

static uint32_t plain_volumes_on(const struct segment *segment, uint32_t element)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++)
        count += is_on(segment, i, element);
    return count;
}

int64_t volume_lost_without(const struct segment *segment, uint32_t element)
{
    struct mapping_members members;

    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        if (mapping_members(segment, i, &members) == 0 &&
            volume_state_now(segment, i) != VOLUME_FAILED &&
            state_of_members(segment, &members, element) == VOLUME_FAILED)
            return i;
    }
    /* Each volume is a member of one other at most, so counting tells whether all are. */
    if (plain_volumes_on(segment, element) == redundant_members_on(segment, element))
        return -1;
    return plain_volume_on(segment, element);
}
