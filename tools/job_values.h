/*
 * The job of a virtual volume as it was at one look, and what follows from its numbers: what status
 * and top have in common.
 */
#ifndef TOOLS_JOB_VALUES_H
#define TOOLS_JOB_VALUES_H

#include "shm/segment.h"

struct job_values {
    uint32_t kind, state; /* enum job_kind, enum job_state: of a damaged array, anything */
    uint32_t runner;      /* RUNNING: the controller */
    int32_t status;       /* FAILED: -errno */
    uint64_t position_bytes, end_bytes, began_at_bytes;
    uint64_t started_ns, ended_ns; /* CLOCK_MONOTONIC; 0: not yet */
    uint64_t found, repaired;
};

/* Each number is one word, and may be later than the one before it. A volume that never had a job
 * has the state JOB_NONE. */
void job_values_read(struct job_values *ret_values, const struct segment *segment, uint32_t volume);

/* Bytes a second of each member, since the controller that runs it began: 0 where that is not
 * known. */
double job_values_rate(const struct job_values *values, uint64_t now_ns);

/* What is left of the time at that rate; negative: it has ended, or that is not known. */
double job_values_seconds_left(const struct job_values *values, uint64_t now_ns);

#endif
