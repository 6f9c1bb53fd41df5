/*
 * What the configuration controller says to a scrub that it starts: the `phase` of its job_record.
 */
#ifndef CONTROLLER_RECOVERY_SCRUB_H
#define CONTROLLER_RECOVERY_SCRUB_H

enum { SCRUB_VERIFIES = 0, SCRUB_REPAIRS = 1 };

#endif
