#include "controller/recovery/job_rate.h"

#include "controller/controller.h"

/* What all host ports have received, ever: it grows while hosts work, on whatever volume. */
static uint64_t received_bytes(const struct controller *controller)
{
    uint64_t bytes = 0;

    for (uint32_t id = 0; id < controller->segment.geometry.controllers; id++) {
        const struct seat *seat = segment_seat(&controller->segment, id);
        /* relaxed: a hint of whether anybody works */
        bytes += load_relaxed(&seat->counters.bytes_received);
    }
    return bytes;
}

static bool hosts_work(struct volume_job *job)
{
    uint64_t bytes = received_bytes(job->controller), before = job->hosts_seen;

    job->hosts_seen = bytes;
    return bytes != before;
}

uint64_t job_rate_wait_ns(struct volume_job *job, uint64_t piece_bytes)
{
    /* relaxed: a setting, which says nothing of other memory */
    uint64_t rate_bytes = load_relaxed(&segment_header(&job->controller->segment)->job_rate_bytes);

    if (rate_bytes == JOB_RATE_YIELDING)
        rate_bytes = hosts_work(job) ? JOB_BUSY_BYTES : 0;
    return rate_bytes == 0 ? 0 : piece_bytes * 1000000000u / rate_bytes;
}
