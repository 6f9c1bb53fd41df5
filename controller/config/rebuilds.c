#include "controller/config/rebuilds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "controller/config/job_start.h"
#include "controller/recovery/rebuild.h"
#include "shm/mapping.h"
#include "shm/member_states.h"

int rebuilds_init(struct configurator *configurator)
{
    uint32_t count = configurator->segment.geometry.volumes;

    configurator->rebuilds.all = calloc(count, sizeof *configurator->rebuilds.all);
    if (configurator->rebuilds.all == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        configurator->rebuilds.all[i] =
            (struct volume_rebuild){.configurator = configurator, .volume = i};
    return 0;
}

void rebuilds_done(struct configurator *configurator)
{
    free(configurator->rebuilds.all);
    configurator->rebuilds.all = NULL;
}

static struct volume_record *record_of(const struct volume_rebuild *rebuild)
{
    return segment_volume(&rebuild->configurator->segment, rebuild->volume);
}

/* --- who does it --- */

/* The owner of a member that is to be made, so that what is written most takes no detour; or any.
 */
static uint32_t choose_runner(const struct volume_rebuild *rebuild)
{
    const struct configurator *configurator = rebuild->configurator;
    uint32_t members = member_states_now(record_of(rebuild)).rebuilding;
    struct mapping_members all;
    struct mapping_place place;

    if (mapping_members(&configurator->segment, rebuild->volume, &all) != 0)
        return 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if ((members >> i & 1) != 0 &&
            mapping_resolve(&configurator->segment, all.records[i].volume, 0, 0, &place) == 0 &&
            seat_takes_jobs(configurator, place.owner))
            return place.owner;
    }
    return 0;
}

/* --- beginning --- */

/* Nothing has been made yet, or nobody is there to go on. */
static void stop(struct volume_rebuild *rebuild, int error)
{
    struct volume_record *record = record_of(rebuild);
    struct member_states old = member_states_now(record), next;

    do {
        next = (struct member_states){.failed = old.failed};
    } while (!member_states_swap(record, &old, next));
    job_start_fail(record, error);
}

static void give_up(struct volume_rebuild *rebuild, int error)
{
    stop(rebuild, error);
    fprintf(stderr, "anyport: volume %s: its rebuild cannot begin: %s\n", record_of(rebuild)->name,
            strerror(-error));
}

static void look(struct configurator *configurator);

/* Whoever was asked has died: another one is. What is given up makes room for another volume. One
 * who has enough to do is asked again when a job has ended: whoever ends one lets us look, which
 * may have been while we waited for this answer; so may the end of this job. */
static void started(void *context, int status)
{
    struct volume_rebuild *rebuild = context;

    rebuild->asking = false;
    if ((status == 0 || status == -EBUSY) && !rebuild->look_again)
        return;
    if (status != 0 && status != -EBUSY && !job_start_elsewhere(status))
        give_up(rebuild, status);
    look(rebuild->configurator);
}

static void start_job(struct volume_rebuild *rebuild)
{
    rebuild->asking = true;
    rebuild->look_again = false;
    int error = job_start_ask(rebuild->configurator, rebuild->volume, JOB_KIND_REBUILD,
                              choose_runner(rebuild), started, rebuild);
    if (error == 0)
        return;
    rebuild->asking = false;
    /* None is alive: the array ends. Or none can be asked just now, for which as much is waited as
     * for one who has enough to do. */
    if (error != -EPIPE && error != -EBUSY)
        give_up(rebuild, error);
}

static void fence_is_passed(void *context, int status)
{
    struct volume_rebuild *rebuild = context;

    rebuild->asking = false;
    if (status == 0) {
        start_job(rebuild);
        return;
    }
    give_up(rebuild, status);
    look(rebuild->configurator);
}

static void begin(struct volume_rebuild *rebuild)
{
    const struct control_message message = {.kind = CONTROL_FENCE_VOLUME,
                                            .arguments = {rebuild->volume}};
    struct volume_record *record = record_of(rebuild);
    uint32_t begun = member_states_begin(record, rebuild->wanted);

    rebuild->wanted = 0;
    if (begun == 0)
        return;
    job_start_prepare(record, JOB_KIND_REBUILD, REBUILD_PHASE_BEGIN);
    rebuild->asking = true;
    int error = configurator_ask_all(rebuild->configurator, &message, fence_is_passed, rebuild);
    if (error == 0)
        return;
    rebuild->asking = false;
    if (error != -EBUSY) {
        give_up(rebuild, error);
        return;
    }
    stop(rebuild, error); /* and is begun anew when something has changed */
    rebuild->wanted = begun;
}

/* --- looking --- */

void rebuilds_want(struct configurator *configurator, uint32_t volume, uint32_t members)
{
    configurator->rebuilds.all[volume].wanted |= members;
    rebuilds_look(configurator);
}

void rebuilds_forget(struct configurator *configurator, uint32_t volume)
{
    configurator->rebuilds.all[volume].wanted = 0;
}

static bool is_under_way(const struct volume_rebuild *rebuild)
{
    const struct job_record *job = &record_of(rebuild)->job;
    /* pairs with the runner's stores */
    uint32_t state = load_acquire(&job->state);

    return rebuild->asking ||
           (state == JOB_RUNNING && job_start_runner_lives(rebuild->configurator, job));
}

static bool is_being_rebuilt(const struct volume_rebuild *rebuild)
{
    /* relaxed: a volume that gets another kind of job meanwhile counts as one more or less */
    return is_under_way(rebuild) && load_relaxed(&record_of(rebuild)->job.kind) == JOB_KIND_REBUILD;
}

/* A job whose controller has died is WAITING, or still says that it is RUNNING. Where nothing is
 * left for it to make, what has been asked for meanwhile is begun at once: nobody may look again.
 */
static void look_at_volume(struct volume_rebuild *rebuild)
{
    struct volume_record *record = record_of(rebuild);

    if (is_under_way(rebuild))
        return;
    /* relaxed: nobody runs it */
    uint32_t kind = load_relaxed(&record->job.kind), state = load_relaxed(&record->job.state);
    bool is_left = state == JOB_WAITING || state == JOB_RUNNING;
    if (is_left && kind != JOB_KIND_REBUILD)
        return;
    if (is_left && member_states_now(record).rebuilding != 0) {
        start_job(rebuild);
        return;
    }
    if (is_left)
        give_up(rebuild, -EIO);
    if (rebuild->wanted != 0)
        begin(rebuild);
}

static bool has_rebuilds(const struct configurator *configurator, uint32_t volume)
{
    return mapping_has_volume(&configurator->segment, volume) &&
           mapping_is_virtual(&configurator->segment, volume);
}

static uint32_t count_under_way(const struct configurator *configurator)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++)
        count += has_rebuilds(configurator, i) && is_being_rebuilt(&configurator->rebuilds.all[i]);
    return count;
}

static void look(struct configurator *configurator)
{
    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    uint32_t under_way = count_under_way(configurator);
    for (uint32_t i = 0;
         i < mapping_volumes_end(&configurator->segment) && under_way < REBUILDS_MAX; i++) {
        struct volume_rebuild *rebuild = &configurator->rebuilds.all[i];
        if (!has_rebuilds(configurator, i) || is_being_rebuilt(rebuild))
            continue;
        look_at_volume(rebuild);
        under_way += is_being_rebuilt(rebuild);
    }
}

void rebuilds_look(struct configurator *configurator)
{
    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++)
        configurator->rebuilds.all[i].look_again = true;
    look(configurator);
}
