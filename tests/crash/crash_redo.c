/*
 * A source that is killed at each CRASH_POINT of a write to several members in turn, and a survivor
 * that is killed at each one of redoing it. Afterwards, while the array runs on: nothing is
 * reserved, the members agree, and the volume holds all of the write or nothing of it: also what
 * only parity knows, because the member that had it has failed.
 *
 * Quick, it takes every so many points; ANYPORT_TEST_LONG=1 takes all.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/layout/parity.h"
#include "tests/crash/processes.h"

static const struct {
    const char *name;
    struct wanted wanted;
    uint32_t stride, redoer_stride; /* quick */
} scenarios[] = {
    {"mirror", {LAYOUT_MIRROR, 0, COMMAND_WRITE, 0, 8192, 20480}, 9, 17},
    {"mirror, durable zeroes", {LAYOUT_MIRROR, 0, COMMAND_ZERO, COMMAND_FUA, 4096, 65536}, 18, 41},
    {"raid10", {LAYOUT_RAID10, 0, COMMAND_WRITE, 0, 30000, 40000}, 18, 61},
    {"stripe", {LAYOUT_STRIPE, 0, COMMAND_WRITE, 0, 512, 100000}, 18, 61},
    {"raid5, part of a row", {LAYOUT_RAID5, 0, COMMAND_WRITE, 0, 4096, 8192}, 12, 17},
    {"raid5, several slices", {LAYOUT_RAID5, 0, COMMAND_WRITE, 0, 20000, 150000}, 37, 83},
    {"raid5, trimmed", {LAYOUT_RAID5, 0, COMMAND_TRIM, 0, 0, 3 * CHUNK}, 17, 61},
    {"raid5, degraded", {LAYOUT_RAID5, 1 << 1, COMMAND_WRITE, 0, 4096, 8192}, 12, 17},
    {"raid5, degraded, several", {LAYOUT_RAID5, 1 << 1, COMMAND_WRITE, 0, 20000, 150000}, 37, 83},
    {"raid6", {LAYOUT_RAID6, 0, COMMAND_WRITE, 0, 30000, 50000}, 37, 61},
    {"raid6, two failed", {LAYOUT_RAID6, 3 << 1, COMMAND_WRITE, 0, 30000, 50000}, 37, 61},
};

static const char *scenario_name;

/* --- what must be so afterwards --- */

static void look_at(const struct processes *processes, uint32_t member, uint64_t at_bytes,
                    uint8_t *ret_bytes, uint64_t bytes)
{
    assert(pread(processes->images[member], ret_bytes, bytes, (off_t)at_bytes) == (ssize_t)bytes);
}

static void demand(const struct processes *processes, bool so, const char *what, uint64_t where)
{
    if (so)
        return;
    fprintf(stderr, "%s: %s, at %llu; killed at %s, and %s\n", scenario_name, what,
            (unsigned long long)where, processes->stage->killed_at[SOURCE],
            processes->stage->killed_at[REDOER]);
    abort();
}

static bool is_stale(const struct processes *processes, uint32_t member)
{
    return (processes->wanted->failed >> member & 1) != 0;
}

static void copies_are_equal(const struct processes *processes)
{
    static uint8_t one[MEMBER_BYTES], other[MEMBER_BYTES];
    const struct layout *layout = &processes->layout;

    for (uint32_t member = 0; member < MEMBERS; member++) {
        uint32_t first = member - member % layout->copies;
        look_at(processes, first, 0, one, MEMBER_BYTES);
        look_at(processes, member, 0, other, MEMBER_BYTES);
        demand(processes, memcmp(one, other, MEMBER_BYTES) == 0, "copies differ", member);
    }
}

/* Where a data member is stale, the volume's content says it (content_is_whole). */
static void parity_fits(const struct processes *processes)
{
    static uint8_t data[MEMBERS][CHUNK], p[CHUNK], q[CHUNK], found[CHUNK];
    const struct layout *layout = &processes->layout;

    for (uint64_t row = 0; row < MEMBER_BYTES / CHUNK && processes->wanted->failed == 0; row++) {
        const uint8_t *columns[MEMBERS];
        for (uint32_t i = 0; i < layout->columns; i++) {
            look_at(processes, layout_data_member(layout, row, i), row * CHUNK, data[i], CHUNK);
            columns[i] = data[i];
        }
        parity_generate(columns, layout->columns, CHUNK, p, layout->parities > 1 ? q : NULL);
        look_at(processes, layout_p_member(layout, row), row * CHUNK, found, CHUNK);
        demand(processes, memcmp(p, found, CHUNK) == 0, "P is wrong", row);
        if (layout->parities < 2)
            continue;
        look_at(processes, layout_q_member(layout, row), row * CHUNK, found, CHUNK);
        demand(processes, memcmp(q, found, CHUNK) == 0, "Q is wrong", row);
    }
}

