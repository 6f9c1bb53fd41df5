#include "tests/sim/judge.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "controller/layout/parity_row.h"
#include "controller/path/virtual.h"
#include "tests/history/history.h"

/* A tag as the checker sees it: that of a write, and which of its sectors it is counted for alone.
 */
enum { PART_BITS = 12 };

static bool is_redundant(const struct sim_volume *volume)
{
    return layout_kind_redundant(volume->kind);
}

static bool has_parity(const struct sim_volume *volume)
{
    return volume->kind != LAYOUT_NONE && volume->layout.parities > 0;
}

static bool is_write(const struct record *record)
{
    return command_changes_data(record->op);
}

static bool answered_well(const struct record *record)
{
    return record->return_ns != RECORD_NEVER && record->status == 0;
}

static bool covers(const struct record *record, uint32_t volume, uint32_t sector)
{
    return record->volume == volume && sector >= record->first &&
           sector - record->first < record->sectors;
}

/* --- errors --- */

/* Whether a fault can be the reason that a command on this volume fails. */
static bool may_fail(const struct world *world, const struct sim_volume *volume)
{
    uint32_t touched = volume->touched | volume->failed_before;

    for (uint32_t i = 0; i < volume->members; i++) {
        if (world->images[volume->member_element[i]].has_failed)
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

/* --- what is open --- */

/* The place on the members of a sector of a volume with parity, in sectors. */
static uint32_t place_of(const struct sim_volume *volume, uint32_t sector)
{
    uint64_t bytes = sector * (uint64_t)IMAGE_SECTOR_BYTES;
    uint64_t chunk = bytes / volume->layout.chunk_bytes;

    return (uint32_t)((chunk / volume->layout.columns * volume->layout.chunk_bytes +
                       bytes % volume->layout.chunk_bytes) /
                      IMAGE_SECTOR_BYTES);
}

static uint32_t sector_at(const struct sim_volume *volume, uint32_t place, uint32_t column)
{
    uint64_t bytes = place * (uint64_t)IMAGE_SECTOR_BYTES;
    uint64_t row = bytes / volume->layout.chunk_bytes;

    return (uint32_t)(((row * volume->layout.columns + column) * volume->layout.chunk_bytes +
                       bytes % volume->layout.chunk_bytes) /
                      IMAGE_SECTOR_BYTES);
}

static void open_sector(struct sim_volume *volume, uint32_t sector, uint64_t since_ns)
{
    uint32_t columns = has_parity(volume) ? volume->layout.columns : 1;

    for (uint32_t column = 0; column < columns; column++) {
        uint32_t one =
            has_parity(volume) ? sector_at(volume, place_of(volume, sector), column) : sector;
        if (since_ns < volume->open_from_ns[one])
            volume->open_from_ns[one] = since_ns;
        volume->open_until_ns[one] = UINT64_MAX;
    }
}

static void open_where_writes_failed(struct world *world)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        struct sim_volume *volume = &world->volumes[record->volume];
        if (!is_write(record) || answered_well(record) || !is_redundant(volume))
            continue;
        for (uint32_t j = 0; j < record->sectors; j++)
            open_sector(volume, record->first + j, record->invoke_ns);
    }
}

/* From when on nothing more is done for a write that was not answered well. */
static uint64_t given_up_ns(const struct world *world, const struct record *write)
{
    return write->return_ns != RECORD_NEVER ? write->return_ns : world->died_ns[write->host];
}

/* The first write that began when nothing was done any more for those that failed, and was answered
 * well, has made the copies of a sector equal. With parity that is not looked for. */
static void close_sector(const struct world *world, uint32_t number, uint32_t sector)
{
    const struct sim_volume *volume = &world->volumes[number];
    uint64_t given_up = 0;

    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && covers(record, number, sector) && !answered_well(record) &&
            given_up_ns(world, record) > given_up)
            given_up = given_up_ns(world, record);
    }
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && covers(record, number, sector) && answered_well(record) &&
            record->invoke_ns > given_up && record->return_ns < volume->open_until_ns[sector])
            volume->open_until_ns[sector] = record->return_ns;
    }
}

