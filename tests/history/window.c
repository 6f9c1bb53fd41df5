/*
 * Sorting a window's tags out: which write each read read from, and what belongs together.
 */
#include "tests/history/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE UINT32_MAX

struct tag_slot {
    uint64_t tag;
    uint32_t operation; /* 0: empty; the state before the window is not looked up here */
};

/* --- tags --- */

static uint32_t tag_place(const struct history *history, uint64_t tag)
{
    return (uint32_t)((tag * 0x9e3779b97f4a7c15ull) >> 32) & history->tags_mask;
}

static struct tag_slot *tag_slot(const struct history *history, uint64_t tag)
{
    uint32_t place = tag_place(history, tag);

    while (history->tags[place].operation != 0 && history->tags[place].tag != tag)
        place = (place + 1) & history->tags_mask;
    return &history->tags[place];
}

static int index_tags(struct history *history)
{
    uint32_t slots = 16;

    while (slots < 2 * history->count)
        slots *= 2;
    free(history->tags);
    history->tags = calloc(slots, sizeof *history->tags);
    if (history->tags == NULL)
        return -ENOMEM;
    history->tags_mask = slots - 1;
    for (uint32_t i = 1; i < history->count; i++) {
        if (history->operations[i].is.kind != HISTORY_WRITE)
            continue;
        struct tag_slot *slot = tag_slot(history, history->operations[i].tag);
        if (slot->operation != 0)
            return -EEXIST;
        *slot = (struct tag_slot){.tag = history->operations[i].tag, .operation = i};
    }
    return 0;
}

/* The operation that wrote this tag to this block, or NOWHERE. */
static uint32_t writer_of(const struct history *history, uint64_t tag, uint32_t block)
{
    if (tag == history->initial[block])
        return 0;
    uint32_t found = tag_slot(history, tag)->operation;
    if (found == 0)
        return NOWHERE;
    const struct history_operation *write = &history->operations[found].is;
    bool covers = block >= write->first_block && block - write->first_block < write->blocks;
    bool spent = write->return_ns == HISTORY_LOST && is_spent(history, tag, block);
    return covers && !spent ? found : NOWHERE;
}

/* --- reads --- */

static enum history_verdict verdict_of_tag(const struct history *history, uint64_t tag,
                                           const struct operation *read, uint32_t writer)
{
    if (tag == HISTORY_TORN)
        return HISTORY_TORN_BLOCK;
    if (tag == HISTORY_ASTRAY)
        return HISTORY_ASTRAY_BLOCK;
    if (writer == NOWHERE)
        return HISTORY_NEVER_WRITTEN;
    if (read->is.return_ns < history->operations[writer].is.invoke_ns)
        return HISTORY_FROM_FUTURE;
    return HISTORY_VALID;
}

/* Finds the sources of one read; the verdict that it gives by itself. */
static void resolve_read(struct history *history, uint32_t index,
                         struct history_violation *violation)
{
    const struct operation *read = &history->operations[index];

    for (uint32_t i = 0; i < read->is.blocks && violation->verdict == HISTORY_VALID; i++) {
        uint32_t block = read->is.first_block + i;
        uint64_t tag = history->seen[read->seen + i];
        uint32_t writer = writer_of(history, tag, block);
        violation->verdict = verdict_of_tag(history, tag, read, writer);
        if (violation->verdict != HISTORY_VALID) {
            violation->block = block;
            violation_step(violation, index, HISTORY_BY_TIME, block);
            if (writer != NOWHERE)
                violation_step(violation, writer, HISTORY_BY_TAG, block);
            return;
        }
        history->sources[read->seen + i] = writer;
        history->operations[writer].was_seen = true;
    }
}

static void resolve_reads(struct history *history, struct history_violation *violation)
{
    for (uint32_t i = 0; i < history->count; i++)
        history->operations[i].was_seen = false;
    for (uint32_t i = 1; i < history->count && violation->verdict == HISTORY_VALID; i++) {
        if (history->operations[i].is.kind == HISTORY_READ)
            resolve_read(history, i, violation);
    }
}

/* --- clusters --- */

static bool counts(const struct operation *operation)
{
    return operation->is.kind == HISTORY_WRITE &&
           (operation->is.return_ns != HISTORY_LOST || operation->was_seen);
}

