/*
 * REBUILD: absent members are made anew from the others.
 *
 * Before it begins, the configuration controller has said that they are being rebuilt
 * (member_states_begin), and all controllers have ended what they had begun before (fence.h). From
 * then on hosts' writes keep up to date what lies below the cursor.
 *
 *      phase       does                                             then
 *      ANNOUNCE    the next run is announced; marked                ENTER
 *      ENTER       it begins, with the members as failed; marked    RESTORE
 *      RESTORE     a piece; every CHECK_BYTES, and at the end       FLUSH
 *      FLUSH       what was written to them is durable              MARK, or at the end
 * ANNOUNCE_END MARK        and so is how far that is                        RESTORE ANNOUNCE_END,
 * ENTER_END: the members are good in a new run   DONE
 *
 * Each phase may be begun again, after the death of who ran it. Why each of these steps may be the
 * last one is said in controller/superblock/standing.h.
 */
#include <errno.h>

#include "controller/controller.h"
#include "controller/recovery/piece.h"
#include "controller/recovery/rebuild.h"

#define CHECK_BYTES ((uint64_t)32 << 20) /* of each member, between two looks at how far it is */

enum phase {
    PHASE_ANNOUNCE,
    PHASE_ENTER,
    PHASE_RESTORE,
    PHASE_FLUSH,
    PHASE_MARK,
    PHASE_ANNOUNCE_END,
    PHASE_ENTER_END,
    PHASE_DONE,
};
_Static_assert((int)PHASE_RESTORE == (int)REBUILD_PHASE_RESUMED, "what rebuild.h says of it");

static enum phase phase_of(const struct volume_job *job)
{
    /* relaxed: we are its only writer */
    return (enum phase)load_relaxed(&job->record->phase);
}

/* Another controller that takes over begins with the phase again. */
static void enter_phase(struct volume_job *job, enum phase phase)
{
    /* pairs with the load by whoever takes over: what the phases before did is there */
    store_release(&job->record->phase, (uint32_t)phase);
}

static uint32_t targets_of(const struct volume_job *job)
{
    return member_states_now(job->virtual->record).rebuilding;
}

static uint64_t position_of(const struct volume_job *job)
{
    /* relaxed: we are its only writer */
    return load_relaxed(&job->record->position_bytes);
}

static void set_position(struct volume_job *job, uint64_t position_bytes)
{
    /* relaxed: for whoever looks on; a successor looks at the cursor */
    store_relaxed(&job->record->position_bytes, position_bytes);
}

static bool is_all_restored(const struct volume_job *job)
{
    return position_of(job) == job->virtual->layout.member_bytes;
}

static int rebuild_begin(struct volume_job *job)
{
    struct volume_record *volume = job->virtual->record;

    if (targets_of(job) == 0)
        return -ENOENT;
    set_position(job, member_states_rebuilt_bytes(volume));
    job->checked_bytes = position_of(job);
    /* relaxed: for whoever looks on */
    store_relaxed(&job->record->end_bytes, job->virtual->layout.member_bytes);
    /* It is not known what was flushed; or who made the last piece came no further. */
    if (phase_of(job) == PHASE_MARK || (phase_of(job) == PHASE_RESTORE && is_all_restored(job)))
        enter_phase(job, PHASE_FLUSH);
    return 0;
}

/* --- a piece --- */

/* The first mirror set from `column` on that has a member to be made; `columns`: none. */
static uint32_t next_set(const struct volume_job *job, uint32_t column)
{
    const struct layout *layout = &job->virtual->layout;
    uint32_t targets = targets_of(job), set = (1u << layout->copies) - 1;

    if (layout->parities > 0)
        return column == 0 ? 0 : layout->columns;
    while (column < layout->columns && (targets & set << column * layout->copies) == 0)
        column++;
    return column;
}

static void restore(struct volume_job *job, uint32_t column)
{
    const struct layout *layout = &job->virtual->layout;
    struct errand *errand = &job->errand;

    errand->op = COMMAND_RESTORE;
    errand->members = targets_of(job);
    errand->offset_bytes = piece_offset(layout, position_of(job), column);
    errand->length_bytes = piece_bytes(layout, position_of(job));
    errand->payload_bytes = layout->parities > 0 ? 0 : errand->length_bytes;
}

/* --- what to do next --- */

