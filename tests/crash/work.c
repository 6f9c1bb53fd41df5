#include "tests/crash/work.h"

#include <sched.h>
#include <string.h>
#include <time.h>

enum { REGION_SHIFT = REGION_SHIFT_MIN, GUARD_BYTES = 4096, VOLUME = 3, STALL_SECONDS = 4 };

static void notify(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    struct yard *yard = context;

    (void)generation;
    uint32_t which = cookie == RESERVE_COOKIE_FULL ? (uint32_t)WORK_FULL : cookie;
    if (seat < WORK_SEATS && which <= WORK_FULL)
        store_seq_cst(&yard->told[seat][which], 1); /* pairs with is_told */
}

/* Whether somebody told, once. */
static bool is_told(struct worker *worker, uint32_t which)
{
    /* pairs with notify */
    return exchange_seq_cst(&worker->yard->told[worker->coordination.seat][which], 0) != 0;
}

void worker_init(struct worker *worker, struct yard *yard, const struct segment *segment,
                 uint32_t seat, uint32_t seed)
{
    memset(worker, 0, sizeof *worker);
    worker->yard = yard;
    worker->seed = seed * 7919 + seat * 104729 + 1;
    coordination_init(&worker->coordination, segment, seat, 1, notify, yard,
                      &segment_seat(segment, seat)->coordination);
}

static uint32_t random_below(struct worker *worker, uint32_t limit)
{
    worker->seed = worker->seed * 1664525u + 1013904223u;
    return (worker->seed >> 16) % limit;
}

/* --- guards --- */

static bool is_dead(const struct worker *worker, uint64_t guard)
{
    return guard != 0 && (load_seq_cst(&worker->yard->deaths) >> (guard - 1) & 1);
}

static bool guards_enter(struct worker *worker, const struct work_command *command)
{
    for (uint32_t i = 0; i < command->guards; i++) {
        uint64_t *guard = &worker->yard->guards[command->first_guard + i];
        if (*guard != 0 && !is_dead(worker, *guard))
            return false;
        if (command->reservation.exclusive)
            *guard = worker->coordination.seat + 1u;
    }
    return true;
}

static bool guards_leave(struct worker *worker, const struct work_command *command)
{
    uint64_t mine = worker->coordination.seat + 1u;

    for (uint32_t i = 0; i < command->guards; i++) {
        uint64_t *guard = &worker->yard->guards[command->first_guard + i];
        if (command->reservation.exclusive ? *guard != mine
                                           : *guard != 0 && !is_dead(worker, *guard))
            return false;
        if (command->reservation.exclusive)
            *guard = 0;
    }
    return true;
}

/* --- commands --- */

/* Three in four lie in the area, short or long; the others in regions that share a set, of which
 * there are more than structures. */
static void choose(struct worker *worker, struct work_command *command, uint32_t cookie)
{
    const uint64_t sets = worker->coordination.table.regions / REGION_WAYS;
    uint64_t offset_bytes;

    if (random_below(worker, 4) > 0) {
        command->first_guard = random_below(worker, WORK_AREA);
        uint32_t most = WORK_AREA - command->first_guard;
        uint32_t wanted = 1 + random_below(worker, random_below(worker, 8) == 0 ? 150 : 6);
        command->guards = wanted < most ? wanted : most;
        offset_bytes = (uint64_t)command->first_guard * GUARD_BYTES;
    } else {
        uint32_t far = random_below(worker, WORK_FAR);
        command->first_guard = WORK_AREA + far;
        command->guards = 1;
        offset_bytes = ((far + 1) * sets) << REGION_SHIFT;
    }
    command->reservation =
        (struct reservation){.volume = VOLUME,
                             .offset_bytes = offset_bytes,
                             .length_bytes = (uint64_t)command->guards * GUARD_BYTES,
                             .exclusive = random_below(worker, 2),
                             .cookie = cookie};
}

static enum work_end verdict(struct worker *worker, struct work_command *command,
                             enum reserve_verdict verdict)
{
    command->state = verdict == RESERVE_GRANTED ? WORK_GRANTED
                     : verdict == RESERVE_HELD  ? WORK_HELD
                                                : WORK_TOLD_FULL;
    if (verdict != RESERVE_GRANTED)
        return WORK_WELL;
    command->turns = random_below(worker, 3);
    return guards_enter(worker, command) ? WORK_WELL : WORK_TWICE;
}

static enum work_end end_command(struct worker *worker, struct work_command *command)
{
    if (!guards_leave(worker, command))
        return WORK_TWICE;
    reserve_release(&worker->coordination, &command->reservation);
    command->state = WORK_IDLE;
    add_relaxed(&worker->yard->progress, 1); /* relaxed: a sign of life */
    return WORK_WELL;
}

/* One look at one command; *ret_moved tells whether anything came of it. */
static enum work_end step(struct worker *worker, uint32_t index, bool may_begin, bool full_told,
                          bool *ret_moved)
{
    struct work_command *command = &worker->commands[index];
    struct coordination *c = &worker->coordination;

    *ret_moved = false;
    if (command->state == WORK_IDLE) {
        if (!may_begin)
            return WORK_WELL;
        *ret_moved = true;
        choose(worker, command, index);
        is_told(worker, index); /* whatever was meant for the command before */
        return verdict(worker, command, reserve_start(c, &command->reservation, 0));
    }
    if (command->state == WORK_GRANTED) {
        *ret_moved = true;
        return command->turns-- == 0 ? end_command(worker, command) : WORK_WELL;
    }
    if (command->state == WORK_HELD ? !is_told(worker, index) : !full_told)
        return WORK_WELL;
    *ret_moved = true;
    if (random_below(worker, 16) == 0) { /* a host that left meanwhile */
        reserve_cancel(c, &command->reservation);
        command->state = WORK_IDLE;
        return WORK_WELL;
    }
    return verdict(worker, command, reserve_continue(c, &command->reservation, 0));
}

static void see_to_the_dead(struct worker *worker)
{
    uint32_t deaths = load_seq_cst(&worker->yard->deaths);

    if (deaths == worker->recovered)
        return;
    /* All of them again: one of the new ones may have been at it for the others. */
    for (uint32_t seat = 0; seat < WORK_SEATS; seat++)
        if (deaths >> seat & 1)
            reserve_recover(&worker->coordination, seat, 1);
    worker->recovered = deaths;
}

static uint32_t under_way(const struct worker *worker)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < WORK_COMMANDS; i++)
        count += worker->commands[i].state != WORK_IDLE;
    return count;
}

static uint64_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

enum work_end worker_run(struct worker *worker, uint32_t operations)
{
    uint64_t progress = 0, since = seconds();
    uint32_t begun = 0;

    while (begun < operations || under_way(worker) > 0) {
        bool moved = false, one_moved, full_told = is_told(worker, WORK_FULL);
        see_to_the_dead(worker);
        for (uint32_t i = 0; i < WORK_COMMANDS; i++) {
            bool was_idle = worker->commands[i].state == WORK_IDLE;
            enum work_end end = step(worker, i, begun < operations, full_told, &one_moved);
            if (end != WORK_WELL)
                return end;
            begun += was_idle && one_moved;
            moved |= one_moved;
        }
        if (moved)
            continue;
        sched_yield();
        uint64_t now = load_relaxed(&worker->yard->progress); /* relaxed: a sign of life */
        if (now != progress) {
            progress = now;
            since = seconds();
        } else if (seconds() > since + STALL_SECONDS) {
            return WORK_FORGOTTEN;
        }
    }
    return WORK_WELL;
}
