#include "tests/sim/life.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/journals.h"
#include "controller/config/superblocks.h"
#include "controller/config/table.h"
#include "controller/path/virtual.h"
#include "shm/member_states.h"
#include "tests/sim/configuration.h"
#include "tests/sim/links.h"
#include "tests/sim/operation.h"
#include "tests/sim/operator.h"
#include "tests/sim/sim_element.h"

enum {
    FAILING_AFTER_NS = 50000000,
};

#define END_NS (120ull * 1000000000u)

static struct seat *seat_of(const struct machine *machine)
{
    return segment_seat(&machine->world->segment, machine->id);
}

/* --- who is out of reach --- */

static uint32_t members_of(const struct world *world, const struct sim_volume *volume,
                           uint32_t controller)
{
    uint32_t members = 0;

    for (uint32_t i = 0; i < volume->members; i++) {
        uint32_t element = volume->member_element[i];
        struct owner owner = owner_load(&segment_element(&world->segment, element)->owner);
        if (owner.seat == controller)
            members |= 1u << i;
    }
    return members;
}

/* With takeover, who has which elements changes. */
void life_lost_reach(struct world *world, uint32_t controller)
{
    for (uint32_t i = 0; i < world->volumes_count; i++)
        world->volumes[i].touched |= world->config->takeover
                                         ? UINT32_MAX
                                         : members_of(world, &world->volumes[i], controller);
}

void life_lost_element(struct world *world, uint32_t element)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        struct sim_volume *volume = &world->volumes[i];
        for (uint32_t j = 0; j < volume->members; j++) {
            if (volume->member_element[j] == element)
                volume->touched |= 1u << j;
        }
    }
}

/* Whether somebody is left who takes over: not one that ends. */
static bool any_takes(const struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        /* relaxed: one thread */
        if (machine_lives(&world->machines[i]) &&
            load_relaxed(&seat_of(&world->machines[i])->request) == SEAT_REQUEST_NONE)
            return true;
    }
    return false;
}

static void lose_members(struct world *world, uint32_t controller)
{
    life_lost_reach(world, controller);
    for (uint32_t i = 0; i < world->volumes_count; i++)
        world->volumes[i].lost_members |= world->config->takeover
                                              ? UINT32_MAX
                                              : members_of(world, &world->volumes[i], controller);
}

/* The members that it owned are out of reach, and what it had cached of them is lost; unless others
 * take them over. */
void life_lost_controller(struct machine *machine)
{
    struct world *world = machine->world;

    if (world->deaths_count < SIM_DEATHS_MAX)
        world->deaths[world->deaths_count++] =
            (struct sim_death){.seat = machine->id, .at_ns = world->now_ns};
    if (!world->config->takeover || !any_takes(world))
        lose_members(world, machine->id);
}

void life_look_who_takes(struct world *world)
{
    if (world->config->takeover && world->deaths_count > 0 && !any_takes(world))
        lose_members(world, 0);
}

/* Whether more members have failed in this life, one after the other perhaps, than the volume can
 * do without. */
static bool is_lost(const struct world *world, const struct sim_volume *volume)
{
    struct volume_record *record = segment_volume(&world->segment, volume->index);
    uint32_t failed = volume->failed_before | member_states_now(record).failed;

    for (uint32_t i = 0; i < volume->members; i++) {
        if (world->element_failed[volume->member_element[i]])
            failed |= UINT32_C(1) << i;
    }
    return layout_kind_redundant(volume->kind) && !virtual_bears(&volume->layout, failed);
}

/* What an element that failed has not written of its cache it never will. And what a volume has
 * lost with a cache it cannot do without where others of its members lack something already. */
static void note_failed_members(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        struct sim_volume *volume = &world->volumes[i];
        volume->lost_members |=
            member_states_now(segment_volume(&world->segment, volume->index)).failed;
        for (uint32_t j = 0; j < volume->members; j++) {
            if (world->element_failed[volume->member_element[j]])
                volume->lost_members |= 1u << j;
        }
        volume->stale_once = volume->lost_members | volume->touched;
        volume->lost_once = is_lost(world, volume);
    }
}

/* --- starting --- */

