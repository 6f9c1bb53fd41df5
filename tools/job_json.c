#include "tools/job_json.h"

#include <string.h>

#include "controller/recovery/job.h"
#include "tools/job_values.h"
#include "tools/json_set.h"

/* The status of a job that has failed is -errno; whatever else is there was written by a process
 * that was damaged. */
static const char *error_text(int32_t status)
{
    return status < 0 && status > INT32_MIN ? strerror(-status) : "unknown";
}

static void add_rate(json_t *object, const struct job_values *job, uint64_t now_ns)
{
    double seconds_left = job_values_seconds_left(job, now_ns);

    json_set(object, "rate", json_integer((json_int_t)job_values_rate(job, now_ns)));
    if (seconds_left >= 0)
        json_set(object, "seconds_left", json_real(seconds_left));
}

json_t *job_json(const struct segment *segment, uint32_t volume, uint64_t now_ns)
{
    struct job_values job;

    job_values_read(&job, segment, volume);
    const char *state_name = job_state_name(job.state), *kind = job_kind_name(job.kind);
    if (job.state == JOB_NONE || state_name == NULL)
        return NULL;
    json_t *object = json_object();
    json_set(object, "kind", json_string(kind != NULL ? kind : "unknown"));
    json_set(object, "state", json_string(state_name));
    if (job.state == JOB_RUNNING)
        json_set(object, "controller", json_integer(job.runner));
    json_set(object, "position", json_integer((json_int_t)job.position_bytes));
    json_set(object, "end", json_integer((json_int_t)job.end_bytes));
    json_set(object, "found", json_integer((json_int_t)job.found));
    json_set(object, "repaired", json_integer((json_int_t)job.repaired));
    if (job.state == JOB_FAILED)
        json_set(object, "error", json_string(error_text(job.status)));
    add_rate(object, &job, now_ns);
    return object;
}
