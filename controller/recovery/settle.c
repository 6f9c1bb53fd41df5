#include "controller/recovery/settle.h"

#include "controller/controller.h"

/* Whether the element's owner died with blocks of it that were acknowledged and are not on its
 * image, which no start must take for up to date. Without any it comes back as it is. Who takes the
 * element over writes them there, or says that it has failed. */
static bool died_dirty(const struct controller *controller, const struct mapping_place *place)
{
    const struct segment *segment = &controller->segment;
    enum seat_state state = seat_state(segment_seat(segment, place->owner));

    if ((state != SEAT_DEAD && state != SEAT_DRAINED) || takeover_is_on(controller))
        return false;
    if (segment_header(segment)->cache_mode != CACHE_WRITE_BACK ||
        segment->geometry.cache_bytes == 0)
        return false;
    struct cache_region region = segment_cache_region(segment, place->owner);
    return cache_region_has_dirty(&region, place->element);
}

/* Of another controller's elements nothing is said while it lives: it settles them itself. */
static bool has_failed(const struct controller *controller, const struct mapping_place *place)
{
    if (place->owner != controller->id)
        return died_dirty(controller, place);
    /* relaxed: we are its only writer */
    return load_relaxed(&controller->elements[place->element].record->state) != ELEMENT_ONLINE;
}

/* Mask of the volume's members whose images lack something. */
static uint32_t members_on_failed(const struct controller *controller,
                                  const struct virtual_volume *virtual)
{
    uint32_t failed = 0;

    for (uint32_t member = 0; member < virtual->layout.members; member++) {
        struct mapping_place place;
        if (mapping_resolve(&controller->segment, virtual->members[member].volume, 0, 0, &place) ==
                0 &&
            has_failed(controller, &place))
            failed |= 1u << member;
    }
    return failed;
}

/* False: the volume has nothing to be settled. */
static bool settle_volume(struct controller *controller, uint32_t volume)
{
    const struct virtual_volume *virtual = virtual_find(controller, volume);
    struct errand *errand = &controller->settle.errand;

    if (virtual == NULL || !layout_kind_redundant(virtual->layout.kind))
        return false;
    uint32_t members = members_on_failed(controller, virtual);
    /* Where it cannot do without them, it is lost, and may come back with them as they are. */
    if (members == 0 || !virtual_bears(&virtual->layout, virtual_failed(virtual) | members) ||
        ((members & ~virtual_absent(virtual)) == 0 && member_states_unmarked(virtual->record) == 0))
        return false;
    errand->op = COMMAND_SETTLE;
    errand->volume = volume;
    errand->members = members;
    errand_send(controller, errand);
    return true;
}

static void answer_all(struct settle *settle)
{
    uint32_t count = settle->waiting_count;

    settle->waiting_count = 0;
    for (uint32_t i = 0; i < count; i++)
        control_answer(settle->waiting[i], settle->status);
}

static void begin_pass(struct settle *settle)
{
    settle->running = true;
    settle->again = false;
    settle->next_volume = 0;
    settle->status = 0;
    settle->waiting_count = settle->waiting_next_count;
    settle->waiting_next_count = 0;
    for (uint32_t i = 0; i < settle->waiting_count; i++)
        settle->waiting[i] = settle->waiting_next[i];
}

/* From volume to volume, until one of them has to be waited for. */
static void go_on(struct controller *controller)
{
    struct settle *settle = &controller->settle;

    while (settle->next_volume < mapping_volumes_end(&controller->segment)) {
        if (settle_volume(controller, settle->next_volume++))
            return;
    }
    settle->running = false;
    answer_all(settle);
}

static void settled(struct errand *errand)
{
    struct settle *settle = &errand->controller->settle;

    if (settle->status == 0)
        settle->status = errand->status;
    go_on(errand->controller);
}

void settle_init(struct controller *controller)
{
    controller->settle.errand.over = settled;
}

void settle_failed_elements(struct controller *controller, struct control_request *request)
{
    struct settle *settle = &controller->settle;

    if (request != NULL) /* there are no more requests than places */
        settle->waiting_next[settle->waiting_next_count++] = request;
    settle->again = true;
}

void settle_turn(struct controller *controller)
{
    if (!settle_has_work(controller))
        return;
    begin_pass(&controller->settle);
    go_on(controller);
}

bool settle_has_work(const struct controller *controller)
{
    return controller->settle.again && !controller->settle.running;
}
