#include "controller/config/seat_moves.h"

#include <stdio.h>

#include "controller/config/seats_parts.h"

static bool is_meant(const struct watched_controller *controller, uint32_t element)
{
    const struct element_record *record =
        segment_element(&controller->configurator->segment, element);

    /* relaxed: what has just failed is refused by who moves it */
    return load_relaxed(&record->state) == ELEMENT_ONLINE &&
           owner_load(&record->owner).seat == controller->id;
}

bool seat_has_elements(const struct configurator *configurator, uint32_t id)
{
    for (uint32_t i = 0; i < configurator->segment.geometry.elements; i++) {
        if (is_meant(&configurator->controllers[id], i))
            return true;
    }
    return false;
}

/* Elements are dealt out over the others, by number; its own number: no other is left. */
static uint32_t refuge(const struct watched_controller *controller, uint32_t element)
{
    const struct configurator *configurator = controller->configurator;
    uint32_t others[CONTROLLERS_MAX], count = 0;

    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (id != controller->id && seat_takes_jobs(configurator, id))
            others[count++] = id;
    }
    return count == 0 ? controller->id : others[element % count];
}

static void over(struct watched_controller *controller, const char *why)
{
    controller->moves.under_way = false;
    if (controller->care.task != SEAT_TASK_STOP || controller->care.step != SEAT_STEP_EMPTIES)
        return; /* later than that it is looked at again (seats.c) */
    if (why != NULL)
        seat_task_over(controller->configurator, controller->id, why);
    else
        seat_stop_empty(controller->configurator, controller->id);
}

static void go_on(struct watched_controller *controller);

static void moved(void *context, const struct element_moved *moved)
{
    struct watched_controller *controller = context;
    const struct segment *segment = &controller->configurator->segment;
    char why[512];

    controller->moves.busy = false;
    snprintf(why, sizeof why, "element %s does not go to another controller: %s",
             segment_element(segment, controller->moves.moving)->name,
             moved->text != NULL ? moved->text : "");
    if (moved->status != 0)
        over(controller, why);
    go_on(controller);
}

static bool start_next(struct watched_controller *controller)
{
    struct configurator *configurator = controller->configurator;

    while (controller->moves.next < configurator->segment.geometry.elements) {
        uint32_t element = controller->moves.next++;
        if (!is_meant(controller, element))
            continue;
        uint32_t to = refuge(controller, element);
        if (to == controller->id) {
            over(controller, "no other controller is left for its elements");
            return true;
        }
        controller->moves.moving = element;
        controller->moves.busy = true;
        element_move_start(configurator, element, to, moved, controller);
        return true;
    }
    return false;
}

/* A move may be over before it has begun to be waited for. */
static void go_on(struct watched_controller *controller)
{
    if (controller->moves.looking)
        return;
    controller->moves.looking = true;
    bool any = true;
    while (any && !controller->moves.busy && controller->moves.under_way &&
           controller->configurator->phase == CONFIGURATOR_RUNNING)
        any = start_next(controller);
    controller->moves.looking = false;
    if (!any)
        over(controller, NULL);
}

void seat_moves_away(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];

    controller->moves.under_way = true;
    controller->moves.next = 0;
    go_on(controller);
}
