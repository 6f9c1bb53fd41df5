#include "tests/sim/plan.h"

#undef NDEBUG
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MEMBER_BYTES_UNIT = 64 << 10,
    JOURNAL_BYTES_LEAST = 648 << 10, /* the largest slice, six times 32 KiB, fits a third of it */
};

__attribute__((format(printf, 2, 3))) static void add(struct plan *plan, const char *format, ...)
{
    size_t length = strlen(plan->config);
    va_list arguments;

    va_start(arguments, format);
    int more = vsnprintf(plan->config + length, sizeof plan->config - length, format, arguments);
    va_end(arguments);
    assert(more >= 0 && length + (size_t)more < sizeof plan->config);
}

static uint32_t power_of_two(struct dice *dice, uint32_t least, uint32_t shifts)
{
    return least << dice_below(dice, shifts);
}

/* Each element carries one member of each virtual volume, and a plain volume at its end. */
struct virtual_kind {
    const char *name;
    uint32_t members_min;
    bool has_chunk, even, redundant;
};

static void add_virtual(struct plan *plan, struct dice *dice, uint32_t number, bool redundant_only,
                        uint64_t *offset_bytes)
{
    static const struct virtual_kind kinds[] = {
        {"concat", 1, false, false, false}, {"stripe", 1, true, false, false},
        {"mirror", 2, false, false, true},  {"raid10", 2, true, true, true},
        {"raid5", 3, true, false, true},    {"raid6", 4, true, false, true},
    };
    const struct virtual_kind *kind;
    uint32_t members = plan->elements;

    do
        kind = &kinds[dice_below(dice, sizeof kinds / sizeof kinds[0])];
    while (kind->members_min > members || (redundant_only && !kind->redundant));
    if (strcmp(kind->name, "mirror") == 0)
        members = (uint32_t)dice_between(dice, 2, members < 3 ? members : 3);
    if (kind->even)
        members &= ~1u;
    uint64_t bytes = MEMBER_BYTES_UNIT * dice_between(dice, 1, 2);
    add(plan, "  - {name: virtual%u, layout: %s", number, kind->name);
    if (kind->has_chunk)
        add(plan, ", chunk: %uKiB", power_of_two(dice, 4, 4));
    add(plan, ", members: [");
    uint32_t first = (uint32_t)dice_below(dice, plan->elements);
    for (uint32_t i = 0; i < members; i++)
        add(plan, "%sm%u-%u", i > 0 ? ", " : "", number, i);
    add(plan, "]}\n");
    for (uint32_t i = 0; i < members; i++)
        add(plan, "  - {name: m%u-%u, element: disk%u, offset: %llu, size: %llu}\n", number, i,
            (first + i) % plan->elements, (unsigned long long)*offset_bytes,
            (unsigned long long)bytes);
    *offset_bytes += bytes;
}

static void add_interconnect(struct plan *plan, struct dice *dice)
{
    static const char *const models[] = {"direct", "direct", "serial", "loop", "switch"};
    uint32_t model = (uint32_t)dice_below(dice, sizeof models / sizeof models[0]);

    add(plan, "interconnect: {slots: %u, ring-entries: %u, model: %s, share: %s, wait: %u",
        plan->slots, plan->ring_entries, models[model], dice_once_in(dice, 2) ? "true" : "false",
        dice_once_in(dice, 4) ? 0 : 5);
    if (strcmp(models[model], "direct") != 0)
        add(plan, ", latency: %uus, bandwidth: %uMiB", power_of_two(dice, 1, 8),
            power_of_two(dice, 64, 6));
    add(plan, "}\n");
}

static void add_cache(struct plan *plan, struct dice *dice)
{
    static const char *const modes[] = {[CACHE_OFF] = "off",
                                        [CACHE_WRITE_THROUGH] = "write-through",
                                        [CACHE_WRITE_BACK] = "write-back"};
    static const char *const policies[] = {"s3-fifo", "sieve", "arc", "lru"};

    add(plan, "cache: {mode: %s, policy: %s, in-memory: %s}\n", modes[plan->cache_mode],
        policies[dice_below(dice, sizeof policies / sizeof policies[0])],
        dice_once_in(dice, 2) ? "true" : "false");
}

