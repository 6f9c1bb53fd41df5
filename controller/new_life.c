#include "controller/new_life.h"

#include "controller/controller.h"
#include "shm/crash_point.h"
#include "shm/mapping.h"

static void level_is_none(_Atomic uint64_t *level)
{
    store_relaxed(level, 0); /* relaxed: we are its only writer now */
}

static void reset_levels(struct controller_counters *counters)
{
    level_is_none(&counters->host_in_flight);
    level_is_none(&counters->peer_in_flight);
    level_is_none(&counters->connections);
    level_is_none(&counters->asleep_since_ns);
    level_is_none(&counters->buffers_bytes);
    level_is_none(&counters->slots_used);
}

static bool is_ours(const struct controller *controller, uint32_t element)
{
    return element < controller->elements_count && controller->elements[element].file.fd >= 0;
}

/* What the last life owned is ours, with the image that was opened for us; one that has failed has
 * none. Somebody else may have taken it meanwhile. */
static void take_element(const struct controller *controller, struct owned_element *element)
{
    struct owner owner = owner_load(&element->record->owner);
    /* relaxed: its writer was the last life */
    bool failed = load_relaxed(&element->record->state) != ELEMENT_ONLINE;

    if (owner_is(owner, controller->id, controller->epoch))
        return;
    if (owner.state != OWNER_NONE && owner.seat == controller->id &&
        (element->file.fd >= 0 || failed) &&
        owner_change(&element->record->owner, owner,
                     owner_next(owner, OWNER_OWNED, controller->id, controller->epoch)))
        return;
    element_release(&element->file, controller->loop);
}

void new_life_put_in_order(struct controller *controller)
{
    const struct segment *segment = &controller->segment;

    CRASH_POINT("life.begun");
    slots_renew(controller->slots.slots, controller->slots.count);
    CRASH_POINT("life.slots");
    reset_levels(controller->counters);
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        take_element(controller, &controller->elements[i]);
        CRASH_POINT("life.taken");
        if (is_ours(controller, i))
            level_is_none(&segment_element(segment, i)->counters.in_flight);
    }
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        struct volume_record *record = segment_volume(segment, i);
        if (!is_ours(controller, record->element))
            continue;
        level_is_none(&record->counters.in_flight);
        level_is_none(&record->cache.dirty);
    }
}
