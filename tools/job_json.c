#include "tools/job_json.h"

#include <string.h>

#include "controller/recovery/job.h"
#include "tools/json_set.h"

/* relaxed: a job's numbers are made to be read at any time; each is one word, and late is fine. */
#define READ(word) load_relaxed(&(word))

/* The status of a job that has failed is -errno; whatever else is there was written by a process
 * that was damaged. */
static const char *error_text(int32_t status)
{
    return status < 0 && status > INT32_MIN ? strerror(-status) : "unknown";
}

static void add_rate(json_t *object, const struct job_record *job, uint64_t now_ns)
{
    uint64_t position = READ(job->position_bytes), end = READ(job->end_bytes);
    uint64_t began = READ(job->began_at_bytes), started_ns = READ(job->started_ns);
    uint64_t ended_ns = READ(job->ended_ns), until_ns = ended_ns > started_ns ? ended_ns : now_ns;
    double seconds = until_ns > started_ns ? (double)(until_ns - started_ns) / 1e9 : 0;
    double rate = seconds > 0 && position > began ? (double)(position - began) / seconds : 0;

    json_set(object, "rate", json_integer((json_int_t)rate));
    if (ended_ns == 0 && rate > 0 && end >= position)
        json_set(object, "seconds_left", json_real((double)(end - position) / rate));
}

json_t *job_json(const struct segment *segment, uint32_t volume, uint64_t now_ns)
{
    struct job_record *job = &segment_volume(segment, volume)->job;
    /* pairs with the stores by whoever runs it */
    uint32_t state = load_acquire(&job->state);
    const char *state_name = job_state_name(state), *kind = job_kind_name(READ(job->kind));

    if (state == JOB_NONE || state_name == NULL)
        return NULL;
    json_t *object = json_object();
    json_set(object, "kind", json_string(kind != NULL ? kind : "unknown"));
    json_set(object, "state", json_string(state_name));
    if (state == JOB_RUNNING)
        json_set(object, "controller", json_integer(READ(job->runner)));
    json_set(object, "position", json_integer((json_int_t)READ(job->position_bytes)));
    json_set(object, "end", json_integer((json_int_t)READ(job->end_bytes)));
    json_set(object, "found", json_integer((json_int_t)READ(job->found)));
    json_set(object, "repaired", json_integer((json_int_t)READ(job->repaired)));
    if (state == JOB_FAILED)
        json_set(object, "error", json_string(error_text(READ(job->status))));
    add_rate(object, job, now_ns);
    return object;
}
