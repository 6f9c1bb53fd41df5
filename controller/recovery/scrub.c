/*
 * SCRUB: all copies, or data and parity, of a volume are read and compared; what differs is counted
 * and, where that was asked for, made equal (controller/path/split_scrub.c).
 *
 * A piece that could not be read as a whole is done again block by block, so that what is bad of it
 * is known. One of which nobody can tell what is right is counted and left. Nothing is kept of a
 * scrub but where it is: after the death of its runner another one goes on.
 */
#include "controller/recovery/scrub.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"
#include "controller/recovery/piece.h"

static uint64_t position_of(const struct volume_job *job)
{
    /* relaxed: we are its only writer */
    return load_relaxed(&job->record->position_bytes);
}

static bool repairs(const struct volume_job *job)
{
    /* relaxed: written before the job was started */
    return load_relaxed(&job->record->phase) == SCRUB_REPAIRS;
}

static int scrub_begin(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;

    if (!layout_kind_redundant(layout->kind))
        return -EOPNOTSUPP;
    /* relaxed: for whoever looks on */
    store_relaxed(&job->record->end_bytes, layout->member_bytes);
    job->short_until_bytes = 0;
    job->column = 0;
    return 0;
}

static enum job_next done(struct volume_job *job)
{
    /* relaxed: we are their only writer */
    uint64_t found = load_relaxed(&job->record->found);
    uint64_t repaired = load_relaxed(&job->record->repaired); /* relaxed: as above */

    if (found > repaired)
        job_say(job, "has members that do not agree");
    return JOB_NEXT_DONE;
}

static enum job_next scrub_next(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;
    struct errand *errand = &job->errand;
    uint64_t position = position_of(job);
    uint64_t most = position < job->short_until_bytes ? BLOCK_BYTES : split_scrub_bytes(layout);

    if (job->stopping)
        return JOB_NEXT_STOPPED;
    if (position == layout->member_bytes)
        return done(job);
    errand->op = COMMAND_SCRUB;
    errand->flags = 0;
    errand->members = repairs(job) ? UINT32_MAX : 0;
    errand->offset_bytes = piece_offset(layout, position, job->column);
    errand->length_bytes = piece_bytes(layout, position);
    if (errand->length_bytes > most)
        errand->length_bytes = most;
    errand->payload_bytes = split_scrub_buffer_bytes(layout, errand->length_bytes);
    return JOB_NEXT_ERRAND;
}

static void count(struct volume_job *job)
{
    uint64_t blocks = job->errand.count;

    /* relaxed: for whoever looks on; we are their only writer */
    store_relaxed(&job->record->found, load_relaxed(&job->record->found) + blocks);
    if (repairs(job) && job->errand.status == 0) /* relaxed: as above */
        store_relaxed(&job->record->repaired, load_relaxed(&job->record->repaired) + blocks);
}

static int scrub_over(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;
    uint64_t next = position_of(job) + job->errand.length_bytes;

    if (job->errand.status == -EAGAIN) {
        job->short_until_bytes = next;
        return 0;
    }
    count(job);
    if (layout->parities == 0 && ++job->column < layout->columns)
        return 0;
    job->column = 0;
    /* relaxed: for whoever looks on, and for who takes over */
    store_relaxed(&job->record->position_bytes, next);
    return 0;
}

const struct job_kind_of job_scrub = {.number = JOB_KIND_SCRUB,
                                      .name = "scrub",
                                      .begin = scrub_begin,
                                      .next = scrub_next,
                                      .over = scrub_over};
