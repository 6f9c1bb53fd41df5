/*
 * Controllers at work on one coordination table, as threads or as processes: each has several
 * commands under way, and sleeps for those that are held until it is notified. What is reserved is
 * checked with plain words, a guard for every 4 KiB, and that nobody is forgotten by a clock.
 *
 * All that the workers share lies in a struct yard.
 */
#ifndef TESTS_CRASH_WORK_H
#define TESTS_CRASH_WORK_H

#include "shm/reserve.h"

enum {
    WORK_SEATS = 4,
    WORK_COMMANDS = 4, /* of each worker at once */
    WORK_AREA = 192,   /* guards of a range that spans three regions of 256 KiB */
    WORK_FAR = 12,     /* and of as many regions that share one set */
    WORK_FULL = WORK_COMMANDS,
};

/* What became of a worker. */
enum work_end {
    WORK_WELL = 0,
    WORK_TWICE = 2,    /* a range was granted twice */
    WORK_FORGOTTEN = 3 /* nothing moved any more */
};

struct yard {
    _Atomic uint32_t told[WORK_SEATS][WORK_COMMANDS + 1]; /* by cookie; WORK_FULL: FULL */
    _Atomic uint64_t progress;
    _Atomic uint32_t deaths; /* a bit a seat that is dead; their guards do not count */
    uint64_t guards[WORK_AREA + WORK_FAR]; /* seat + 1 of who holds it exclusively; or 0 */
};

struct worker {
    struct yard *yard;
    struct coordination coordination;
    uint32_t seed;
    uint32_t recovered; /* deaths that were seen to */
    struct work_command {
        struct reservation reservation;
        enum { WORK_IDLE, WORK_GRANTED, WORK_HELD, WORK_TOLD_FULL } state;
        uint32_t first_guard, guards, turns;
    } commands[WORK_COMMANDS];
};

void worker_init(struct worker *worker, struct yard *yard, const struct segment *segment,
                 uint32_t seat, uint32_t seed);

/* Ends `operations` commands, and whatever is under way then. */
enum work_end worker_run(struct worker *worker, uint32_t operations);

#endif
