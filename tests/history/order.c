/*
 * Whole commands: can they be put into one line?
 *
 * The graph (line.h) has a node for each operation, one for each moment at which an operation
 * returned, and one for the end of each cluster that has reads. Its edges:
 *
 *   operation -> its moment -> the next moment -> operations invoked after it      real time
 *   write -> each read of its tag -> the end of that cluster                       tags
 *   end of cluster A -> write of cluster B, of one block                           blocks
 *
 * The last are what is to be found out. If the write of A must stand before the end of B, then
 * something of A must stand before something of B, and since a block holds one tag at a time, all
 * of A stands before all of B. This is applied until nothing is added. If a cycle comes up, there
 * is no line. If every two clusters of every block have an order, then any order of the nodes that
 * obeys the edges is a line. In between, orders are assumed, and what they lead to is followed.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "tests/history/line.h"

/* --- what must be --- */

static const struct cluster *cluster_of(const struct line *line, const struct ranked *ranked)
{
    return &line->history->clusters[ranked->cluster];
}

/* Must all of A stand before all of B? */
static bool must_precede(const struct line *line, const struct ranked *a, const struct ranked *b)
{
    return graph_is_before(&line->graph, cluster_of(line, a)->write, line->ends[b->cluster]);
}

/* Does the graph say so already, of each operation of A? */
static bool is_said(const struct line *line, const struct ranked *a, const struct ranked *b)
{
    const struct cluster *earlier = cluster_of(line, a);
    uint32_t write = cluster_of(line, b)->write;
    bool said = graph_is_before(&line->graph, earlier->write, write);

    for (uint32_t i = 0; i < earlier->reads && said; i++)
        said =
            graph_is_before(&line->graph, line->history->members[earlier->first_read + i], write);
    return said;
}

static int add_precedence(struct line *line, const struct ranked *a, const struct ranked *b)
{
    return graph_add(&line->graph, (struct edge){.from = line->ends[a->cluster],
                                                 .to = cluster_of(line, b)->write,
                                                 .reason = HISTORY_BY_BLOCK,
                                                 .block = cluster_of(line, a)->block});
}

static int say(struct line *line, const struct ranked *a, const struct ranked *b)
{
    return is_said(line, a, b) ? 0 : add_precedence(line, a, b);
}

static bool is_covered(const struct line *line, const struct ranked *a, uint32_t kept)
{
    for (uint32_t i = 0; i < kept; i++) {
        if (must_precede(line, a, &line->ranked[line->kept[i]]))
            return true;
    }
    return false;
}

/*
 * Adds what must stand before the cluster `at` of the list. Whatever must stand before one that
 * does so itself needs no edge of its own, and behind the first settled one nothing can be new: so
 * few are looked at.
 */
static int settle(struct line *line, uint32_t at)
{
    struct ranked *list = line->ranked, *this = &list[at];
    uint32_t kept = 0;
    int error = 0;

    this->settled = true;
    for (uint32_t i = at; i-- > 0 && error == 0;) {
        if (!must_precede(line, &list[i], this)) {
            this->settled = false;
            if (must_precede(line, this, &list[i]))
                error = say(line, this, &list[i]);
            continue;
        }
        if (!is_covered(line, &list[i], kept)) {
            line->kept[kept++] = i;
            error = say(line, &list[i], this);
        }
        if (list[i].settled)
            break;
    }
    return error;
}

static int by_position(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    return (a->position > b->position) - (a->position < b->position);
}

/* The clusters of a block, by their writes' places in the graph's order, to ranked[]. How many. */
static uint32_t rank_block(struct line *line, uint32_t block)
{
    const struct history *history = line->history;
    uint32_t count = 0;

    for (uint32_t i = history->block_first[block]; i < history->block_first[block + 1]; i++) {
        uint32_t cluster = history->by_block[i];
        uint32_t write = history->clusters[cluster].write;
        line->ranked[count++] =
            (struct ranked){.position = line->graph.position[write], .cluster = cluster};
    }
    qsort(line->ranked, count, sizeof *line->ranked, by_position);
    return count;
}

/* One round over all blocks of a closed graph. Sets *ret_all_settled. */
static int settle_blocks(struct line *line, bool *ret_all_settled)
{
    int error = 0;

    *ret_all_settled = true;
    for (uint32_t block = 0; block < line->history->blocks && error == 0; block++) {
        uint32_t count = rank_block(line, block);
        for (uint32_t i = 0; i < count && error == 0; i++) {
            error = settle(line, i);
            *ret_all_settled = *ret_all_settled && line->ranked[i].settled;
        }
    }
    return error;
}