/* Returns whether the write has happened. */
static bool content_is_whole(const struct processes *processes)
{
    const struct wanted *wanted = processes->wanted;
    const uint8_t *content = processes->stage->content;
    uint8_t fresh = wanted->op == COMMAND_WRITE ? FILL_WRITTEN : 0;
    uint64_t end_bytes = wanted->offset_bytes + wanted->length_bytes;
    bool happened = content[wanted->offset_bytes] == fresh;

    for (uint64_t i = 0; i < processes->layout.size_bytes; i++) {
        bool inside = i >= wanted->offset_bytes && i < end_bytes;
        uint8_t expected = inside && happened ? fresh : FILL_BEFORE;
        demand(processes, content[i] == expected, "the write is half done", i);
    }
    return happened;
}

static void nobody_else_failed(const struct processes *processes)
{
    struct volume_record *record = segment_volume(&processes->segment, MEMBERS);

    demand(processes, member_states_now(record).failed == processes->wanted->failed,
           "a member has failed", 0);
}

static bool judge(struct processes *processes)
{
    processes_read(processes);
    bool happened = content_is_whole(processes);

    nobody_else_failed(processes);
    if (processes->layout.parities > 0)
        parity_fits(processes);
    else if (processes->layout.copies > 1)
        copies_are_equal(processes);
    for (uint32_t member = 0; member < MEMBERS; member++)
        assert(is_stale(processes, member) == ((processes->wanted->failed >> member & 1) != 0));
    return happened;
}

/* --- trials --- */

struct tally {
    uint32_t source_killed, redoer_killed;
    uint32_t happened, not ; /* of those in which the source was killed */
};

/* Returns false when the source passed no crash point of this number. */
static bool kill_source(const struct wanted *wanted, uint32_t at, struct tally *tally)
{
    struct processes processes;

    processes_start(&processes, wanted, at, 0);
    bool killed = processes_write(&processes);
    if (killed) {
        (void)processes_recover(&processes);
        bool happened = judge(&processes);
        tally->source_killed++;
        tally->happened += happened;
        tally->not += !happened;
    }
    processes_end(&processes);
    return killed;
}

/* Returns false when the redoer passed no crash point of this number. */
static bool kill_redoer(const struct wanted *wanted, uint32_t source_at, uint32_t at,
                        struct tally *tally)
{
    struct processes processes;

    processes_start(&processes, wanted, source_at, at);
    assert(processes_write(&processes));
    bool killed = processes_recover(&processes);
    (void)judge(&processes);
    tally->redoer_killed += killed;
    bool more = killed || atomic_load(&processes.stage->passed[REDOER]) == 0;
    processes_end(&processes);
    return more;
}

static void try(uint32_t number, bool all)
{
    const struct wanted *wanted = &scenarios[number].wanted;
    uint32_t stride = all ? 1 : scenarios[number].stride;
    uint32_t redoer_stride = all ? 3 : scenarios[number].redoer_stride;
    struct tally tally = {0};
    uint32_t points = 0;

    scenario_name = scenarios[number].name;
    for (uint32_t at = 1; kill_source(wanted, at, &tally); at += stride)
        points = at;
    /* One that begins half-way through the source's write, and one at its end. */
    for (uint32_t at = 1; at < 1000 && kill_redoer(wanted, points / 2 + 1, at, &tally);)
        at += redoer_stride;
    for (uint32_t at = 1; at < 1000 && kill_redoer(wanted, points, at, &tally);)
        at += redoer_stride;
    printf("%s: source killed %u times in %u points, %u writes happened and %u did not; who redid, "
           "%u times\n",
           scenario_name, tally.source_killed, points, tally.happened, tally.not,
           tally.redoer_killed);
    assert(tally.happened > 0 && tally.not > 0 && tally.redoer_killed > 0);
}

int main(void)
{
    bool all = getenv("ANYPORT_TEST_LONG") != NULL;

    for (uint32_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        try(i, all);
    return 0;
}
