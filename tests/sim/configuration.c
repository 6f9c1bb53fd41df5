#include "tests/sim/configuration.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/scrubs.h"
#include "controller/recovery/job.h"
#include "shm/mapping.h"
#include "tests/sim/sim_channel.h"

enum {
    CLOCK_NS = 20000000,     /* while it has to look */
    HEARD_NS_MAX = 10000000, /* from a death to its pidfd's listener */
    NOTICED_NS_MAX = 100000,
};

/* --- opening --- */

void configuration_open(struct world *world)
{
    struct configurator *configurator = calloc(1, sizeof *configurator);
    static struct watch nobody = {.epoll_fd = -1};

    assert(configurator != NULL);
    world->configurator = configurator;
    *configurator = (struct configurator){.config = world->config,
                                          .watch = &nobody,
                                          .segment = world->segment,
                                          .images = world->opened,
                                          .phase = CONFIGURATOR_STARTING};
    configurator->witnesses = calloc(world->config->elements_count, sizeof(struct witness));
    assert(configurator->witnesses != NULL);
    for (uint32_t i = 0; i < world->config->elements_count; i++)
        (void)witness_open(&configurator->witnesses[i], world->opened.elements[i].fd,
                           world->opened.elements[i].mark_byte);
    for (uint32_t i = 0; i < world->config->controllers; i++) {
        configurator->controllers[i] = (struct watched_controller){
            .configurator = configurator, .id = i, .epoch = SEAT_EPOCH_FIRST, .alive = true};
        int error =
            control_line_open(&configurator->lines[i], &nobody, &configurator->control_ends[i]);
        assert(error == 0);
    }
    int error = resyncs_init(configurator);
    if (error == 0)
        error = rebuilds_init(configurator);
    if (error == 0)
        error = scrubs_init(configurator);
    assert(error == 0);
}

static bool hears(const struct world *world)
{
    return world->configurator != NULL && !world->configurator_dead;
}

static void look_at_jobs(struct world *world)
{
    resyncs_look(world->configurator);
    rebuilds_look(world->configurator);
    scrubs_look(world->configurator);
}

void configuration_runs(struct world *world)
{
    world->configurator->phase = CONFIGURATOR_RUNNING;
    look_at_jobs(world);
}

void configuration_dies(struct world *world)
{
    sim_note(world, "the configuration controller dies");
    world->configurator_dead = true;
    for (uint32_t i = 0; i < world->machines_count; i++)
        (void)sim_close(world->configurator->lines[i].watched.fd);
}

/* What is outstanding is answered, so that who asked gives up its memory; nothing comes of it. */
void configuration_forget(struct world *world)
{
    struct configurator *configurator = world->configurator;

    if (configurator == NULL)
        return;
    configurator->phase = CONFIGURATOR_STOPPED;
    for (uint32_t i = 0; i < world->config->controllers; i++)
        control_line_close(&configurator->lines[i]);
    sim_channels_forget();
    events_cancel(&world->clock);
    events_cancel(&world->notice);
    resyncs_done(configurator);
    rebuilds_done(configurator);
    scrubs_done(configurator);
    free(configurator->witnesses);
    free(configurator);
    world->configurator = NULL;
}

/* --- telling controllers --- */

static struct seat *seat_of(const struct machine *machine)
{
    return segment_seat(&machine->world->segment, machine->id);
}

void configuration_publish(struct world *world)
{
    segment_raise_membership(&world->segment);
    for (uint32_t i = 0; i < world->machines_count; i++)
        machine_ring(&world->machines[i]);
}

void configuration_request_all(struct world *world, enum seat_request request)
{
    world->configurator->phase = CONFIGURATOR_QUIESCING;
    for (uint32_t i = 0; i < world->machines_count; i++)
        /* relaxed: published below */
        store_relaxed(&seat_of(&world->machines[i])->request, request);
    configuration_publish(world);
}

static void are_flushed(void *context, int status)
{
    struct world *world = context;

    (void)status;
    world->flushing = false;
}

void configuration_flush_all(struct world *world)
{
    const struct control_message message = {.kind = CONTROL_FLUSH_ELEMENTS};

    world->flushing = hears(world) &&
                      configurator_ask_all(world->configurator, &message, are_flushed, world) == 0;
}

