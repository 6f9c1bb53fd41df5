#include "tests/sim/operator.h"

#include <stdio.h>
#include <string.h>

#include "controller/config/replace.h"
#include "controller/volume_state.h"
#include "tests/sim/configuration.h"
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
    if (has_failed(world, element))
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
