#include "controller/config/seat_moves.h"

#include <errno.h>
#include <stdio.h>

#include "controller/config/seats_parts.h"

static bool is_meant(const struct watched_controller *controller, uint32_t element)
{
    const struct element_record *record =
        segment_element(&controller->configurator->segment, element);
    uint32_t owner = owner_load(&record->owner).seat;

    /* relaxed: what has just failed is refused by who moves it */
    if (load_relaxed(&record->state) != ELEMENT_ONLINE)
        return false;
    if (controller->moves.kind == SEAT_MOVES_AWAY)
        return owner == controller->id;
    return record->configured_owner == controller->id && owner != controller->id;
}

/* Elements are dealt out over the others, by number. */
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
    bool away = controller->moves.kind == SEAT_MOVES_AWAY;

    controller->moves.kind = SEAT_MOVES_NONE;
    if (!away || controller->care.task != SEAT_TASK_STOP)
        return;
    if (why != NULL)
        seat_task_over(controller->configurator, controller->id, why);
    else
        seat_stop_empty(controller->configurator, controller->id);
}

static void go_on(struct watched_controller *controller);

static void moved(void *context, const struct element_moved *moved)
{
    struct watched_controller *controller = context;
    struct configurator *configurator = controller->configurator;
    const char *name = segment_element(&configurator->segment, controller->moves.moving)->name;
    char why[512];

    controller->moves.busy = false;
    snprintf(why, sizeof why, "element %s does not go to another controller: %s", name,
             moved->text != NULL ? moved->text : "");
    if (moved->status != 0 && controller->moves.kind == SEAT_MOVES_AWAY)
        over(controller, why);
    else if (moved->status != 0 && !controller->alive)
        over(controller, NULL); /* it has died again, and says so itself */
    else if (moved->status != 0 && moved->status != -ESHUTDOWN)
        fprintf(stderr, "anyport: element %s does not go back to controller %u: %s\n", name,
                controller->id, moved->text);
    go_on(controller);
}

static bool start_next(struct watched_controller *controller)
{
    struct configurator *configurator = controller->configurator;

    while (controller->moves.next < configurator->segment.geometry.elements) {
        uint32_t element = controller->moves.next++;
        if (!is_meant(controller, element))
            continue;
        bool away = controller->moves.kind == SEAT_MOVES_AWAY;
        controller->moves.moving = element;
        controller->moves.busy = true;
        element_move_start(configurator, element,
                           away ? refuge(controller, element) : controller->id, moved, controller);
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
    while (any && !controller->moves.busy && controller->moves.kind != SEAT_MOVES_NONE &&
           controller->configurator->phase == CONFIGURATOR_RUNNING)
        any = start_next(controller);
    controller->moves.looking = false;
    if (!any)
        over(controller, NULL);
}

static void begin(struct configurator *configurator, uint32_t id, enum seat_moves_kind kind)
{
    struct watched_controller *controller = &configurator->controllers[id];

    controller->moves.kind = kind;
    controller->moves.next = 0;
    go_on(controller);
}

void seat_moves_away(struct configurator *configurator, uint32_t id)
{
    begin(configurator, id, SEAT_MOVES_AWAY);
}

void seat_moves_back(struct configurator *configurator, uint32_t id)
{
    begin(configurator, id, SEAT_MOVES_BACK);
}
