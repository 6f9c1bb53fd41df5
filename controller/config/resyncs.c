#include "controller/config/resyncs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/configurator.h"
#include "controller/config/job_start.h"
#include "shm/mapping.h"
#include "shm/member_states.h"

/* Parity is made of the data: without all of it nobody can tell what a stale member held. */
static bool can_be_made_equal(struct volume_record *record)
{
    return record->copies > 1 || member_states_now(record).failed == 0;
}

/* Whether this volume waits for somebody to make its members equal. One whose runner has died still
 * says that it runs. */
static bool is_wanted(const struct configurator *configurator, struct volume_record *record)
{
    const struct job_record *job = &record->job;
    uint32_t state = load_acquire(&job->state); /* pairs with the runner's stores */
    uint32_t kind = load_relaxed(&job->kind);   /* relaxed: written before the state */

    /* relaxed: written by the job before its state */
    if (load_relaxed(&record->resync_regions) == 0 || !can_be_made_equal(record))
        return false;
    switch (state) {
    case JOB_NONE:
        return true;
    case JOB_WAITING:
        return kind == JOB_KIND_RESYNC;
    case JOB_RUNNING:
        return kind == JOB_KIND_RESYNC && !job_start_runner_lives(configurator, job);
    default: /* what a job has left cannot be made equal; what it failed at is not tried again */
        return kind != JOB_KIND_RESYNC;
    }
}

static void give_up(const struct volume_resync *resync, int error)
{
    struct volume_record *record = segment_volume(&resync->configurator->segment, resync->volume);

    job_start_fail(record, error);
    fprintf(stderr, "anyport: volume %s: its members cannot be made equal: %s\n", record->name,
            strerror(-error));
}

/* One whose runner died, and with it or since then what it needs: nobody will go on with it, and a
 * rebuild waits for it to end. */
static bool is_lost(const struct configurator *configurator, const struct volume_resync *resync)
{
    struct volume_record *record = segment_volume(&configurator->segment, resync->volume);
    uint32_t state = load_acquire(&record->job.state); /* pairs with the runner's stores */

    /* relaxed: written before the state */
    if (resync->asking || load_relaxed(&record->job.kind) != JOB_KIND_RESYNC ||
        can_be_made_equal(record))
        return false;
    return state == JOB_WAITING ||
           (state == JOB_RUNNING && !job_start_runner_lives(configurator, &record->job));
}

/* Whoever was asked has died, or ends: another one is. One who has enough to do is asked again when
 * something has changed. What is given up makes room for another. */
static void answered(void *context, int status)
{
    struct volume_resync *resync = context;
    struct configurator *configurator = resync->configurator;

    resync->asking = false;
    if (status == 0 || status == -EBUSY)
        return;
    if (!job_start_elsewhere(status))
        give_up(resync, status);
    resyncs_look(configurator);
}

/* Volumes are dealt out over the controllers that live. */
static void start(struct configurator *configurator, uint32_t volume)
{
    struct volume_resync *resync = &configurator->resyncs[volume];

    job_start_prepare(segment_volume(&configurator->segment, volume), JOB_KIND_RESYNC, 0);
    resync->asking =
        job_start_ask(configurator, volume, JOB_KIND_RESYNC, volume, answered, resync) == 0;
}

int resyncs_init(struct configurator *configurator)
{
    uint32_t count = configurator->segment.geometry.volumes;

    configurator->resyncs = calloc(count, sizeof *configurator->resyncs);
    if (configurator->resyncs == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        configurator->resyncs[i] =
            (struct volume_resync){.configurator = configurator, .volume = i};
    return 0;
}

void resyncs_done(struct configurator *configurator)
{
    free(configurator->resyncs);
    configurator->resyncs = NULL;
}

static bool is_under_way(const struct configurator *configurator, uint32_t volume)
{
    const struct job_record *job = &segment_volume(&configurator->segment, volume)->job;
    /* pairs with the runner's stores */
    uint32_t state = load_acquire(&job->state);

    /* relaxed: written before the state */
    return configurator->resyncs[volume].asking ||
           (state == JOB_RUNNING && load_relaxed(&job->kind) == JOB_KIND_RESYNC &&
            job_start_runner_lives(configurator, job));
}

static uint32_t count_under_way(const struct configurator *configurator)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++)
        count += is_under_way(configurator, i);
    return count;
}

/* No more at once than controllers can be asked for, and can run: the next is begun when one has
 * ended. */
void resyncs_look(struct configurator *configurator)
{
    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++) {
        if (is_lost(configurator, &configurator->resyncs[i]))
            give_up(&configurator->resyncs[i], -EIO);
    }
    uint32_t under_way = count_under_way(configurator);
    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment) && under_way < RESYNCS_MAX;
         i++) {
        if (configurator->resyncs[i].asking ||
            !is_wanted(configurator, segment_volume(&configurator->segment, i)))
            continue;
        start(configurator, i);
        under_way += configurator->resyncs[i].asking;
    }
}