static void draw_config(struct plan *plan, struct dice *dice)
{
    uint32_t virtuals = (uint32_t)dice_between(dice, 1, 2);
    /* Where it is, most elements can be replaced. */
    bool redundant_only = plan->elements > 1 && dice_once_in(dice, 2);
    uint32_t plains = (uint32_t)dice_below(dice, redundant_only ? 2 : 3);
    uint64_t offset_bytes = 0;

    if (plains > plan->elements)
        plains = plan->elements;
    add(plan, "array: sim\ncontrollers: %u\nbuffers: {size: 40MiB}\n", plan->controllers);
    add_interconnect(plan, dice);
    add(plan, "coordination: {policy: strict, region: %uKiB}\n", power_of_two(dice, 256, 3));
    add_cache(plan, dice);
    add(plan, "takeover: {enabled: %s, failback: %s}\n", plan->takeover ? "true" : "false",
        dice_once_in(dice, 2) ? "auto" : "manual");
    add(plan, "restart: %s\nheartbeat: %u\n", dice_once_in(dice, 3) ? "on-death" : "never",
        dice_once_in(dice, 3) ? 0 : (uint32_t)dice_between(dice, 1, 3));
    add(plan, "elements:\n");
    plan->element_bytes = (2 * 2 + 1) * MEMBER_BYTES_UNIT;
    for (uint32_t i = 0; i < plan->elements; i++)
        add(plan, "  - {name: disk%u, image: /sim/disk%u-0.img, size: %llu, controller: %u%s}\n", i,
            i, (unsigned long long)plan->element_bytes, i % plan->controllers,
            dice_once_in(dice, 3) ? ", checksums: true" : "");
    add(plan, "volumes:\n");
    for (uint32_t i = 0; i < virtuals; i++)
        add_virtual(plan, dice, i, redundant_only, &offset_bytes);
    for (uint32_t i = 0; i < plains; i++)
        add(plan, "  - {name: plain%u, element: disk%u, offset: %llu, size: 32KiB}\n", i, i,
            (unsigned long long)offset_bytes);
}

/* Half of the runs meet no fault of a kind at all: what only goes wrong without it is found too. */
static uint32_t perhaps(struct dice *dice, uint32_t once_in)
{
    return dice_once_in(dice, 2) ? once_in : 0;
}

/* By dice of its own, so that a seed that draws none means what it meant before there were any.
 * Rings are small, so that they wrap and are full; the largest slice fits a third of one. */
static void draw_journal(struct plan *plan, const struct dice *seed)
{
    static const enum element_mode modes[] = {ELEMENT_MODE_DIRECT, ELEMENT_MODE_BUFFERED,
                                              ELEMENT_MODE_INLINE};
    struct dice dice = {.state = dice_mix(seed->state ^ 0x6a6f75726e616cu)};

    if (!dice_once_in(&dice, 3))
        return;
    plan->journal_bytes = power_of_two(&dice, JOURNAL_BYTES_LEAST, 2);
    plan->journal_mode = modes[dice_below(&dice, sizeof modes / sizeof modes[0])];
    add(plan, "journal: /sim/journal\n");
}

void plan_draw(struct plan *ret_plan, struct dice *dice)
{
    const struct dice seed = *dice;
    static const enum element_mode modes[] = {ELEMENT_MODE_DIRECT, ELEMENT_MODE_DIRECT,
                                              ELEMENT_MODE_BUFFERED, ELEMENT_MODE_INLINE};
    static const enum cache_mode cache_modes[] = {CACHE_OFF, CACHE_WRITE_THROUGH, CACHE_WRITE_BACK,
                                                  CACHE_WRITE_BACK};
    struct plan plan = {
        .controllers =
            (uint32_t)(dice_once_in(dice, 12) ? 1 : dice_between(dice, 2, SIM_CONTROLLERS_MAX)),
        .unit_bytes = dice_once_in(dice, 2) ? 512 : 4096,
        .slots = power_of_two(dice, 4, 6),
        .ring_entries = power_of_two(dice, 4, 5),
        .takeover = !dice_once_in(dice, 3),
        .cache_mode = cache_modes[dice_below(dice, sizeof cache_modes / sizeof cache_modes[0])],
        .cache_blocks = power_of_two(dice, 8, 5),
        .job_rate_bytes = dice_once_in(dice, 2) ? 0 : (uint64_t)power_of_two(dice, 1 << 20, 6),
        .intents_clear_ns =
            dice_once_in(dice, 3) ? 0 : (uint64_t)power_of_two(dice, 1, 8) * 1000000u,
        .lives = (uint32_t)dice_between(dice, 1, 2),
        .commands = (uint32_t)dice_between(dice, 40, 120),
        .depth = (uint32_t)dice_between(dice, 1, 6),
        .switch_once_in = power_of_two(dice, 2, 5),
        .crash_steps_max = power_of_two(dice, 64, 6),
        .idle_crash_once_in = perhaps(dice, 2),
        .stuck_once_in = perhaps(dice, 400),
        .stuck_long_once_in = dice_once_in(dice, 4) ? 8 : 0,
        .restart_once_in = dice_once_in(dice, 2) ? 2 : 0,
        .stop_once_in = dice_once_in(dice, 2) ? 4 : 0,
        .crash_once_in = perhaps(dice, 2),
        .slow_once_in = dice_once_in(dice, 4) ? 0 : power_of_two(dice, 3, 5),
        .error_once_in = 3,
        .failing_once_in = perhaps(dice, 4),
        .short_once_in = perhaps(dice, 20),
        .in_two_once_in = 4,
        .doorbell_once_in = perhaps(dice, 8),
        .late_doorbell_once_in = perhaps(dice, 10),
        .cut_links = dice_once_in(dice, 2),
        .operates = dice_once_in(dice, 2),
        .configurator_once_in = perhaps(dice, 4),
    };

    plan.elements = (uint32_t)dice_between(dice, plan.controllers, SIM_ELEMENTS_MAX);
    for (uint32_t i = 0; i < plan.elements; i++)
        plan.modes[i] = modes[dice_below(dice, sizeof modes / sizeof modes[0])];
    draw_config(&plan, dice);
    draw_journal(&plan, &seed);
    *ret_plan = plan;
}
