/*
 * REBUILD, one of the kinds of jobs (job.h): what others need to know of it.
 */
#ifndef CONTROLLER_RECOVERY_REBUILD_H
#define CONTROLLER_RECOVERY_REBUILD_H

#include "controller/recovery/job.h"

/* job_record.phase of a rebuild that is to begin, and of one that goes on after a restart of the
 * array, whose new run has been entered in the superblocks by the start. */
enum { REBUILD_PHASE_BEGIN = 0, REBUILD_PHASE_RESUMED = 2 };

#endif
