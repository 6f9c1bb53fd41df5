/*
 * How fast a job goes. Hosts come first: while they work, a job does JOB_BUSY_BYTES a second, so
 * that it ends some day; else it goes as fast as it can. The configuration may say a rate instead,
 * which is kept whatever hosts do; 0: no limit, and no regard for hosts.
 */
#ifndef CONTROLLER_RECOVERY_JOB_RATE_H
#define CONTROLLER_RECOVERY_JOB_RATE_H

#include "controller/recovery/job.h"

enum { JOB_BUSY_BYTES = 16 << 20 };

/* How long to wait after a piece of so many bytes, which has just ended. */
uint64_t job_rate_wait_ns(struct volume_job *job, uint64_t piece_bytes);

#endif
