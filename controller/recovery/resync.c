/*
 * RESYNC: after an end without order the members of a volume are made equal where writes were under
 * way. What was answered is on all of them and stays; of what was not, it is settled whether it
 * happened.
 *
 * Where that is, the members' owners know (COMMAND_INTENTS): asked for long spans first, and where
 * some region of one is meant, for short ones. Hosts' writes of this time are among them, which
 * makes a piece equal that was so already. A piece is a RESTORE without members.
 *
 * A piece that cannot be made equal (a block that nobody can read) is left, and counted; the others
 * are done. The intents stay on the images until an orderly end finds that the volume is in order,
 * so that after a death of the runner, or of everything, this begins anew.
 */
#include "controller/controller.h"
#include "controller/recovery/piece.h"

#define SPAN_BYTES       ((uint64_t)1 << 30)
#define SHORT_SPAN_BYTES ((uint64_t)1 << INTENT_REGION_SHIFT_MIN)

static uint64_t position_of(const struct volume_job *job)
{
    /* relaxed: we are its only writer */
    return load_relaxed(&job->record->position_bytes);
}

static void move_on(struct volume_job *job, uint64_t bytes)
{
    /* relaxed: for whoever looks on */
    store_relaxed(&job->record->position_bytes, position_of(job) + bytes);
    job->column = 0;
}

static int resync_begin(struct volume_job *job)
{
    /* relaxed: for whoever looks on */
    store_relaxed(&job->record->position_bytes, 0);
    store_relaxed(&job->record->end_bytes, job->virtual->layout.member_bytes); /* relaxed: same */
    store_relaxed(&job->record->found, 0);                                     /* relaxed: same */
    job->checked_bytes = job->short_until_bytes = 0;
    /* relaxed: as in done */
    job->begun_regions = load_relaxed(&job->virtual->record->resync_regions);
    return 0;
}

/* --- what to do next --- */

static void ask(struct volume_job *job)
{
    uint64_t position = position_of(job);
    uint64_t span = position < job->short_until_bytes ? SHORT_SPAN_BYTES : SPAN_BYTES;
    uint64_t left = job->virtual->layout.member_bytes - position;

    job->errand.op = COMMAND_INTENTS;
    job->errand.offset_bytes = position;
    job->errand.length_bytes = span - position % span;
    if (job->errand.length_bytes > left)
        job->errand.length_bytes = left;
    job->errand.payload_bytes = 0;
}

static void make_equal(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;
    struct errand *errand = &job->errand;

    errand->op = COMMAND_RESTORE;
    errand->offset_bytes = piece_offset(layout, position_of(job), job->column);
    errand->length_bytes = piece_bytes(layout, position_of(job));
    errand->payload_bytes = layout->parities > 0 ? 0 : errand->length_bytes;
}

static enum job_next done(struct volume_job *job)
{
    uint64_t left = load_relaxed(&job->record->found); /* relaxed: we are its only writer */

    /* relaxed: says nothing of other memory; an orderly end comes long after it. What others have
     * added meanwhile (redo.c) stays. */
    add_relaxed(&job->virtual->record->resync_regions, left - job->begun_regions);
    if (left != 0)
        job_say(job, "could not be made equal everywhere where writes were under way");
    return JOB_NEXT_DONE;
}

static enum job_next resync_next(struct volume_job *job)
{
    if (job->stopping)
        return JOB_NEXT_STOPPED;
    if (position_of(job) == job->virtual->layout.member_bytes)
        return done(job);
    job->errand.members = 0;
    if (position_of(job) < job->checked_bytes)
        make_equal(job);
    else
        ask(job);
    return JOB_NEXT_ERRAND;
}

/* --- what has ended --- */

static void is_answered(struct volume_job *job)
{
    uint64_t end = job->errand.offset_bytes + job->errand.length_bytes;

    if (job->errand.status == 0 && job->errand.count == 0)
        move_on(job, job->errand.length_bytes);
    else if (job->errand.length_bytes > SHORT_SPAN_BYTES)
        job->short_until_bytes = end;
    else
        job->checked_bytes = end;
}

static void is_made_equal(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;

    if (job->errand.status != 0) /* relaxed: for whoever looks on */
        store_relaxed(&job->record->found, load_relaxed(&job->record->found) + 1);
    if (layout->parities == 0 && ++job->column < layout->columns)
        return;
    move_on(job, job->errand.length_bytes);
}

static int resync_over(struct volume_job *job)
{
    if (job->errand.op == COMMAND_INTENTS)
        is_answered(job);
    else
        is_made_equal(job);
    return 0;
}

const struct job_kind_of job_resync = {.number = JOB_KIND_RESYNC,
                                       .name = "resync",
                                       .begin = resync_begin,
                                       .next = resync_next,
                                       .over = resync_over};
