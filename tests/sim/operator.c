#include "tests/sim/operator.h"

#include <stdio.h>
#include <string.h>

#include "controller/config/replace.h"
#include "controller/volume_state.h"
#include "tests/sim/configuration.h"
#include "tests/sim/life.h"
#include "tests/sim/sim_element.h"

enum {
    NEXT_NS_MIN = 50000, /* from one thing to the next */
    NEXT_NS_MAX = 8000000,
};

#define WORLD_OF(event, member)                                                                    \
    ((struct world *)(void *)((char *)(event)-offsetof(struct world, member)))

/* --- element fail --- */

static void failed(void *context, int status)
{
    sim_note(context, "an element was to fail: %d", status);
}

/* As tools/admin_element.c does it: not one that a volume cannot do without. */
static void fail_element(struct world *world, uint32_t element)
{
    const struct control_message message = {.kind = CONTROL_FAIL_ELEMENT, .arguments = {element}};
    uint32_t owner = owner_load(&segment_element(&world->segment, element)->owner).seat;

    if (volume_lost_without(&world->segment, element) >= 0 ||
        configurator_ask(world->configurator, owner, &message, -1, failed, world) != 0)
        return;
    world->element_failed[element] = true;
    sim_note(world, "disk%u is to fail", element);
}

/* --- element replace --- */

/* The configuration names the image that the element has from now on. */
static void note_image(struct world *world, uint32_t element, const char *path)
{
    char prefix[24];

    snprintf(prefix, sizeof prefix, "/sim/disk%u-", element);
    char *place = strstr(world->plan.config, prefix);
    if (place != NULL)
        memcpy(place, path, strlen(path));
    world->image_of[element] = sim_image_at(path);
}

static void replaced(void *context, const struct replaced *replaced)
{
    struct world *world = context;

    world->replacing = false;
    sim_note(world, "replace: %d: %s", replaced->status,
             replaced->status == 0 ? replaced->image : replaced->text);
    if (replaced->status == 0)
        note_image(world, sim_image_at(replaced->image)->element, replaced->image);
}

/* Names are of one length, so that one takes the place of another. */
static void replace(struct world *world, uint32_t element)
{
    char path[64];
    uint32_t number = 0;

    do
        snprintf(path, sizeof path, "/sim/disk%u-%u.img", element, number);
    while (sim_image_at(path) != NULL && ++number < 10);
    if (number == 10 || world->images_count == SIM_IMAGES_MAX || world->replacing)
        return;
    world->replacing = true;
    bool same = dice_once_in(&world->dice, 2);
    sim_note(world, "disk%u is to be replaced by %s", element, same ? "itself" : path);
    replace_element(world->configurator, element, same ? NULL : path, 0, replaced, world);
}

/* --- controller start and stop, element move --- */

static void seat_changed_so(void *context, const char *why)
{
    sim_note(context, "a seat was to change: %s", why == NULL ? "it has" : why);
}

static void change_seat(struct world *world, uint32_t seat)
{
    bool lives = world->configurator->controllers[seat].alive;

    sim_note(world, "c%u is to be %s", seat, lives ? "stopped" : "started");
    if (lives)
        seat_stop(world->configurator, seat, seat_changed_so, world);
    else
        seat_start(world->configurator, seat, seat_changed_so, world);
}

static void element_moved(void *context, const struct element_moved *moved)
{
    sim_note(context, "an element was to move: %d: %s", moved->status, moved->text);
}

static void move_element(struct world *world, uint32_t element)
{
    uint32_t target = (uint32_t)dice_below(&world->dice, world->machines_count);

    sim_note(world, "disk%u is to move to c%u", element, target);
    if (!world->config->takeover) /* its target may die, and have it then */
        life_lost_element(world, element);
    element_move_start(world->configurator, element, target, element_moved, world);
}

/* Those that do not run are started more often than those that run are stopped. */
static bool move_something(struct world *world, uint32_t element)
{
    struct dice *dice = &world->dice;
    uint32_t seat = (uint32_t)dice_below(dice, world->machines_count);
    bool lives = world->configurator->controllers[seat].alive;

    if (!dice_once_in(dice, world->plan.restart_once_in))
        return false;
    if (!lives || dice_once_in(dice, world->plan.stop_once_in))
        change_seat(world, seat);
    else
        move_element(world, element);
    return true;
}

/* --- what is done next --- */

static bool has_failed(const struct world *world, uint32_t element)
{
    return element_state_now(&world->segment, element) == VOLUME_FAILED;
}

static void do_something(struct event *event)
{
    struct world *world = WORLD_OF(event, operator_next);
    struct dice *dice = &world->dice;
    uint32_t element = (uint32_t)dice_below(dice, world->config->elements_count);

    if (!world->faults || world->configurator_dead)
        return;
    if (move_something(world, element))
        ; /* next time something else */
    else if (has_failed(world, element))
        replace(world, element);
    else if (dice_once_in(dice, 3))
        fail_element(world, element);
    else
        configuration_scrub(world, (uint32_t)dice_below(dice, world->volumes_count),
                            dice_once_in(dice, 2));
    events_set(&world->events, event, world->now_ns + dice_between(dice, NEXT_NS_MIN, NEXT_NS_MAX));
}

void operator_begin(struct world *world)
{
    world->operator_next.fire = do_something;
    world->replacing = false;
    if (world->plan.operates)
        events_set(&world->events, &world->operator_next,
                   world->now_ns + dice_below(&world->dice, NEXT_NS_MAX));
}

void operator_end(struct world *world)
{
    events_cancel(&world->operator_next);
}