static void enter_members(struct world *world, struct sim_volume *volume,
                          const struct config_volume *wanted)
{
    const struct config *config = world->config;
    struct config_error why;

    volume->members = wanted->layout == LAYOUT_NONE ? 1 : wanted->members_count;
    for (uint32_t i = 0; i < volume->members; i++) {
        const struct config_volume *member =
            wanted->layout == LAYOUT_NONE ? wanted : &config->volumes[wanted->members[i]];
        volume->member_element[i] = member->element;
        volume->member_offset[i] = member->offset_bytes;
    }
    if (wanted->layout != LAYOUT_NONE) {
        int error = images_layout_of(config, &world->opened, volume->index, &volume->layout,
                                     volume->starts, &why);
        assert(error == 0);
    }
}

static uint64_t *sector_words(const struct sim_volume *volume)
{
    uint64_t *words = calloc(volume->sectors, sizeof *words);

    assert(words != NULL);
    return words;
}

/* The first time: what hosts see of the array. */
static void note_volumes(struct world *world)
{
    const struct config *config = world->config;

    for (uint32_t i = 0; i < config->volumes_count; i++) {
        const struct config_volume *wanted = &config->volumes[i];
        if (!wanted->export)
            continue;
        assert(world->volumes_count < SIM_VOLUMES_MAX);
        struct sim_volume *volume = &world->volumes[world->volumes_count++];
        *volume = (struct sim_volume){.index = i, .kind = wanted->layout};
        snprintf(volume->name, sizeof volume->name, "%s", wanted->name);
        volume->sectors =
            (uint32_t)(segment_volume(&world->segment, i)->size_bytes / IMAGE_SECTOR_BYTES);
        volume->initial = sector_words(volume);
        volume->zeroed = sector_words(volume);
        volume->open_from_ns = sector_words(volume);
        volume->open_until_ns = sector_words(volume);
        enter_members(world, volume, wanted);
    }
}

static void begin_volumes(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        struct sim_volume *volume = &world->volumes[i];
        volume->touched = 0;
        volume->finished = false;
        volume->failed_before =
            member_states_now(segment_volume(&world->segment, volume->index)).failed;
    }
}

/* Smaller than any that can be configured: elements are small here. */
static uint64_t cache_bytes(const struct world *world)
{
    return world->config->cache.mode == CACHE_OFF
               ? 0
               : world->plan.cache_blocks * (uint64_t)BLOCK_BYTES;
}

static int make_segment(struct world *world, struct config_error *ret_error)
{
    const struct config *config = world->config;
    struct segment_wanted wanted = {.controllers = config->controllers,
                                    .elements = config->elements_count,
                                    .volumes = config->volumes_count,
                                    .members = table_members_count(config),
                                    .slots = config->slots,
                                    .ring_entries = config->ring_entries,
                                    .regions = REGIONS_MIN,
                                    .buffers_bytes = config->buffers_bytes,
                                    .cache_bytes = cache_bytes(world),
                                    .region_bytes = config->coordination.region_bytes};
    int error = segment_create(&world->segment, &wanted, config->array);

    if (error != 0)
        return error;
    struct segment_header *header = segment_header(&world->segment);
    header->coordination_policy = config->coordination.policy;
    header->cache_mode = config->cache.mode;
    header->cache_policy = config->cache.policy;
    header->cache_in_memory = config->cache.in_memory;
    header->interconnect = config->interconnect;
    header->takeover = config->takeover;
    header->intents_clear_ns = world->plan.intents_clear_ns;
    store_relaxed(&header->job_rate_bytes, world->plan.job_rate_bytes); /* relaxed: nobody runs */
    journals_enter(config, &world->opened, &world->segment);
    return table_fill(&world->segment, config, &world->opened, ret_error);
}

static void start_machines(struct world *world)
{
    uint32_t count = world->config->controllers;

    world->machines = calloc(count, sizeof *world->machines);
    assert(world->machines != NULL);
    for (uint32_t i = 0; i < count; i++) {
        world->machines[i].world = world;
        world->machines[i].id = i;
        world->machines[i].state = MACHINE_DEAD;
    }
    world->machines_count = count;
    configuration_start(world);
}

