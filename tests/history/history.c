#include "tests/history/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/history/window.h"

enum { FIRST_ROOM = 1024 };

/* --- a window that grows --- */

/* Makes room for `wanted` entries, at least doubling; what is there stays. */
static int make_room(void *array, uint32_t *room, uint64_t wanted, size_t entry_bytes)
{
    void **memory = array;
    uint64_t larger = *room == 0 ? FIRST_ROOM : *room;

    while (larger < wanted)
        larger *= 2;
    if (larger == *room)
        return 0;
    void *moved = realloc(*memory, larger * entry_bytes);
    if (moved == NULL)
        return -ENOMEM;
    *memory = moved;
    *room = (uint32_t)larger;
    return 0;
}

static void put_state_before(struct history *history)
{
    history->operations[0] = (struct operation){
        .is = {.kind = HISTORY_WRITE, .blocks = history->blocks}, .cluster = NO_CLUSTER};
    history->count = 1;
    history->seen_count = 0;
}

struct history *history_new(uint32_t blocks, const uint64_t *initial)
{
    if (blocks == 0 || blocks > HISTORY_BLOCKS_MAX)
        return NULL;
    struct history *history = calloc(1, sizeof *history);
    if (history == NULL)
        return NULL;
    history->blocks = blocks;
    history->initial = malloc(blocks * sizeof *initial);
    history->block_first = malloc((blocks + 1) * sizeof *history->block_first);
    if (history->initial == NULL || history->block_first == NULL ||
        make_room(&history->operations, &history->operations_room, 1,
                  sizeof *history->operations) != 0) {
        history_free(history);
        return NULL;
    }
    memcpy(history->initial, initial, blocks * sizeof *initial);
    put_state_before(history);
    return history;
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    free(history->tags);
    free(history->by_block);
    free(history->block_first);
    free(history->members);
    free(history->clusters);
    free(history->sources);
    free(history->spent);
    free(history->seen);
    free(history->operations);
    free(history->initial);
    free(history);
}

static bool is_sound(const struct history *history, const struct history_operation *operation,
                     const uint64_t *tags)
{
    return operation->blocks > 0 && operation->first_block < history->blocks &&
           operation->blocks <= history->blocks - operation->first_block &&
           operation->invoke_ns > 0 && operation->return_ns >= operation->invoke_ns &&
           (operation->kind == HISTORY_READ || (*tags != HISTORY_TORN && *tags != HISTORY_ASTRAY));
}

int history_add(struct history *history, const struct history_operation *operation,
                const uint64_t *tags)
{
    bool is_read = operation->kind == HISTORY_READ;
    uint32_t seen = is_read ? operation->blocks : 0;

    if (!is_sound(history, operation, tags))
        return -EINVAL;
    if (is_read && operation->return_ns == HISTORY_LOST)
        return 0;
    if (history->count > HISTORY_OPERATIONS_MAX)
        return -ENOSPC;
    if (make_room(&history->operations, &history->operations_room, history->count + 1u,
                  sizeof *history->operations) != 0 ||
        make_room(&history->seen, &history->seen_room, (uint64_t)history->seen_count + seen,
                  sizeof *history->seen) != 0)
        return -ENOMEM;
    history->operations[history->count++] = (struct operation){.is = *operation,
                                                               .tag = is_read ? 0 : *tags,
                                                               .seen = history->seen_count,
                                                               .cluster = NO_CLUSTER};
    memcpy(history->seen + history->seen_count, tags, seen * sizeof *tags);
    history->seen_count += seen;
    return 0;
}

uint32_t history_count(const struct history *history)
{
    return history->count - 1;
}

/* --- the check --- */

void violation_step(struct history_violation *violation, uint32_t operation,
                    enum history_reason reason, uint32_t block)
{
    if (violation->count < HISTORY_CYCLE_MAX)
        violation->steps[violation->count++] =
            (struct history_step){.operation = operation, .reason = reason, .block = block};
}

int history_check(struct history *history, enum history_scope scope,
                  struct history_violation *ret_violation)
{
    struct history_violation found = {.verdict = HISTORY_VALID};
    int error = window_prepare(history, &found);

    history->scope = scope;
    if (error == 0 && found.verdict == HISTORY_VALID)
        error = zones_check(history, &found);
    if (error == 0 && found.verdict == HISTORY_VALID && scope == HISTORY_COMMANDS)
        error = order_check(history, &found);
    if (error == 0)
        *ret_violation = found;
    return error;
}

/* --- from window to window --- */

bool is_spent(const struct history *history, uint64_t tag, uint32_t block)
{
    for (uint32_t i = 0; i < history->spent_count; i++) {
        if (history->spent[i].tag == tag && history->spent[i].block == block)
            return true;
    }
    return false;
}

static int spend(struct history *history, uint64_t tag, uint32_t block)
{
    int error = make_room(&history->spent, &history->spent_room, history->spent_count + 1u,
                          sizeof *history->spent);

    if (error == 0)
        history->spent[history->spent_count++] = (struct spent){.tag = tag, .block = block};
    return error;
}

/*
 * What a lost write of which something was seen may still do. Whole commands: nothing. Where each
 * block is for itself, it may still take effect in those where it was not seen: how many these are,
 * the others being noted as spent. -ENOMEM.
 */
static int blocks_left(struct history *history, const struct operation *write)
{
    int left = 0, error = 0;

    if (history->scope == HISTORY_COMMANDS)
        return 0;
    for (uint32_t i = 0; i < write->is.blocks && error == 0; i++) {
        uint32_t block = write->is.first_block + i;
        bool was_spent = is_spent(history, write->tag, block);
        bool is_seen = history->clusters[write->cluster + i].reads > 0;
        if (is_seen && !was_spent)
            error = spend(history, write->tag, block);
        left += !is_seen && !was_spent;
    }
    return error != 0 ? error : left;
}

int history_next_window(struct history *history, const uint64_t *tags)
{
    uint32_t kept = 1;

    for (uint32_t i = 1; i < history->count; i++) {
        const struct operation *operation = &history->operations[i];
        if (operation->is.kind == HISTORY_READ || operation->is.return_ns != HISTORY_LOST)
            continue;
        int left = operation->was_seen ? blocks_left(history, operation) : 1;
        if (left < 0)
            return left;
        if (left > 0)
            history->operations[kept++] = *operation;
    }
    memcpy(history->initial, tags, history->blocks * sizeof *tags);
    put_state_before(history);
    history->count = kept;
    return 0;
}