static void maintain(struct volume_job *job, uint8_t op)
{
    struct errand *errand = &job->errand;

    errand->op = op;
    errand->members = 0;
    errand->offset_bytes = errand->length_bytes = errand->payload_bytes = 0;
}

/* At the end of the array: how far it is becomes durable, where pieces have been made since. */
static bool may_stop(struct volume_job *job)
{
    bool made = phase_of(job) == PHASE_RESTORE && position_of(job) > job->checked_bytes;

    if (made)
        enter_phase(job, PHASE_FLUSH);
    return phase_of(job) != PHASE_FLUSH && phase_of(job) != PHASE_MARK;
}

static void begin_phase(struct volume_job *job)
{
    struct volume_record *volume = job->virtual->record;

    switch (phase_of(job)) {
    case PHASE_RESTORE:
        job->column = next_set(job, job->column);
        restore(job, job->column);
        return;
    case PHASE_FLUSH:
        maintain(job, COMMAND_FLUSH);
        return;
    case PHASE_ANNOUNCE:
    case PHASE_ANNOUNCE_END:
        member_states_announce(volume);
        break;
    case PHASE_ENTER:
        member_states_enter(volume, 0);
        break;
    case PHASE_ENTER_END:
        member_states_enter(volume, targets_of(job));
        break;
    case PHASE_MARK:
    case PHASE_DONE:
        break;
    }
    maintain(job, COMMAND_SETTLE);
}

static enum job_next rebuild_next(struct volume_job *job)
{
    if (phase_of(job) == PHASE_DONE)
        return JOB_NEXT_DONE;
    if (job->stopping && may_stop(job))
        return JOB_NEXT_STOPPED;
    begin_phase(job);
    return JOB_NEXT_ERRAND;
}

/* --- what has ended --- */

static void piece_is_made(struct volume_job *job)
{
    const struct layout *layout = &job->virtual->layout;
    uint64_t next_bytes = position_of(job) + job->errand.length_bytes;

    job->column = next_set(job, job->column + 1);
    if (job->column < layout->columns)
        return;
    job->column = 0;
    set_position(job, next_bytes);
    if (layout->parities == 0) /* with parity that was done under the reservation */
        member_states_set_rebuilt(job->virtual->record, next_bytes);
    if (is_all_restored(job) || next_bytes - job->checked_bytes >= CHECK_BYTES)
        enter_phase(job, PHASE_FLUSH);
}

static void is_flushed(struct volume_job *job)
{
    member_states_set_flushed(job->virtual->record, position_of(job));
    job->checked_bytes = position_of(job);
    enter_phase(job, is_all_restored(job) ? PHASE_ANNOUNCE_END : PHASE_MARK);
}

/* What is in memory was durable before. */
static int complete(struct volume_job *job)
{
    uint32_t completed = member_states_complete(job->virtual->record, targets_of(job));

    if (completed == 0)
        return -EIO;
    job_say(job, "is rebuilt");
    enter_phase(job, PHASE_DONE);
    return 0;
}

static int phase_is_over(struct volume_job *job)
{
    switch (phase_of(job)) {
    case PHASE_ANNOUNCE:
        enter_phase(job, PHASE_ENTER);
        break;
    case PHASE_ENTER:
    case PHASE_MARK:
        enter_phase(job, PHASE_RESTORE);
        break;
    case PHASE_RESTORE:
        piece_is_made(job);
        break;
    case PHASE_FLUSH:
        is_flushed(job);
        break;
    case PHASE_ANNOUNCE_END:
        enter_phase(job, PHASE_ENTER_END);
        break;
    case PHASE_ENTER_END:
        return complete(job);
    case PHASE_DONE:
        break;
    }
    return 0;
}

/* Of several members one may fail again, and the others go on: with the same piece. Where nothing
 * has failed and a piece could not be made, what it is made from cannot be read. */
static int rebuild_over(struct volume_job *job)
{
    uint32_t targets = targets_of(job);

    if (targets != 0 && job->errand.status == 0)
        return phase_is_over(job);
    if (targets != 0 && job->errand.op == COMMAND_RESTORE && targets != job->errand.members)
        return 0;
    (void)virtual_fail(job->controller, job->virtual, targets);
    return job->errand.status != 0 ? job->errand.status : -EIO;
}

const struct job_kind_of job_rebuild = {.number = JOB_KIND_REBUILD,
                                        .name = "rebuild",
                                        .begin = rebuild_begin,
                                        .next = rebuild_next,
                                        .over = rebuild_over};
