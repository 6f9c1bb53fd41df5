/*
 * What anyport-history found, for people and as JSON.
 */
#ifndef TESTS_HISTORY_REPORT_H
#define TESTS_HISTORY_REPORT_H

#include "tests/history/hosts.h"

struct findings {
    uint64_t operations; /* answered without an error */
    uint64_t reads, errors, lost;
    uint64_t windows, undecided;
    double seconds;
    bool unanswered;    /* commands had no answer within the patience */
    const char *failed; /* what ended the run early, or NULL */
    enum history_verdict verdict;
    char *explanation; /* of a violation, from history_explain */
};

/* The run's exit status: 0 or 1. */
int findings_status(const struct findings *findings, const struct options *options);

/* Prints to stdout. 0 or -ENOMEM. */
int report(const struct findings *findings, const struct hosts *hosts);

#endif