/* Rounds until nothing is added. 0, -ELOOP: there is no line; -ENOMEM. */
static int follow(struct line *line, bool *ret_all_settled)
{
    uint32_t before;
    int error;

    do {
        before = line->graph.edges_count;
        error = graph_sort(&line->graph);
        if (error != 0)
            return error;
        graph_close(&line->graph);
        error = settle_blocks(line, ret_all_settled);
    } while (error == 0 && line->graph.edges_count > before);
    return error;
}

/* --- what may be --- */

/* Assumes, in every block, that the writes stand as in the graph's order. 0: this is a line;
 * -ELOOP: it is none. The edges stay. */
static int assume_all(struct line *line)
{
    int error = 0;

    for (uint32_t block = 0; block < line->history->blocks && error == 0; block++) {
        uint32_t count = rank_block(line, block);
        for (uint32_t i = 0; i + 1 < count && error == 0; i++)
            error = add_precedence(line, &line->ranked[i], &line->ranked[i + 1]);
    }
    return error != 0 ? error : graph_sort(&line->graph);
}

static uint32_t cluster_at(const struct history *history, uint32_t write, uint32_t block)
{
    const struct operation *operation = &history->operations[write];

    return operation->cluster + block - operation->is.first_block;
}

/* The cluster that an edge between two clusters begins at. */
static uint32_t cluster_ending(const struct line *line, const struct edge *edge)
{
    const struct history *history = line->history;

    if (edge->from < history->count)
        return cluster_at(history, edge->from, edge->block);
    for (uint32_t i = history->block_first[edge->block];; i++) {
        if (line->ends[history->by_block[i]] == edge->from)
            return history->by_block[i];
    }
}

/* After assume_all failed: one of the orders assumed since `certain` edges that the cycle goes
 * through. -ENOENT: it goes through none. */
static int pick_assumed(struct line *line, uint32_t certain, struct ranked *ret_a,
                        struct ranked *ret_b)
{
    int count = graph_cycle(&line->graph, line->graph.on_cycle, line->cycle);

    for (int i = 0; i < count; i++) {
        const struct edge *edge = &line->graph.edges[line->cycle[i]];
        if (line->cycle[i] >= certain) {
            ret_a->cluster = cluster_ending(line, edge);
            ret_b->cluster = cluster_at(line->history, edge->to, edge->block);
            return 0;
        }
    }
    return count < 0 ? count : -ENOENT;
}

/*
 * Looks for a line that obeys the edges. 0: there is one; -ELOOP: there is none; -EAGAIN: not found
 * in the tries allowed. Assumptions that fail leave their opposites as certain.
 */
static int find_line(struct line *line)
{
    for (;;) {
        bool all_settled;
        struct ranked a = {0}, b = {0};
        int result = follow(line, &all_settled);
        if (result != 0 || all_settled)
            return result;
        uint32_t certain = line->graph.edges_count;
        result = assume_all(line);
        if (result != -ELOOP)
            return result;
        result = pick_assumed(line, certain, &a, &b);
        assert(result != -ENOENT); /* without what was assumed there was no cycle */
        graph_cut(&line->graph, certain);
        if (result == 0 && line->tries++ >= HISTORY_LINE_TRIES_MAX)
            result = -EAGAIN;
        if (result == 0)
            result = add_precedence(line, &a, &b);
        if (result == 0)
            result = find_line(line);
        if (result != -ELOOP)
            return result;
        graph_cut(&line->graph, certain);
        result = add_precedence(line, &b, &a);
        if (result != 0)
            return result;
    }
}

/* --- the verdict --- */

/* The cycle's operations: between two of them, the last edge says why. */
static void name_cycle(const struct line *line, const uint32_t *cycle, int count,
                       struct history_violation *violation)
{
    const struct edge *edges = line->graph.edges;
    int first = 0;

    while (edges[cycle[first]].from >= line->graph.operations)
        first++;
    uint32_t operation = edges[cycle[first]].from;
    for (int i = 0; i < count; i++) {
        const struct edge *edge = &edges[cycle[(first + i) % count]];
        if (edge->to >= line->graph.operations)
            continue;
        violation_step(violation, operation, edge->reason, edge->block);
        operation = edge->to;
    }
}

static int report_cycle(struct line *line, struct history_violation *violation)
{
    int count = graph_cycle(&line->graph, line->graph.on_cycle, line->cycle);

    if (count < 0)
        return count;
    violation->verdict = HISTORY_COMMAND_ORDER;
    name_cycle(line, line->cycle, count, violation);
    return 0;
}

int order_check(const struct history *history, struct history_violation *ret_violation)
{
    struct line line;
    int error = line_new(&line, history);

    if (error != 0)
        return error;
    error = find_line(&line);
    if (error == -EAGAIN) {
        ret_violation->verdict = HISTORY_UNDECIDED;
        error = 0;
    } else if (error == -ELOOP) {
        error = report_cycle(&line, ret_violation);
    }
    line_done(&line);
    return error;
}
