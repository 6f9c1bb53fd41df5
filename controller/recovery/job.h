/*
 * Jobs: work in the background on a virtual volume, piece by piece, while hosts go on.
 *
 * One controller runs a job; which one, the configuration controller says (CONTROL_START_JOB). When
 * that controller dies, another one is told, and goes on from what stands in shared memory: the
 * volume's job_record. A volume has one job at a time. Progress is read from the record by whoever
 * likes, and nobody is asked.
 *
 *      configuration controller        controller that runs it
 *      kind, position, WAITING
 *      CONTROL_START_JOB         -->   RUNNING: next -> errand -> over, next -> errand -> over ...
 *                                      DONE or FAILED; the configuration controller is noticed
 *
 * A kind of job is a table of functions (struct job_kind_of) in a file of its own, and a line in
 * JOB_KINDS. Its pieces are errands, one after the other; each is reserved like a host's write
 * (COMMAND_RESTORE) or read, so hosts are held up for no longer than a piece takes. Between pieces
 * the job waits as long as its rate wants.
 */
#ifndef CONTROLLER_RECOVERY_JOB_H
#define CONTROLLER_RECOVERY_JOB_H

#include "controller/control.h"
#include "controller/path/virtual.h"
#include "controller/recovery/errand.h"

/* X(NAME, number, name, functions). A number is never given a new meaning. */
#define JOB_KINDS(X)                                                                               \
    X(REBUILD, 1, "rebuild", job_rebuild)                                                          \
    X(SCRUB, 2, "scrub", job_scrub)                                                                \
    X(RESYNC, 3, "resync", job_resync)

enum job_kind {
    JOB_NO_KIND = 0,
#define X(NAME, number, name, functions) JOB_KIND_##NAME = number,
    JOB_KINDS(X)
#undef X
};

/* What a job does next. */
enum job_next {
    JOB_NEXT_ERRAND, /* job->errand has been filled in, and is to be sent */
    JOB_NEXT_DONE,
    JOB_NEXT_STOPPED, /* the controller ends; it goes on after the next start of the array */
};

/* A job in the controller that runs it. */
struct volume_job {
    struct controller *controller;
    const struct job_kind_of *kind; /* NULL: this place is free */
    const struct virtual_volume *virtual;
    struct job_record *record; /* in shared memory; we are its only writer */
    struct errand errand;
    struct timer timer;
    /* The kind's own. */
    uint64_t checked_bytes;     /* the position that was made durable last */
    uint64_t short_until_bytes; /* up to where it looks closely */
    uint64_t begun_regions;     /* that were in doubt when it began */
    uint32_t column;            /* of the piece, where a piece takes several errands */
    uint64_t hosts_seen;        /* what all host ports had received when we looked last */
    bool stopping;              /* the controller ends */
};

struct job_kind_of {
    uint32_t number;
    const char *name;
    /* Begins, or goes on after a death or a restart: record->phase and position say where. 0, or
     * -errno: it cannot. */
    int (*begin)(struct volume_job *job);
    /* What to do now; `job->stopping`: only what has to be done before the end. */
    enum job_next (*next)(struct volume_job *job);
    /* The errand has ended (errand->status, errand->count): moves the position on. 0; or -errno:
     * the job has failed. */
    int (*over)(struct volume_job *job);
};

#define X(NAME, number, name, functions) extern const struct job_kind_of functions;
JOB_KINDS(X)
#undef X

struct jobs {
    struct volume_job all[JOBS_MAX];
};

void jobs_init(struct controller *controller);

/* Whether no job, and no other errand, is on its way. Once the controller quiesces none begins. */
bool jobs_are_quiet(const struct controller *controller);

/* Jobs end their piece, make durable how far they are, and stop. */
void jobs_quiesce(struct controller *controller);

/* Says on stderr what has become of the volume. */
void job_say(const struct volume_job *job, const char *what);

/* "rebuild" ...; NULL for what is no kind. Lives for ever. */
const char *job_kind_name(uint32_t kind);
const char *job_state_name(uint32_t state);

#endif
