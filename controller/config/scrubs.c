#include "controller/config/scrubs.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/config/configurator.h"
#include "controller/config/job_start.h"
#include "controller/recovery/scrub.h"
#include "shm/mapping.h"

/* --- asking controllers --- */

struct asked {
    struct configurator *configurator;
    uint32_t volume;
};

static struct asked *new_asked(struct configurator *configurator, uint32_t volume)
{
    struct asked *asked = malloc(sizeof *asked);

    if (asked != NULL)
        *asked = (struct asked){.configurator = configurator, .volume = volume};
    return asked;
}

static void start(struct configurator *configurator, uint32_t volume);

/* Whoever was asked has died: another one is. */
static void answered(void *context, int status)
{
    struct asked asked = *(struct asked *)context;
    struct configurator *configurator = asked.configurator;

    free(context);
    if (job_start_elsewhere(status) && configurator->phase == CONFIGURATOR_RUNNING)
        start(configurator, asked.volume);
    else if (status != 0)
        job_start_fail(segment_volume(&configurator->segment, asked.volume), status);
}

static void start(struct configurator *configurator, uint32_t volume)
{
    struct asked *asked = new_asked(configurator, volume);
    int error = asked == NULL
                    ? -ENOMEM
                    : job_start_ask(configurator, volume, JOB_KIND_SCRUB, volume, answered, asked);

    if (error == 0)
        return;
    free(asked);
    job_start_fail(segment_volume(&configurator->segment, volume), error);
}

static void fence_is_passed(void *context, int status)
{
    struct asked asked = *(struct asked *)context;

    free(context);
    if (status == 0)
        start(asked.configurator, asked.volume);
    else
        job_start_fail(segment_volume(&asked.configurator->segment, asked.volume), status);
}

/* Writes that reserve nothing would be found half done. Those that begin from now on see that the
 * volume is scrubbed, and reserve (controller/path/coordinate.c); those before have to end first.
 */
static void start_behind_a_fence(struct configurator *configurator, uint32_t volume)
{
    const struct control_message message = {.kind = CONTROL_FENCE_VOLUME, .arguments = {volume}};
    struct asked *asked = new_asked(configurator, volume);
    int error = asked == NULL
                    ? -ENOMEM
                    : configurator_ask_all(configurator, &message, fence_is_passed, asked);

    if (error == 0)
        return;
    free(asked);
    job_start_fail(segment_volume(&configurator->segment, volume), error);
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
    if (segment_header(segment)->coordination_policy == COORDINATION_NONE)
        start_behind_a_fence(configurator, volume);
    else
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
           !job_start_runner_lives(configurator, &record->job);
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
