#include "tools/job_values.h"

#include "controller/recovery/job.h"

/* relaxed: a job's numbers are made to be read at any time; each is one word, and late is fine. */
#define READ(word) load_relaxed(&(word))

void job_values_read(struct job_values *ret_values, const struct segment *segment, uint32_t volume)
{
    struct job_record *job = &segment_volume(segment, volume)->job;
    /* pairs with the stores by whoever runs it */
    uint32_t state = load_acquire(&job->state);

    *ret_values = (struct job_values){.kind = READ(job->kind),
                                      .state = state,
                                      .runner = READ(job->runner),
                                      .status = READ(job->status),
                                      .position_bytes = READ(job->position_bytes),
                                      .end_bytes = READ(job->end_bytes),
                                      .began_at_bytes = READ(job->began_at_bytes),
                                      .started_ns = READ(job->started_ns),
                                      .ended_ns = READ(job->ended_ns),
                                      .found = READ(job->found),
                                      .repaired = READ(job->repaired)};
}

double job_values_rate(const struct job_values *values, uint64_t now_ns)
{
    uint64_t until_ns = values->ended_ns > values->started_ns ? values->ended_ns : now_ns;

    if (until_ns <= values->started_ns || values->position_bytes <= values->began_at_bytes)
        return 0;
    return (double)(values->position_bytes - values->began_at_bytes) /
           ((double)(until_ns - values->started_ns) / 1e9);
}

double job_values_seconds_left(const struct job_values *values, uint64_t now_ns)
{
    double rate = job_values_rate(values, now_ns);

    if (values->ended_ns != 0 || rate == 0 || values->end_bytes < values->position_bytes)
        return -1;
    return (double)(values->end_bytes - values->position_bytes) / rate;
}
