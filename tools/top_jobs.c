#include "tools/top_jobs.h"

#include <stdio.h>

#include "controller/recovery/job.h"
#include "tools/top_number.h"

static const char jobs_line[] = "%-20s %-7s %-7s %-4s %6s %6s %8s %6s %8s";

bool top_jobs_has(const struct top_sample *sample, uint32_t volume)
{
    uint32_t state = sample->jobs[volume].state;

    return state == JOB_WAITING || state == JOB_RUNNING || state == JOB_FAILED;
}

void top_jobs_heading(char line[TOP_LINE_BYTES])
{
    snprintf(line, TOP_LINE_BYTES, jobs_line, "VOLUME", "JOB", "STATE", "CTRL", "DONE", "MB/s",
             "LEFT", "FOUND", "REPAIRED");
}

static const char *share(const struct job_values *job, char into[NUMBER_BYTES])
{
    double done = job->end_bytes == 0 ? 0 : (double)job->position_bytes / (double)job->end_bytes;

    snprintf(into, NUMBER_BYTES, "%.1f%%", done > 1 ? 100 : done * 100);
    return into;
}

/* Between two looks at one job; of one that has begun since then, nothing is known yet. */
static double rate_of(const struct top_view *view, uint32_t volume)
{
    const struct job_values *before = &view->before.jobs[volume], *now = &view->after.jobs[volume];

    if (before->kind != now->kind || before->started_ns != now->started_ns ||
        now->position_bytes < before->position_bytes || view->after.ns <= view->before.ns)
        return 0;
    return (double)(now->position_bytes - before->position_bytes) * 1e9 /
           (double)(view->after.ns - view->before.ns);
}

/* 1:02:03 in at most eight columns. */
static const char *left(double seconds, char into[NUMBER_BYTES])
{
    if (seconds < 0 || seconds >= 1000 * 3600) {
        snprintf(into, NUMBER_BYTES, "-");
    } else {
        unsigned whole = (unsigned)(seconds + 0.5);
        snprintf(into, NUMBER_BYTES, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
    }
    return into;
}

static const char *runner(const struct job_values *job, char into[NUMBER_BYTES])
{
    if (job->state == JOB_RUNNING && job->runner < CONTROLLERS_MAX)
        snprintf(into, NUMBER_BYTES, "c%u", job->runner);
    else
        snprintf(into, NUMBER_BYTES, "-");
    return into;
}

void top_jobs_row(const struct top_view *view, uint32_t volume, char line[TOP_LINE_BYTES])
{
    const struct job_values *job = &view->after.jobs[volume];
    const char *kind = job_kind_name(job->kind), *state = job_state_name(job->state);
    char name[NAME_COLUMNS + 1], controller[NUMBER_BYTES], done[NUMBER_BYTES];
    char megabytes[NUMBER_BYTES], time[NUMBER_BYTES], found[NUMBER_BYTES], repaired[NUMBER_BYTES];
    bool runs = job->state == JOB_RUNNING;

    top_put_name(segment_volume(&view->segment, volume)->name, name);
    snprintf(line, TOP_LINE_BYTES, jobs_line, name, kind != NULL ? kind : "unknown",
             state != NULL ? state : "unknown", runner(job, controller), share(job, done),
             top_measure(rate_of(view, volume) / 1e6, megabytes),
             left(runs ? job_values_seconds_left(job, view->after.ns) : -1, time),
             top_number((double)job->found, found), top_number((double)job->repaired, repaired));
}
