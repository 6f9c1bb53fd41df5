#include "tests/history/line.h"

#include <errno.h>
#include <stdlib.h>

/* --- real time --- */

struct moment {
    uint64_t return_ns;
    uint32_t operation;
};

static int by_return(const void *left, const void *right)
{
    const struct moment *a = left, *b = right;

    return (a->return_ns > b->return_ns) - (a->return_ns < b->return_ns);
}

static uint32_t list_moments(const struct history *history, struct moment *moments)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < history->count; i++) {
        uint64_t return_ns = history->operations[i].is.return_ns;
        if (return_ns != HISTORY_LOST)
            moments[count++] = (struct moment){.return_ns = return_ns, .operation = i};
    }
    qsort(moments, count, sizeof *moments, by_return);
    return count;
}

static uint32_t returned_before(const struct moment *moments, uint32_t count, uint64_t when_ns)
{
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (moments[middle].return_ns < when_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int add_time_edge(struct line *line, uint32_t from, uint32_t to)
{
    return graph_add(&line->graph,
                     (struct edge){.from = from, .to = to, .reason = HISTORY_BY_TIME});
}

static int add_times(struct line *line, uint32_t first_node)
{
    const struct history *history = line->history;
    struct moment *moments = malloc(history->count * sizeof *moments);
    int error = 0;

    if (moments == NULL)
        return -ENOMEM;
    uint32_t count = list_moments(history, moments);
    for (uint32_t k = 0; k < count && error == 0; k++) {
        error = add_time_edge(line, moments[k].operation, first_node + k);
        if (error == 0 && k > 0)
            error = add_time_edge(line, first_node + k - 1, first_node + k);
    }
    for (uint32_t i = 1; i < history->count && error == 0; i++) {
        uint32_t earlier = returned_before(moments, count, history->operations[i].is.invoke_ns);
        if (earlier > 0)
            error = add_time_edge(line, first_node + earlier - 1, i);
    }
    free(moments);
    return error;
}

/* --- tags --- */

static int add_cluster(struct line *line, uint32_t index)
{
    const struct cluster *cluster = &line->history->clusters[index];
    struct edge edge = {.reason = HISTORY_BY_TAG, .block = cluster->block};
    int error = 0;

    for (uint32_t i = 0; i < cluster->reads && error == 0; i++) {
        uint32_t read = line->history->members[cluster->first_read + i];
        edge.from = cluster->write, edge.to = read;
        error = graph_add(&line->graph, edge);
        edge.from = read, edge.to = line->ends[index];
        if (error == 0)
            error = graph_add(&line->graph, edge);
    }
    return error;
}

/* --- the line --- */

void line_done(struct line *line)
{
    free(line->cycle);
    free(line->kept);
    free(line->ranked);
    free(line->ends);
    graph_done(&line->graph);
}

int line_new(struct line *ret_line, const struct history *history)
{
    struct line line = {.history = history};
    uint32_t clusters = history->clusters_count, ends = history->count;

    line.ends = malloc(clusters * sizeof *line.ends);
    line.ranked = malloc(clusters * sizeof *line.ranked);
    line.kept = malloc(clusters * sizeof *line.kept);
    int error = line.ends == NULL || line.ranked == NULL || line.kept == NULL ? -ENOMEM : 0;
    for (uint32_t i = 0; i < clusters && error == 0; i++)
        line.ends[i] = history->clusters[i].reads == 0 ? history->clusters[i].write : ends++;
    if (error == 0)
        error = graph_new(&line.graph, ends + history->count, history->count);
    if (error == 0) {
        line.cycle = malloc(line.graph.nodes * sizeof *line.cycle);
        error = line.cycle == NULL ? -ENOMEM : add_times(&line, ends);
    }
    for (uint32_t i = 0; i < clusters && error == 0; i++)
        error = add_cluster(&line, i);
    if (error != 0)
        line_done(&line);
    else
        *ret_line = line;
    return error;
}