static void close_where_written_again(struct world *world)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        const struct sim_volume *volume = &world->volumes[i];
        for (uint32_t sector = 0; sector < volume->sectors && !has_parity(volume); sector++) {
            if (volume->open_from_ns[sector] != UINT64_MAX)
                close_sector(world, i, sector);
        }
    }
}

/* Whether it was at the end. */
bool judge_is_open(const struct sim_volume *volume, uint32_t sector)
{
    return volume->open_from_ns[sector] != UINT64_MAX &&
           volume->open_until_ns[sector] == UINT64_MAX;
}

/* --- while it lived --- */

static uint64_t tag_for_checker(const struct world *world, const struct sim_volume *volume,
                                uint32_t sector, uint64_t seen)
{
    uint32_t number = (uint32_t)(volume - world->volumes);

    if (seen == HISTORY_TORN || seen == HISTORY_ASTRAY)
        return seen;
    if (seen == 0)
        seen = volume->zeroed[sector];
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && record->tag == seen && covers(record, number, sector))
            return seen << PART_BITS | (answered_well(record) ? 0 : sector - record->first + 1);
    }
    return seen << PART_BITS;
}

static struct history *new_history(const struct sim_volume *volume)
{
    uint64_t *tags = calloc(volume->sectors, sizeof *tags);

    assert(tags != NULL);
    for (uint32_t i = 0; i < volume->sectors; i++)
        tags[i] = volume->initial[i] << PART_BITS;
    struct history *history = history_new(volume->sectors, tags);
    assert(history != NULL);
    free(tags);
    return history;
}

static struct history_operation operation_of(const struct record *record, uint32_t first,
                                             uint32_t sectors)
{
    return (struct history_operation){
        .invoke_ns = record->invoke_ns,
        .return_ns = answered_well(record) ? record->return_ns : HISTORY_LOST,
        .first_block = first,
        .blocks = sectors,
        .host = record->host,
        .kind = is_write(record) ? HISTORY_WRITE : HISTORY_READ,
    };
}

static void add_write(struct history *history, const struct record *record)
{
    uint32_t step = answered_well(record) ? record->sectors : 1;

    for (uint32_t at = 0; at < record->sectors; at += step) {
        struct history_operation operation = operation_of(record, record->first + at, step);
        uint64_t tag = record->tag << PART_BITS | (answered_well(record) ? 0 : at + 1);
        int error = history_add(history, &operation, &tag);
        assert(error == 0);
    }
}

static bool is_open(const struct sim_volume *volume, uint32_t sector, const struct record *record)
{
    return volume->open_from_ns[sector] <= record->return_ns &&
           volume->open_until_ns[sector] >= record->invoke_ns;
}

/* A read, without those of its sectors that are open. */
static void add_read(struct world *world, struct history *history, const struct record *record)
{
    const struct sim_volume *volume = &world->volumes[record->volume];
    uint64_t tags[1 << 11];

    for (uint32_t at = 0; at < record->sectors;) {
        uint32_t count = 0;
        while (at + count < record->sectors &&
               !is_open(volume, record->first + at + count, record)) {
            tags[count] = tag_for_checker(world, volume, record->first + at + count,
                                          record->seen[at + count]);
            count++;
        }
        if (count > 0) {
            struct history_operation operation = operation_of(record, record->first + at, count);
            int error = history_add(history, &operation, tags);
            assert(error == 0);
        }
        at += count > 0 ? count : 1;
    }
}

static void explain(struct world *world, const struct sim_volume *volume, struct history *history,
                    const struct history_violation *violation)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert(out != NULL);
    history_explain(history, violation, out);
    fclose(out);
    sim_fail(world, "%s: %s\n%s", volume->name, history_verdict_name(violation->verdict), text);
    free(text);
}