bool configuration_is_flushed(struct world *world)
{
    return !world->flushing;
}

/* --- hearing --- */

static void declare(struct machine *machine)
{
    struct world *world = machine->world;
    struct configurator *configurator = world->configurator;

    configurator->controllers[machine->id].alive = false;
    control_line_close(&configurator->lines[machine->id]);
    seat_declare_dead(seat_of(machine), SEAT_EPOCH_FIRST);
    configuration_publish(world);
    look_at_jobs(world);
}

/* It has heard of a death: declares it, and looks every 20 ms whether the I/O has landed. */
static void hear_end(struct event *event)
{
    struct machine *machine =
        (struct machine *)(void *)((char *)event - offsetof(struct machine, death_heard));
    struct world *world = machine->world;

    if (!hears(world))
        return;
    if (machine->state == MACHINE_ENDED) {
        world->configurator->controllers[machine->id].alive = false;
        control_line_close(&world->configurator->lines[machine->id]);
        return;
    }
    if (world->configurator->controllers[machine->id].alive)
        declare(machine);
    configurator_look_at_draining(world->configurator);
    if (seat_state(seat_of(machine)) == SEAT_DRAINED) {
        sim_note(world, "c%u is drained", machine->id);
        configuration_publish(world);
    } else {
        events_set(&world->events, event, world->now_ns + CLOCK_NS);
    }
}

void configuration_will_hear_end(struct machine *machine)
{
    struct world *world = machine->world;

    machine->death_heard.fire = hear_end;
    events_set(&world->events, &machine->death_heard,
               world->now_ns + dice_below(&world->dice, HEARD_NS_MAX));
}

static void hear_notice(struct event *event)
{
    struct world *world = (struct world *)(void *)((char *)event - offsetof(struct world, notice));

    if (hears(world))
        look_at_jobs(world);
}

void configuration_noticed(struct world *world)
{
    if (world->notice.is_set || !hears(world))
        return;
    world->notice.fire = hear_notice;
    events_set(&world->events, &world->notice,
               world->now_ns + dice_below(&world->dice, NOTICED_NS_MAX));
}

/* --- jobs --- */

static bool is_alive(const struct machine *machine)
{
    return machine->state != MACHINE_DEAD && machine->state != MACHINE_ENDED;
}

/* A resync whose runner has died is over, if what it needs died as well. */
static bool has_job(const struct world *world, uint32_t volume)
{
    const struct configurator *configurator = world->configurator;
    struct volume_record *record = segment_volume(&world->segment, volume);
    uint32_t state = load_acquire(&record->job.state);   /* pairs with the runner's stores */
    uint32_t runner = load_relaxed(&record->job.runner); /* relaxed: written before the state */
    /* relaxed: as above */
    bool resyncs = load_relaxed(&record->job.kind) == JOB_KIND_RESYNC;

    if (state == JOB_RUNNING && is_alive(&world->machines[runner]))
        return true;
    if (!hears(world))
        return false;
    return configurator->rebuilds.all[volume].wanted != 0 ||
           configurator->rebuilds.all[volume].asking || configurator->resyncs[volume].asking ||
           (state == JOB_WAITING && !resyncs) ||
           (state == JOB_RUNNING && configurator->controllers[runner].alive);
}

static bool any_lives(const struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (is_alive(&world->machines[i]))
            return true;
    }
    return false;
}

bool configuration_has_jobs(struct world *world)
{
    if (!any_lives(world))
        return false;
    for (uint32_t i = 0; i < mapping_volumes_end(&world->segment); i++) {
        if (has_job(world, i))
            return true;
    }
    return false;
}

bool configuration_is_equal(const struct world *world, uint32_t volume)
{
    const struct volume_record *record =
        segment_volume(&world->segment, world->volumes[volume].index);

    return load_relaxed(&record->resync_regions) == 0; /* relaxed: jobs are over */
}

void configuration_scrub(struct world *world, uint32_t volume, bool repairs)
{
    const char *why = NULL;

    if (!hears(world) || !layout_kind_redundant(world->volumes[volume].kind))
        return;
    int error = scrub_start(world->configurator, world->volumes[volume].index, repairs, &why);
    sim_note(world, "scrub of %s: %s", world->volumes[volume].name, error == 0 ? "begins" : why);
}
