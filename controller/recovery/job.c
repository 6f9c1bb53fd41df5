#include "controller/recovery/job.h"

#include <errno.h>
#include <stdio.h>

#include "controller/controller.h"
#include "controller/recovery/job_rate.h"

static const struct job_kind_of *const kinds[] = {
#define X(NAME, number, name, functions) &functions,
    JOB_KINDS(X)
#undef X
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

static const struct job_kind_of *find_kind(uint64_t number)
{
    for (int i = 0; i < KINDS; i++) {
        if (kinds[i]->number == number)
            return kinds[i];
    }
    return NULL;
}

/* --- running --- */

static void end(struct volume_job *job, enum job_state state, int32_t status)
{
    struct controller *controller = job->controller;

    /* relaxed: for whoever looks on; the state is published below */
    store_relaxed(&job->record->status, status);
    store_relaxed(&job->record->ended_ns, loop_clock_ns(controller->loop)); /* relaxed: as above */
    /* pairs with the configuration controller's load: all that the job did is there */
    store_release(&job->record->state, (uint32_t)state);
    job->kind = NULL;
    loop_doorbell_ring(controller->loop, controller->notice_fd);
}

static void go_on(struct volume_job *job)
{
    job->stopping = job->controller->quiescing;
    switch (job->kind->next(job)) {
    case JOB_NEXT_ERRAND:
        errand_send(job->controller, &job->errand);
        break;
    case JOB_NEXT_DONE:
        end(job, JOB_DONE, 0);
        break;
    case JOB_NEXT_STOPPED:
        end(job, JOB_WAITING, 0);
        break;
    }
}

static void may_go_on(struct timer *timer)
{
    go_on((struct volume_job *)((char *)timer - offsetof(struct volume_job, timer)));
}

static void errand_over(struct errand *errand)
{
    struct volume_job *job =
        (struct volume_job *)((char *)errand - offsetof(struct volume_job, errand));
    int error = job->kind->over(job);

    if (error != 0) {
        job_say(job, "could not be worked on to the end: its job has failed");
        end(job, JOB_FAILED, error);
        return;
    }
    uint64_t bytes = errand->op == COMMAND_INTENTS ? 0 : errand->length_bytes;
    uint64_t wait_ns = job->controller->quiescing ? 0 : job_rate_wait_ns(job, bytes);
    if (wait_ns > 0)
        loop_timer_start(job->controller->loop, &job->timer, wait_ns);
    else
        go_on(job);
}

/* --- beginning --- */

void jobs_init(struct controller *controller)
{
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct volume_job *job = &controller->jobs.all[i];
        job->controller = controller;
        job->errand.over = errand_over;
        job->timer.fire = may_go_on;
    }
}

/* The volume's, if it runs here; else a free place, or NULL. */
static struct volume_job *find_place(struct controller *controller, uint32_t volume)
{
    struct volume_job *found = NULL;

    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct volume_job *job = &controller->jobs.all[i];
        if (job->kind != NULL && job->virtual->volume == volume)
            return job;
        if (job->kind == NULL && found == NULL)
            found = job;
    }
    return found;
}

static int begin(struct controller *controller, uint64_t volume, uint64_t kind)
{
    if (volume >= controller->segment.geometry.volumes)
        return -EPROTO;
    const struct virtual_volume *virtual = virtual_find(controller, (uint32_t)volume);
    const struct job_kind_of *functions = find_kind(kind);
    if (virtual == NULL || functions == NULL)
        return -EPROTO;
    struct volume_job *job = find_place(controller, (uint32_t)volume);
    if (job == NULL || job->kind != NULL)
        return -EBUSY;
    if (controller->quiescing)
        return -ESHUTDOWN;
    job->kind = functions;
    job->virtual = virtual;
    job->record = &virtual->record->job;
    job->errand.volume = virtual->volume;
    job->hosts_seen = 0;
    job->column = 0;
    int error = functions->begin(job);
    if (error != 0) {
        job->kind = NULL;
        return error;
    }
    /* relaxed: we are its only writer now; the state is published behind them */
    store_relaxed(&job->record->runner, controller->id);
    store_relaxed(&job->record->began_at_bytes, load_relaxed(&job->record->position_bytes));
    store_relaxed(&job->record->started_ns,
                  loop_clock_ns(controller->loop)); /* relaxed: as above */
    /* pairs with readers' loads */
    store_release(&job->record->state, JOB_RUNNING);
    go_on(job);
    return 0;
}

/* Arguments: volume, kind. What else it needs stands in the volume's record. */
void control_start_job(struct control_request *request)
{
    control_answer(request, begin(request->controller, request->message.arguments[0],
                                  request->message.arguments[1]));
}

/* --- ending --- */

bool jobs_are_quiet(const struct controller *controller)
{
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        if (controller->jobs.all[i].kind != NULL)
            return false;
    }
    return controller->errands.sent == 0;
}

void jobs_quiesce(struct controller *controller)
{
    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        struct volume_job *job = &controller->jobs.all[i];
        if (job->kind == NULL || job->timer.next == NULL)
            continue; /* what is on its way ends first */
        loop_timer_stop(controller->loop, &job->timer);
        go_on(job);
    }
}

/* --- telling --- */

void job_say(const struct volume_job *job, const char *what)
{
    fprintf(stderr, "anyport: c%u: volume %s %s\n", job->controller->id, job->virtual->record->name,
            what);
}

const char *job_kind_name(uint32_t kind)
{
    const struct job_kind_of *found = find_kind(kind);

    return found != NULL ? found->name : NULL;
}

const char *job_state_name(uint32_t state)
{
    static const char *const names[] = {[JOB_NONE] = "none",
                                        [JOB_WAITING] = "waiting",
                                        [JOB_RUNNING] = "running",
                                        [JOB_DONE] = "done",
                                        [JOB_FAILED] = "failed"};

    return state < sizeof names / sizeof names[0] ? names[state] : NULL;
}