bool life_start(struct world *world)
{
    struct config_error why = {.text = "no more is known"};

    world->life++;
    world->deaths_count = 0;
    memset(world->element_failed, 0, sizeof world->element_failed);
    world->faults = world->configurator_dead = world->journal_failed = false;
    int error = config_parse("sim.yaml", world->plan.config, strlen(world->plan.config),
                             &world->config, &why);
    if (error == 0) {
        world->config->accept_losses = true; /* the judge knows what may be lost */
        world->config->journal_bytes = world->plan.journal_bytes;
        error = images_open(world->config, &world->opened, &why);
    }
    if (error == 0)
        error = make_segment(world, &why);
    if (error != 0) {
        sim_fail(world, "life %u does not start: %s", world->life, why.text);
        return false;
    }
    if (world->volumes_count == 0)
        note_volumes(world);
    begin_volumes(world);
    for (uint32_t i = 0; i < world->config->elements_count; i++)
        world->image_of[i] = sim_image_of(&world->opened.elements[i]);
    configuration_open(world);
    start_machines(world);
    return machines_run_until(world, configuration_runs, END_NS);
}

/* --- faults --- */

void life_begin_faults(struct world *world)
{
    const struct plan *plan = &world->plan;
    struct dice *dice = &world->dice;

    world->faults = world->serves = true;
    if (dice_once_in(dice, plan->configurator_once_in))
        configuration_dies(world);
    for (uint32_t i = 0; i < world->machines_count; i++)
        machine_draw_death(&world->machines[i]);
    for (uint32_t i = 0; i < world->images_count; i++)
        world->images[i].failing = dice_once_in(dice, plan->failing_once_in);
    links_begin_faults(world);
    operator_begin(world);
}

void life_end_faults(struct world *world)
{
    world->faults = world->serves = false;
    for (uint32_t i = 0; i < world->machines_count; i++)
        world->machines[i].stuck_until_ns = 0;
    for (uint32_t i = 0; i < world->images_count; i++)
        world->images[i].failing = false;
    links_end_faults(world);
    operator_end(world);
}

/* --- ending --- */

static bool all_quiesced(struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (machine_lives(&world->machines[i]) &&
            seat_state(seat_of(&world->machines[i])) != SEAT_QUIESCED)
            return false;
    }
    return true;
}

static bool all_gone(struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (machine_lives(&world->machines[i]))
            return false;
    }
    return true;
}

static bool all_landed(struct world *world)
{
    (void)world;
    return !operation_any_submitted();
}

/* Well; or with what a failed element has lost (controller/finish.h). */
static bool may_end_so(const struct machine *machine)
{
    const struct world *world = machine->world;
    bool lost = false;

    for (uint32_t i = 0; i < world->config->elements_count; i++)
        lost = lost || world->element_failed[i];
    return machine->run_status == 0 || (machine->run_status == -EIO && lost);
}

static void end_in_order(struct world *world)
{
    configuration_stop(world);
    if (!machines_run_until(world, all_quiesced, END_NS))
        return;
    if (!configuration_hears(world))
        configuration_request_all(world, SEAT_REQUEST_STOP);
    if (!machines_run_until(world, all_gone, END_NS))
        return;
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (world->machines[i].state == MACHINE_ENDED && !may_end_so(&world->machines[i]))
            sim_fail(world, "c%u ended with %d", i, world->machines[i].run_status);
    }
}

static void lose_power(struct world *world)
{
    uint32_t keep_once_in = (uint32_t)dice_below(&world->dice, 4); /* 0: nothing, 1: all */

    operation_lose_power();
    for (uint32_t i = 0; i < world->images_count; i++)
        image_lose_power(&world->images[i], &world->dice, keep_once_in);
}

static void forget_life(struct world *world)
{
    note_failed_members(world);
    for (uint32_t i = 0; i < world->machines_count; i++)
        machine_free(&world->machines[i]);
    free(world->machines);
    world->machines = NULL;
    world->machines_count = 0;
    configuration_forget(world);
    images_free(&world->opened); /* the controllers closed them */
    for (uint32_t i = 0; i < world->images_count; i++) {
        memset(world->images[i].opens, 0, sizeof world->images[i].opens);
        world->images[i].in_flight = 0;
    }
    segment_done(&world->segment);
    config_free(world->config);
    world->config = NULL;
    events_done(&world->events);
}

void life_end(struct world *world, enum sim_end end)
{
    life_end_faults(world);
    sim_note(world, "life %u ends, way %d", world->life, end);
    if (end == END_IN_ORDER && !world->failed)
        end_in_order(world);
    for (uint32_t i = 0; i < world->machines_count; i++)
        machine_kill(&world->machines[i]);
    if (end == END_POWER || world->failed)
        lose_power(world);
    else
        (void)machines_run_until(world, all_landed, END_NS);
    forget_life(world);
}
