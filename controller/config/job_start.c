#include "controller/config/job_start.h"

#include "controller/config/configurator.h"

bool job_start_runner_lives(const struct configurator *configurator,
                            const struct job_record *record)
{
    uint32_t id = load_relaxed(&record->runner); /* relaxed: written before the state */

    return id < configurator->config->controllers && configurator->controllers[id].alive;
}

bool job_start_has_job(struct volume_record *record)
{
    /* pairs with the end of a job */
    uint32_t state = load_acquire(&record->job.state);

    return state == JOB_WAITING || state == JOB_RUNNING;
}

void job_start_prepare(struct volume_record *record, enum job_kind kind, uint32_t phase)
{
    struct job_record *job = &record->job;

    /* relaxed: nobody runs it; the state is published behind them */
    store_relaxed(&job->kind, (uint32_t)kind);
    store_relaxed(&job->runner, JOB_NO_RUNNER); /* relaxed: as above */
    store_relaxed(&job->phase, phase);
    store_relaxed(&job->status, 0); /* relaxed: as above */
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

void job_start_fail(struct volume_record *record, int error)
{
    /* relaxed: nobody runs it; the state is published behind them */
    store_relaxed(&record->job.status, error);
    store_relaxed(&record->job.ended_ns, watch_now_ns());
    /* pairs with readers' loads */
    store_release(&record->job.state, JOB_FAILED);
}

/* One that is not alive, or has enough to answer already, is no reason not to ask the next. */
int job_start_ask(struct configurator *configurator, uint32_t volume, enum job_kind kind,
                  uint32_t first, control_answered *answered, void *context)
{
    const struct control_message message = {.kind = CONTROL_START_JOB,
                                            .arguments = {volume, (uint64_t)kind}};
    uint32_t controllers = configurator->config->controllers;
    int error = -EPIPE;

    for (uint32_t i = 0; i < controllers; i++) {
        uint32_t id = (first + i) % controllers;
        int tried = seat_takes_jobs(configurator, id)
                        ? configurator_ask(configurator, id, &message, -1, answered, context)
                        : -EPIPE;
        if (tried == 0)
            return 0;
        if (tried != -EPIPE)
            error = tried;
    }
    return error;
}
