#include "controller/config/scrubs.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/config/configurator.h"
#include "controller/config/job_start.h"
#include "controller/recovery/scrub.h"
#include "shm/mapping.h"

int scrubs_init(struct configurator *configurator)
{
    uint32_t count = configurator->segment.geometry.volumes;

    configurator->scrubs.all = calloc(count, sizeof *configurator->scrubs.all);
    if (configurator->scrubs.all == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        configurator->scrubs.all[i] =
            (struct volume_scrub){.configurator = configurator, .volume = i};
    return 0;
}

void scrubs_done(struct configurator *configurator)
{
    free(configurator->scrubs.all);
    configurator->scrubs.all = NULL;
}

static struct volume_record *record_of(const struct volume_scrub *scrub)
{
    return segment_volume(&scrub->configurator->segment, scrub->volume);
}

/* --- asking a controller --- */

static void look(struct configurator *configurator);

/* Whoever was asked has died: another one is. One who has enough to do is asked again when a job
 * has ended, which may have been while we waited for this answer. */
static void answered(void *context, int status)
{
    struct volume_scrub *scrub = context;

    scrub->asking = false;
    if (status == -EBUSY && !scrub->look_again)
        return;
    if (status != 0 && status != -EBUSY && !job_start_elsewhere(status))
        job_start_fail(record_of(scrub), status);
    look(scrub->configurator);
}

static void fence_is_passed(void *context, int status)
{
    struct volume_scrub *scrub = context;

    scrub->asking = false;
    scrub->fenced = status == 0;
    if (status != 0)
        job_start_fail(record_of(scrub), status);
    look(scrub->configurator);
}

/* Writes that reserve nothing would be found half done. Those that begin from now on see that the
 * volume is scrubbed, and reserve (controller/path/coordinate.c); those before have to end first.
 */
static int pass_a_fence(struct volume_scrub *scrub)
{
    const struct control_message message = {.kind = CONTROL_FENCE_VOLUME,
                                            .arguments = {scrub->volume}};

    return configurator_ask_all(scrub->configurator, &message, fence_is_passed, scrub);
}

static int ask(struct volume_scrub *scrub)
{
    const struct segment *segment = &scrub->configurator->segment;

    if (!scrub->fenced && segment_header(segment)->coordination_policy == COORDINATION_NONE)
        return pass_a_fence(scrub);
    return job_start_ask(scrub->configurator, scrub->volume, JOB_KIND_SCRUB, scrub->volume,
                         answered, scrub);
}

static void start(struct volume_scrub *scrub)
{
    scrub->asking = true;
    scrub->look_again = false;
    int error = ask(scrub);

    if (error == 0)
        return;
    scrub->asking = false;
    if (error == -EBUSY)
        scrub->configurator->scrubs.unasked = true;
    else if (error != -EPIPE) /* none can be asked just now */
        job_start_fail(record_of(scrub), error);
}

/* --- starting --- */

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
    else if (job_start_has_job(record))
        *ret_why = "a job is working on it; allowed: when that is over";
    if (*ret_why != NULL)
        return -EINVAL;
    job_start_prepare(record, JOB_KIND_SCRUB, repair ? SCRUB_REPAIRS : SCRUB_VERIFIES);
    configurator->scrubs.all[volume].fenced = false;
    start(&configurator->scrubs.all[volume]);
    return 0;
}

/* --- looking --- */

/* Nobody runs it, or whoever did has died; and nobody has been asked. */
static bool waits(const struct volume_scrub *scrub)
{
    const struct job_record *job = &record_of(scrub)->job;
    /* pairs with the runner's stores */
    uint32_t state = load_acquire(&job->state);

    /* relaxed: written before the state */
    if (scrub->asking || load_relaxed(&job->kind) != JOB_KIND_SCRUB)
        return false;
    return state == JOB_WAITING ||
           (state == JOB_RUNNING && !job_start_runner_lives(scrub->configurator, job));
}

static void look(struct configurator *configurator)
{
    const struct segment *segment = &configurator->segment;

    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    for (uint32_t i = 0; i < mapping_volumes_end(segment); i++) {
        struct volume_scrub *scrub = &configurator->scrubs.all[i];
        if (!mapping_has_volume(segment, i) || !waits(scrub))
            continue;
        /* relaxed: published behind it */
        store_relaxed(&record_of(scrub)->job.runner, JOB_NO_RUNNER);
        /* pairs with readers' loads */
        store_release(&record_of(scrub)->job.state, JOB_WAITING);
        start(scrub);
    }
}

void scrubs_look(struct configurator *configurator)
{
    for (uint32_t i = 0; i < mapping_volumes_end(&configurator->segment); i++)
        configurator->scrubs.all[i].look_again = true;
    look(configurator);
}

void scrubs_look_at_time(struct configurator *configurator)
{
    if (!configurator->scrubs.unasked)
        return;
    configurator->scrubs.unasked = false;
    look(configurator);
}
