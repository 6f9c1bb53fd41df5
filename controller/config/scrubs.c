#include "controller/config/scrubs.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/config/configurator.h"
#include "controller/recovery/job.h"
#include "controller/recovery/scrub.h"
#include "shm/mapping.h"

static bool is_alive(const struct configurator *configurator, uint32_t id)
{
    return id < configurator->config->controllers && configurator->controllers[id].alive;
}

static void fail(struct volume_record *record, int error)
{
    /* relaxed: nobody runs it; the state is published behind them */
    store_relaxed(&record->job.status, error);
    store_relaxed(&record->job.ended_ns, watch_now_ns());
    /* pairs with readers' loads */
    store_release(&record->job.state, JOB_FAILED);
}

/* --- asking a controller --- */

struct asked {
    struct configurator *configurator;
    uint32_t volume;
};

static void start(struct configurator *configurator, uint32_t volume);

/* Whoever was asked has died: another one is. */
static void answered(void *context, int status)
{
    struct asked asked = *(struct asked *)context;
    struct configurator *configurator = asked.configurator;

    free(context);
    if ((status == -EPIPE || status == -ESHUTDOWN) && configurator->phase == CONFIGURATOR_RUNNING)
        start(configurator, asked.volume);
    else if (status != 0)
        fail(segment_volume(&configurator->segment, asked.volume), status);
}

static void start(struct configurator *configurator, uint32_t volume)
{
    const struct control_message message = {.kind = CONTROL_START_JOB,
                                            .arguments = {volume, JOB_KIND_SCRUB}};
    uint32_t controllers = configurator->config->controllers;
    struct asked *asked = malloc(sizeof *asked);
    int error = asked == NULL ? -ENOMEM : -EPIPE;

    for (uint32_t i = 0; i < controllers && asked != NULL && error == -EPIPE; i++) {
        *asked = (struct asked){.configurator = configurator, .volume = volume};
        error = configurator_ask(configurator, (volume + i) % controllers, &message, -1, answered,
                                 asked);
    }
    if (error == 0)
        return;
    free(asked);
    fail(segment_volume(&configurator->segment, volume), error);
}

/* --- starting --- */

static bool has_job(struct volume_record *record)
{
    /* pairs with the end of a job */
    uint32_t state = load_acquire(&record->job.state);

    return state == JOB_WAITING || state == JOB_RUNNING;
}

static void prepare(struct volume_record *record, bool repair)
{
    struct job_record *job = &record->job;

    /* relaxed: nobody runs it; the state is published behind them */
    store_relaxed(&job->kind, JOB_KIND_SCRUB);
    store_relaxed(&job->phase, repair ? SCRUB_REPAIRS : SCRUB_VERIFIES);
    store_relaxed(&job->status, 0);
    store_relaxed(&job->position_bytes, 0); /* relaxed: as above */
    store_relaxed(&job->end_bytes, 0);
    store_relaxed(&job->began_at_bytes, 0);
    store_relaxed(&job->found, 0); /* relaxed: as above */
    store_relaxed(&job->repaired, 0);
    store_relaxed(&job->started_ns, watch_now_ns());
    store_relaxed(&job->ended_ns, 0); /* relaxed: as above */
    /* pairs with readers' loads */
    store_release(&job->state, JOB_WAITING);
}

int scrub_start(struct configurator *configurator, uint32_t volume, bool repair,
                const char **ret_why)
{
    const struct segment *segment = &configurator->segment;
    struct volume_record *record = segment_volume(segment, volume);

    *ret_why = NULL;
    if (configurator->phase != CONFIGURATOR_RUNNING)
        *ret_why = "the array is not running; allowed: while it is";
    else if (!layout_kind_redundant((enum layout_kind)record->layout))
        *ret_why = "it has nothing to compare; allowed: a mirror, raid10, raid5 or raid6";
    else if (repair && (mapping_volume_flags(record) & VOLUME_READ_ONLY) != 0)
        *ret_why = "it is read-only; allowed: without --repair";
    else if (segment_header(segment)->coordination_policy == COORDINATION_NONE &&
             record->copies > 1)
        *ret_why = "with coordination: {policy: none} copies differ while a host writes; allowed: "
                   "strict, writes";
    else if (has_job(record))
        *ret_why = "a job is working on it; allowed: when that is over";
    if (*ret_why != NULL)
        return -EINVAL;
    prepare(record, repair);
    start(configurator, volume);
    return 0;
}

/* --- looking --- */

/* One that has just been started is WAITING until it runs, or its answer says that it does not. */
static bool has_lost_its_runner(const struct configurator *configurator,
                                struct volume_record *record)
{
    /* relaxed: written before the state, which was loaded with acquire */
    return load_acquire(&record->job.state) == JOB_RUNNING &&
           load_relaxed(&record->job.kind) == JOB_KIND_SCRUB &&
           !is_alive(configurator, load_relaxed(&record->job.runner));
}

void scrubs_look(struct configurator *configurator)
{
    const struct segment *segment = &configurator->segment;

    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        struct volume_record *record = segment_volume(segment, i);
        if (!mapping_has_volume(segment, i) || !has_lost_its_runner(configurator, record))
            continue;
        /* pairs with readers' loads */
        store_release(&record->job.state, JOB_WAITING);
        start(configurator, i);
    }
}
