#include "tests/sim/configuration.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/scrubs.h"
#include "controller/recovery/job.h"
#include "shm/mapping.h"
#include "tests/sim/processes.h"
#include "tests/sim/sim_channel.h"

enum { NOTICED_NS_MAX = 100000 };

/* --- opening --- */

static void make_descriptors(struct configurator *configurator)
{
    configurator->notice.fd = SIM_FD_NOTICE;
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        configurator->doorbells[i] = SIM_FD_DOORBELL + (int)i;
        int error = configurator_equip(configurator, i);
        assert(error == 0);
    }
    int error = configurator_watch_own(configurator);
    assert(error == 0);
}

static void make_parts(struct configurator *configurator)
{
    int error = configurator_make_witnesses(configurator);

    if (error == 0)
        error = resyncs_init(configurator);
    if (error == 0)
        error = failback_init(configurator);
    if (error == 0)
        error = rebuilds_init(configurator);
    if (error == 0)
        error = scrubs_init(configurator);
    assert(error == 0);
}

void configuration_open(struct world *world)
{
    struct configurator *configurator = calloc(1, sizeof *configurator);
    static struct watch nobody = {.epoll_fd = -1};

    assert(configurator != NULL);
    world->configurator = configurator;
    configurator_clear(configurator, world->config, &nobody);
    configurator->segment = world->segment;
    configurator->images = world->opened;
    make_parts(configurator);
    make_descriptors(configurator);
}

/* As configurator_start does it, but for what is kept on the file system. */
void configuration_start(struct world *world)
{
    struct configurator *configurator = world->configurator;

    configurator_enter_phase(configurator, CONFIGURATOR_STARTING, START_SECONDS);
    configurator_open_witnesses(configurator);
    for (uint32_t i = 0; i < world->machines_count; i++)
        configurator_begin_life(configurator, i, SEAT_EPOCH_FIRST);
    for (uint32_t i = 0; i < world->machines_count; i++) {
        int error = configurator_spawn(configurator, i);
        assert(error == 0);
    }
    configurator_hand_over_elements(configurator);
}

bool configuration_hears(const struct world *world)
{
    return world->configurator != NULL && !world->configurator_dead;
}

bool configuration_runs(struct world *world)
{
    return world->configurator->phase == CONFIGURATOR_RUNNING;
}

void configuration_turn(struct world *world)
{
    if (configuration_hears(world))
        configurator_turn(world->configurator);
}

void configuration_dies(struct world *world)
{
    sim_note(world, "the configuration controller dies");
    world->configurator_dead = true;
    for (uint32_t i = 0; i < world->machines_count; i++) {
        (void)sim_close(world->configurator->lines[i].watched.fd);
        (void)sim_close(world->configurator->lifelines_own[i]); /* of a life that has not begun */
    }
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
    element_moves_done(configurator);
    heartbeats_end(configurator);
    sim_channels_forget();
    processes_forget();
    events_cancel(&world->notice);
    resyncs_done(configurator);
    failback_done(configurator);
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
    configurator_publish_membership(world->configurator);
}

/* By the signal that everybody gets, when the configuration controller is gone. */
void configuration_request_all(struct world *world, enum seat_request request)
{
    for (uint32_t i = 0; i < world->machines_count; i++)
        /* relaxed: published below */
        store_relaxed(&seat_of(&world->machines[i])->request, request);
    configuration_publish(world);
}

void configuration_stop(struct world *world)
{
    if (configuration_hears(world))
        configurator_stop(world->configurator);
    else
        configuration_request_all(world, SEAT_REQUEST_QUIESCE);
}

/* --- hearing --- */

static void hear_notice(struct event *event)
{
    struct world *world = (struct world *)(void *)((char *)event - offsetof(struct world, notice));
    struct configurator *configurator = world->configurator;

    if (!configuration_hears(world))
        return;
    configurator->notice.ready(&configurator->notice, EPOLLIN);
    scrubs_look(configurator);
}

void configuration_noticed(struct world *world)
{
    if (world->notice.is_set || !configuration_hears(world))
        return;
    world->notice.fire = hear_notice;
    events_set(&world->events, &world->notice,
               world->now_ns + dice_below(&world->dice, NOTICED_NS_MAX));
}

/* --- jobs --- */

/* A resync whose runner has died is over, if what it needs died as well. */
static bool has_job(const struct world *world, uint32_t volume)
{
    const struct configurator *configurator = world->configurator;
    struct volume_record *record = segment_volume(&world->segment, volume);
    uint32_t state = load_acquire(&record->job.state);   /* pairs with the runner's stores */
    uint32_t runner = load_relaxed(&record->job.runner); /* relaxed: written before the state */
    /* relaxed: as above */
    bool resyncs = load_relaxed(&record->job.kind) == JOB_KIND_RESYNC;

    if (state == JOB_RUNNING && machine_lives(&world->machines[runner]))
        return true;
    if (!configuration_hears(world))
        return false;
    return configurator->rebuilds.all[volume].wanted != 0 ||
           configurator->rebuilds.all[volume].asking || configurator->resyncs[volume].asking ||
           (state == JOB_WAITING && !resyncs) ||
           (state == JOB_RUNNING && configurator->controllers[runner].alive);
}

static bool any_lives(const struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (machine_lives(&world->machines[i]))
            return true;
    }
    return false;
}

/* Seats that are started or stopped, elements that are on their way to another owner. */
static bool moves_something(const struct world *world)
{
    const struct configurator *configurator = world->configurator;

    return configuration_hears(world) && configurator->phase == CONFIGURATOR_RUNNING &&
           (seats_have_work(configurator) || configurator->moves != NULL ||
            configurator->failback.moving);
}

bool configuration_has_jobs(struct world *world)
{
    if (moves_something(world))
        return true;
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

    if (!configuration_hears(world) || !layout_kind_redundant(world->volumes[volume].kind))
        return;
    int error = scrub_start(world->configurator, world->volumes[volume].index, repairs, &why);
    sim_note(world, "scrub of %s: %s", world->volumes[volume].name, error == 0 ? "begins" : why);
}