static uint32_t number_clusters(struct history *history)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < history->count; i++) {
        struct operation *operation = &history->operations[i];
        operation->cluster = NO_CLUSTER;
        if (counts(operation)) {
            operation->cluster = count;
            count += operation->is.blocks;
        }
    }
    return count;
}

static struct cluster *cluster_read(const struct history *history, const struct operation *read,
                                    uint32_t i)
{
    const struct operation *write = &history->operations[history->sources[read->seen + i]];

    return &history->clusters[write->cluster + read->is.first_block + i - write->is.first_block];
}

static void begin_clusters(struct history *history)
{
    for (uint32_t i = 0; i < history->count; i++) {
        const struct operation *write = &history->operations[i];
        for (uint32_t j = 0; write->cluster != NO_CLUSTER && j < write->is.blocks; j++)
            history->clusters[write->cluster + j] =
                (struct cluster){.write = i,
                                 .block = write->is.first_block + j,
                                 .first_returned = i,
                                 .last_invoked = i};
    }
}

static void join_cluster(const struct history *history, struct cluster *cluster, uint32_t index)
{
    const struct history_operation *read = &history->operations[index].is;

    if (read->return_ns < returned_first_ns(history, cluster))
        cluster->first_returned = index;
    if (read->invoke_ns > invoked_last_ns(history, cluster))
        cluster->last_invoked = index;
    cluster->reads++;
}

/* Two passes over all reads: how many each cluster has, then who. */
static void fill_clusters(struct history *history)
{
    for (uint32_t i = 1; i < history->count; i++) {
        const struct operation *read = &history->operations[i];
        for (uint32_t j = 0; read->is.kind == HISTORY_READ && j < read->is.blocks; j++)
            join_cluster(history, cluster_read(history, read, j), i);
    }
    uint32_t room = 0;
    for (uint32_t i = 0; i < history->clusters_count; i++) {
        history->clusters[i].first_read = room;
        room += history->clusters[i].reads;
        history->clusters[i].reads = 0;
    }
    for (uint32_t i = 1; i < history->count; i++) {
        const struct operation *read = &history->operations[i];
        for (uint32_t j = 0; read->is.kind == HISTORY_READ && j < read->is.blocks; j++) {
            struct cluster *cluster = cluster_read(history, read, j);
            history->members[cluster->first_read + cluster->reads++] = i;
        }
    }
}

/* A counting sort of the clusters by block. */
static void list_by_block(struct history *history)
{
    uint32_t *first = history->block_first;

    memset(first, 0, (history->blocks + 1) * sizeof *first);
    for (uint32_t i = 0; i < history->clusters_count; i++)
        first[history->clusters[i].block + 1]++;
    for (uint32_t block = 0; block < history->blocks; block++)
        first[block + 1] += first[block];
    for (uint32_t i = history->clusters_count; i-- > 0;)
        history->by_block[--first[history->clusters[i].block + 1]] = i;
    /* each entry has moved down to where its block begins: shift them back into place */
    memmove(first, first + 1, history->blocks * sizeof *first);
    first[history->blocks] = history->clusters_count;
}

static int make_clusters(struct history *history)
{
    history->clusters_count = number_clusters(history);
    free(history->clusters);
    free(history->members);
    free(history->by_block);
    history->clusters = malloc(history->clusters_count * sizeof *history->clusters);
    history->members = malloc((history->seen_count + 1) * sizeof *history->members);
    history->by_block = malloc(history->clusters_count * sizeof *history->by_block);
    if (history->clusters == NULL || history->members == NULL || history->by_block == NULL)
        return -ENOMEM;
    begin_clusters(history);
    fill_clusters(history);
    list_by_block(history);
    return 0;
}

int window_prepare(struct history *history, struct history_violation *ret_violation)
{
    int error = index_tags(history);

    if (error != 0)
        return error;
    free(history->sources);
    history->sources = malloc((history->seen_count + 1) * sizeof *history->sources);
    if (history->sources == NULL)
        return -ENOMEM;
    resolve_reads(history, ret_violation);
    return ret_violation->verdict == HISTORY_VALID ? make_clusters(history) : 0;
}
