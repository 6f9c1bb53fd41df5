/*
 * Which sectors are open, and what is sure to be there (judge.h).
 */
#include <string.h>

#include "controller/path/virtual.h"
#include "tests/sim/judge_parts.h"

/* --- where members may differ --- */

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
        if (!is_write(record) || answered_well(record) || !is_redundant(volume) ||
            (volume->finished && record->return_ns == RECORD_NEVER))
            continue;
        for (uint32_t j = 0; j < record->sectors; j++)
            open_sector(volume, record->first + j, record->invoke_ns);
    }
}

/* From when on nothing more is done for a write that was not answered well. */
static uint64_t given_up_ns(const struct world *world, const struct record *write)
{
    if (write->return_ns != RECORD_NEVER)
        return write->return_ns;
    for (uint32_t i = 0; i < world->deaths_count; i++) {
        if (world->deaths[i].seat == write->host && world->deaths[i].at_ns >= write->invoke_ns)
            return world->deaths[i].at_ns;
    }
    return 0;
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

/* Whether a controller died while the write was under way, so that it may have been sent anew. */
static bool may_be_done_twice(const struct world *world, const struct record *write)
{
    for (uint32_t i = 0; i < world->deaths_count; i++) {
        if (world->deaths[i].at_ns > write->invoke_ns && world->deaths[i].at_ns < write->return_ns)
            return true;
    }
    return false;
}

static void open_while(struct sim_volume *volume, const struct record *write)
{
    for (uint32_t i = write->first; i < write->first + write->sectors; i++) {
        bool is_open = volume->open_from_ns[i] != UINT64_MAX;
        if (!is_open || write->invoke_ns < volume->open_from_ns[i])
            volume->open_from_ns[i] = write->invoke_ns;
        if (!is_open || write->return_ns > volume->open_until_ns[i])
            volume->open_until_ns[i] = write->return_ns;
    }
}

/* On a plain volume, what its owner did before it died and did not answer is done once more by who
 * takes the element over, which is seen where others were served in between. Nothing is said of
 * what is read there until it is answered. */
static void open_where_done_twice(struct world *world)
{
    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        struct sim_volume *volume = &world->volumes[record->volume];
        if (is_write(record) && world->plan.takeover && volume->kind == LAYOUT_NONE &&
            may_be_done_twice(world, record))
            open_while(volume, record);
    }
}

void judge_open_failed(struct world *world)
{
    open_where_writes_failed(world);
    close_where_written_again(world);
    open_where_done_twice(world);
}

bool judge_is_open(const struct sim_volume *volume, uint32_t sector)
{
    return volume->open_from_ns[sector] != UINT64_MAX &&
           volume->open_until_ns[sector] == UINT64_MAX;
}

void judge_close(struct sim_volume *volume)
{
    memset(volume->open_from_ns, 0xff, volume->sectors * sizeof(uint64_t));
}

/* --- what an end leaves --- */

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

/* Whether what no element has may be gone. With write-back that is so when everything was killed,
 * caches too, and when more members lost their caches than the volume can do without. */
static bool may_forget(const struct world *world, const struct sim_volume *volume, enum sim_end end)
{
    if (end == END_POWER)
        return true;
    if (world->plan.cache_mode != CACHE_WRITE_BACK)
        return false;
    uint32_t lost = volume->lost_members | volume->failed_before;
    return end == END_KILLED ||
           (is_redundant(volume) ? !virtual_bears(&volume->layout, lost) : lost != 0);
}

static bool is_sure(const struct world *world, const struct record *write, enum sim_end end)
{
    return answered_well(write) && (!may_forget(world, &world->volumes[write->volume], end) ||
                                    (write->flags & COMMAND_FUA) != 0 || was_flushed(world, write));
}

uint64_t judge_last_sure_ns(const struct world *world, uint32_t volume, uint32_t sector,
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
    uint64_t sure_ns = judge_last_sure_ns(world, volume, sector, end);
    uint32_t count = sure_ns == 0;

    for (uint32_t i = 0; i < world->records_count; i++) {
        const struct record *record = &world->records[i];
        if (is_write(record) && covers(record, volume, sector) && record->return_ns >= sure_ns)
            count++;
    }
    return count;
}

void judge_open_unsure(struct world *world, enum sim_end end)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        struct sim_volume *volume = &world->volumes[i];
        if (!is_redundant(volume) || !may_forget(world, volume, end))
            continue;
        for (uint32_t sector = 0; sector < volume->sectors; sector++) {
            if (choices(world, i, sector, end) > 1)
                open_sector(volume, sector, 0);
        }
    }
}
