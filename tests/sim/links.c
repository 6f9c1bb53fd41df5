#include "tests/sim/links.h"

#include "shm/link.h"
#include "tests/sim/configuration.h"
#include "tests/sim/life.h"

enum {
    CHANGE_NS_MIN = 20000, /* from one change of the links to the next */
    CHANGE_NS_MAX = 20000000,
    DELAY_NS_MAX = 3000000,
    LOSS_PER_MILLE_MAX = 700,
};

#define WORLD_OF(event, member)                                                                    \
    ((struct world *)(void *)((char *)(event)-offsetof(struct world, member)))

/* --- entries --- */

/* What stands in a ring between its head and its tail: lost, like the one before it once more, or
 * in another order. */
static void disturb(struct world *world, struct ring *ring)
{
    /* relaxed: one thread */
    uint32_t head = load_relaxed(&ring->head), pending = load_relaxed(&ring->tail) - head;
    uint32_t mask = world->segment.geometry.ring_entries - 1;

    if (pending == 0)
        return;
    uint32_t at = head + (uint32_t)dice_below(&world->dice, pending);
    uint32_t other = head + (uint32_t)dice_below(&world->dice, pending);
    _Atomic uint64_t *entry = &ring->entries[at & mask];
    uint64_t value = load_relaxed(entry); /* relaxed: as above */
    switch (dice_below(&world->dice, 3)) {
    case 0:
        store_relaxed(entry, 0); /* relaxed: as above */
        break;
    case 1: /* relaxed: as above */
        store_relaxed(entry, load_relaxed(&ring->entries[(at - 1) & mask]));
        break;
    default: /* relaxed: as above */
        store_relaxed(entry, load_relaxed(&ring->entries[other & mask]));
        store_relaxed(&ring->entries[other & mask], value); /* relaxed: as above */
        break;
    }
}

void links_disturb(struct world *world)
{
    if (!world->faults || !dice_once_in(&world->dice, world->plan.doorbell_once_in))
        return;
    uint32_t source = (uint32_t)dice_below(&world->dice, world->machines_count);
    for (uint32_t target = 0; target < world->machines_count; target++) {
        for (uint32_t fabric = 0; fabric < FABRICS && target != source; fabric++)
            disturb(world, &segment_link(&world->segment, source, target, fabric)->ring);
    }
}

/* --- links --- */

/* Which links a change is about. */
struct some_links {
    uint32_t source, target; /* UINT32_MAX: any */
    uint32_t fabrics;        /* mask */
    bool both_ways;
};

static bool matches(uint32_t wanted, uint32_t id)
{
    return wanted == UINT32_MAX || wanted == id;
}

static bool is_meant(const struct some_links *some, uint32_t source, uint32_t target,
                     uint32_t fabric)
{
    if ((some->fabrics >> fabric & 1) == 0)
        return false;
    return (matches(some->source, source) && matches(some->target, target)) ||
           (some->both_ways && matches(some->source, target) && matches(some->target, source));
}

static void inject(struct world *world, const struct some_links *some, struct link_fault fault)
{
    for (uint32_t source = 0; source < world->machines_count; source++) {
        for (uint32_t target = 0; target < world->machines_count; target++) {
            for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
                if (source != target && is_meant(some, source, target, fabric))
                    link_inject(segment_link(&world->segment, source, target, fabric), fault,
                                world->now_ns);
            }
        }
    }
    sim_note(world, "links from %d to %d%s, fabrics %u: %s, %u per mille lost, %llu ns late",
             (int)some->source, (int)some->target, some->both_ways ? " and back" : "",
             some->fabrics, fault.failed ? "cut" : "work", fault.loss_per_mille,
             (unsigned long long)fault.delay_ns);
    configuration_publish(world);
}

static bool all_cut(const struct world *world, uint32_t source, uint32_t target)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if (!link_fault_of(segment_link(&world->segment, source, target, fabric)).failed)
            return false;
    }
    return true;
}

/* Where commands do not wait for a way, one that has none is a reason to fail; that others may pass
 * them on is not counted upon. */
static void note_unreachable(struct world *world)
{
    for (uint32_t source = 0; source < world->machines_count; source++) {
        for (uint32_t target = 0; target < world->machines_count; target++) {
            if (source == target || !all_cut(world, source, target))
                continue;
            life_lost_reach(world, source);
            life_lost_reach(world, target);
        }
    }
}

static struct some_links draw_links(struct world *world)
{
    struct dice *dice = &world->dice;
    uint32_t count = world->machines_count;
    struct some_links some = {.source = (uint32_t)dice_below(dice, count),
                              .fabrics = (uint32_t)dice_between(dice, 1, (1 << FABRICS) - 1),
                              .both_ways = dice_once_in(dice, 2)};

    some.target = (some.source + 1 + (uint32_t)dice_below(dice, count - 1)) % count;
    if (dice_once_in(dice, 3)) /* all of one controller */
        some.target = UINT32_MAX;
    if (dice_once_in(dice, 4)) /* a fabric */
        some.source = UINT32_MAX;
    return some;
}

static struct link_fault draw_fault(struct dice *dice)
{
    struct link_fault fault = {0};

    switch (dice_below(dice, 4)) {
    case 0:
        fault.loss_per_mille = (uint16_t)dice_between(dice, 1, LOSS_PER_MILLE_MAX);
        break;
    case 1:
        fault.delay_ns = dice_between(dice, 1, DELAY_NS_MAX);
        break;
    default:
        fault.failed = true;
        break;
    }
    return fault;
}

static const struct some_links every_link = {
    .source = UINT32_MAX, .target = UINT32_MAX, .fabrics = (1 << FABRICS) - 1};

/* Nobody is without a way for as long as commands wait for one, but where they do not wait. */
static void change(struct event *event)
{
    struct world *world = WORLD_OF(event, links_change);

    if (!world->faults || world->configurator_dead)
        return;
    if (dice_once_in(&world->dice, 2)) {
        inject(world, &every_link, (struct link_fault){0});
    } else {
        const struct some_links some = draw_links(world);
        inject(world, &some, draw_fault(&world->dice));
    }
    if (world->config->interconnect.wait_ns == 0)
        note_unreachable(world);
    events_set(&world->events, event,
               world->now_ns + dice_between(&world->dice, CHANGE_NS_MIN, CHANGE_NS_MAX));
}

void links_begin_faults(struct world *world)
{
    if (!world->plan.cut_links || world->machines_count < 2)
        return;
    world->links_change.fire = change;
    events_set(&world->events, &world->links_change,
               world->now_ns + dice_below(&world->dice, CHANGE_NS_MAX));
}

void links_end_faults(struct world *world)
{
    events_cancel(&world->links_change);
    if (world->plan.cut_links && world->machines_count >= 2)
        inject(world, &every_link, (struct link_fault){0});
}
