/*
 * What the configuration controller does alike for every kind of job (controller/recovery/job.h)
 * that it starts: it makes the job's record ready, asks a controller to run it, and says that it
 * has failed when none can. Which volume wants a job, and when, is the business of rebuilds.h,
 * resyncs.h and scrubs.h.
 *
 *      job_start_prepare  ->  job_start_ask  ->  answered: 0            it runs
 *                                                job_start_elsewhere    another is asked
 *                                                -EBUSY                 again, when a job has ended
 *                                                else                   job_start_fail
 */
#ifndef CONTROLLER_CONFIG_JOB_START_H
#define CONTROLLER_CONFIG_JOB_START_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/config/control_line.h"
#include "controller/recovery/job.h"

struct configurator;

/* Whether the controller that the record names as the job's runner is alive. Only of one whose
 * state, loaded with acquire, is RUNNING. */
bool job_start_runner_lives(const struct configurator *configurator,
                            const struct job_record *record);

/* Whether the volume has a job that has not ended. */
bool job_start_has_job(struct volume_record *record);

/* The record of a job that is to begin at 0, WAITING. The volume has no job. */
void job_start_prepare(struct volume_record *record, enum job_kind kind, uint32_t phase);

/* Nobody runs it, and nobody is going to: FAILED with `error`, -errno. */
void job_start_fail(struct volume_record *record, int error);

/* Asks controller `first`, or the next one that can be asked, to run the job that stands in the
 * volume's record. 0: `answered` is called exactly once, from a later turn. -EPIPE: none is alive;
 * -EBUSY or another -errno: what the last one that was tried said; then it is not called. Never
 * blocks. */
int job_start_ask(struct configurator *configurator, uint32_t volume, enum job_kind kind,
                  uint32_t first, control_answered *answered, void *context);

/* Whether an answer means that another controller is to be asked: this one has died, or ends. */
static inline bool job_start_elsewhere(int status)
{
    return status == -EPIPE || status == -ESHUTDOWN;
}

#endif
