/*
 * A volume's history in one life, handed to the checker of tests/history.
 */
#include "tests/sim/judge_parts.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include "tests/history/history.h"

/* A tag as the checker sees it: that of a write, and which of its sectors it is counted for alone.
 */
enum { PART_BITS = 12 };

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

void judge_history(struct world *world, uint32_t number)
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
