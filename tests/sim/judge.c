#include "tests/sim/judge.h"

#include "controller/path/virtual.h"
#include "controller/recovery/job.h"
#include "tests/sim/judge_parts.h"

/* --- errors --- */

/* Whether a fault can be the reason that a command on this volume fails. */
static bool may_fail(const struct world *world, const struct sim_volume *volume)
{
    uint32_t touched = volume->touched | volume->failed_before;

    if (world->journal_failed && has_parity(volume))
        return true;
    for (uint32_t i = 0; i < volume->members; i++) {
        if (world->element_failed[volume->member_element[i]])
            touched |= 1u << i;
    }
    return is_redundant(volume) ? !virtual_bears(&volume->layout, touched) : touched != 0;
}

void judge_errors(struct world *world)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        const struct sim_volume *volume = &world->volumes[record->volume];
        if (record->return_ns != RECORD_NEVER && record->status != 0 && !may_fail(world, volume))
            sim_fail(world, "record %u: %s of %s ended with %d, and nothing explains that", i,
                     command_op_name(record->op), volume->name, record->status);
    }
}

/* --- jobs --- */

void judge_scrub(struct world *world, uint32_t number)
{
    const struct sim_volume *volume = &world->volumes[number];
    const struct job_record *job = &segment_volume(&world->segment, volume->index)->job;

    /* relaxed: it is over */
    if (load_relaxed(&job->kind) != JOB_KIND_SCRUB)
        return;
    if (load_relaxed(&job->state) != JOB_DONE) /* relaxed: as above */
        sim_fail(world, "%s: its scrub has failed, and nothing explains that", volume->name);
    if (load_relaxed(&job->found) != 0) /* relaxed: as above */
        sim_fail(world, "%s: a scrub has found %llu differences", volume->name,
                 (unsigned long long)load_relaxed(&job->found)); /* relaxed: as above */
}

/* --- over an end --- */

void judge_life(struct world *world, enum sim_end end)
{
    judge_open_failed(world);
    for (uint32_t i = 0; i < world->volumes_count && !world->failed; i++)
        judge_history(world, i);
    judge_open_unsure(world, end);
}

/* The member that a sector of a volume with parity lies on. */
static uint32_t member_of(const struct sim_volume *volume, uint32_t sector)
{
    uint64_t chunk = sector * (uint64_t)IMAGE_SECTOR_BYTES / volume->layout.chunk_bytes;

    return layout_data_member(&volume->layout, chunk / volume->layout.columns,
                              (uint32_t)(chunk % volume->layout.columns));
}

/* A write that more members missed than the layout can do without leaves its row as it may. */
static bool any_write_failed(const struct world *world, const struct sim_volume *volume)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && &world->volumes[record->volume] == volume &&
            record->return_ns != RECORD_NEVER && record->status != 0)
            return true;
    }
    return false;
}

/* What a stale member held is computed from what need not fit; or was, when it was rebuilt. With a
 * journal it fits. */
static bool is_anything(const struct world *world, const struct sim_volume *volume, uint32_t sector)
{
    uint32_t stale = volume->failed_before | volume->stale_once;

    if (world->opened.covered[volume->index] && !volume->lost_once &&
        !any_write_failed(world, volume))
        return false;
    return has_parity(volume) && judge_is_open(volume, sector) &&
           (stale >> member_of(volume, sector) & 1) != 0;
}

static void judge_sector(struct world *world, uint32_t number, uint32_t sector, uint64_t seen,
                         enum sim_end end)
{
    const struct sim_volume *volume = &world->volumes[number];
    uint64_t sure_ns = judge_last_sure_ns(world, number, sector, end);
    uint64_t tag = seen == 0 ? volume->zeroed[sector] : seen;

    if (is_anything(world, volume, sector) || (sure_ns == 0 && tag == volume->initial[sector]))
        return;
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (!record->scripted && is_write(record) && record->tag == tag &&
            covers(record, number, sector) && record->return_ns >= sure_ns)
            return;
    }
    sim_fail(world,
             "%s: sector %u holds tag %lld after end %d of life %u; what is sure began at %llu ns",
             volume->name, sector, (long long)seen, end, world->life - 1,
             (unsigned long long)sure_ns);
}

void judge_inspection(struct world *world, enum sim_end end, uint32_t first_inspected)
{
    uint32_t count = world->records_count;

    for (uint32_t i = first_inspected; i < count && !world->failed; i++) {
        const struct record *read = &world->records[i];
        if (read->op != COMMAND_READ || !answered_well(read)) {
            sim_fail(world, "life %u cannot be inspected: %s of %s ended with %d", world->life,
                     command_op_name(read->op), world->volumes[read->volume].name, read->status);
            return;
        }
        world->records_count = first_inspected; /* what is judged is the life before */
        for (uint32_t j = 0; j < read->sectors && !world->failed; j++)
            judge_sector(world, read->volume, read->first + j, read->seen[j], end);
        world->records_count = count;
    }
}

static void begin_with(struct sim_volume *volume, const struct record *record)
{
    for (uint32_t i = 0; i < record->sectors; i++) {
        uint32_t sector = record->first + i;
        uint64_t tag = record->op == COMMAND_READ ? record->seen[i] : record->tag;
        volume->initial[sector] = tag != 0 ? tag : volume->zeroed[sector];
    }
}

/* Where something else stands, zeroes may be written once more. */
static void forget_zeroes(struct sim_volume *volume)
{
    for (uint32_t i = 0; i < volume->sectors; i++) {
        if (volume->initial[i] != volume->zeroed[i])
            volume->zeroed[i] = 0;
    }
}

void judge_begin(struct world *world)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (!record->scripted)
            continue;
        if (!answered_well(record))
            sim_fail(world, "life %u: %s of %s ended with %d before there were faults", world->life,
                     command_op_name(record->op), world->volumes[record->volume].name,
                     record->status);
        else
            begin_with(&world->volumes[record->volume], record);
    }
    records_clear(world);
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        world->volumes[i].lost_members = world->volumes[i].stale_once = 0;
        judge_close(&world->volumes[i]);
        forget_zeroes(&world->volumes[i]);
    }
}