static void judge_history(struct world *world, uint32_t number)
{
    struct sim_volume *volume = &world->volumes[number];
    struct history *history = new_history(volume);
    struct history_violation violation;

    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (record->volume != number)
            continue;
        if (is_write(record))
            add_write(history, record);
        else if (record->op == COMMAND_READ && answered_well(record))
            add_read(world, history, record);
    }
    enum history_scope scope = volume->kind == LAYOUT_NONE ? HISTORY_BLOCKS : HISTORY_COMMANDS;
    int error = history_check(history, scope, &violation);
    assert(error == 0);
    if (violation.verdict != HISTORY_VALID && violation.verdict != HISTORY_UNDECIDED)
        explain(world, volume, history, &violation);
    history_free(history);
}

/* --- over an end --- */

static bool was_flushed(const struct world *world, const struct record *write)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *flush = &world->records[i];
        if (flush->op == COMMAND_FLUSH && flush->volume == write->volume && answered_well(flush) &&
            flush->invoke_ns > write->return_ns)
            return true;
    }
    return false;
}

static bool is_sure(const struct world *world, const struct record *write, enum sim_end end)
{
    return answered_well(write) &&
           (end != END_POWER || (write->flags & COMMAND_FUA) != 0 || was_flushed(world, write));
}

/* When the last of the writes began that are sure to be there: what had been answered before it
 * cannot be there. 0: none is. */
static uint64_t last_sure_ns(const struct world *world, uint32_t volume, uint32_t sector,
                             enum sim_end end)
{
    uint64_t last_ns = 0;

    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && covers(record, volume, sector) && record->invoke_ns > last_ns &&
            is_sure(world, record, end))
            last_ns = record->invoke_ns;
    }
    return last_ns;
}

/* How many writes a sector may hold, those before this life counted as one. */
static uint32_t choices(const struct world *world, uint32_t volume, uint32_t sector,
                        enum sim_end end)
{
    uint64_t sure_ns = last_sure_ns(world, volume, sector, end);
    uint32_t count = sure_ns == 0;

    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && covers(record, volume, sector) && record->return_ns >= sure_ns)
            count++;
    }
    return count;
}

static void open_where_not_sure(struct world *world, enum sim_end end)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        struct sim_volume *volume = &world->volumes[i];
        for (uint32_t sector = 0; is_redundant(volume) && sector < volume->sectors; sector++) {
            if (choices(world, i, sector, end) > 1)
                open_sector(volume, sector, 0);
        }
    }
}

void judge_life(struct world *world, enum sim_end end)
{
    open_where_writes_failed(world);
    close_where_written_again(world);
    for (uint32_t i = 0; i < world->volumes_count && !world->failed; i++)
        judge_history(world, i);
    if (end == END_POWER)
        open_where_not_sure(world, end);
}

/* The member that a sector of a volume with parity lies on. */
static uint32_t member_of(const struct sim_volume *volume, uint32_t sector)
{
    uint64_t chunk = sector * (uint64_t)IMAGE_SECTOR_BYTES / volume->layout.chunk_bytes;

    return layout_data_member(&volume->layout, chunk / volume->layout.columns,
                              (uint32_t)(chunk % volume->layout.columns));
}

/* What a stale member held is computed from what need not fit. */
static bool is_anything(const struct sim_volume *volume, uint32_t sector)
{
    return has_parity(volume) && judge_is_open(volume, sector) &&
           (volume->failed_before >> member_of(volume, sector) & 1) != 0;
}

static void judge_sector(struct world *world, uint32_t number, uint32_t sector, uint64_t seen,
                         enum sim_end end)
{
    const struct sim_volume *volume = &world->volumes[number];
    uint64_t sure_ns = last_sure_ns(world, number, sector, end);
    uint64_t tag = seen == 0 ? volume->zeroed[sector] : seen;

    if (is_anything(volume, sector) || (sure_ns == 0 && tag == volume->initial[sector]))
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
        if (tag != 0)
            volume->zeroed[sector] = 0;
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
    for (uint32_t i = 0; i < world->volumes_count; i++)
        memset(world->volumes[i].open_from_ns, 0xff, world->volumes[i].sectors * sizeof(uint64_t));
}
