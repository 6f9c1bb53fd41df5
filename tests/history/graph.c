#include "tests/history/graph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_EDGES = 4096 };

#define NONE UINT32_MAX

int graph_new(struct graph *ret_graph, uint32_t nodes, uint32_t operations)
{
    struct graph graph = {.nodes = nodes, .operations = operations, .words = operations / 64 + 1};

    graph.edges_first = malloc((nodes + 1) * sizeof *graph.edges_first);
    graph.order = malloc(nodes * sizeof *graph.order);
    graph.position = malloc(nodes * sizeof *graph.position);
    graph.stack = malloc(nodes * sizeof *graph.stack);
    graph.next_edge = malloc(nodes * sizeof *graph.next_edge);
    graph.before = malloc((size_t)nodes * graph.words * sizeof *graph.before);
    if (graph.edges_first == NULL || graph.order == NULL || graph.position == NULL ||
        graph.stack == NULL || graph.next_edge == NULL || graph.before == NULL) {
        graph_done(&graph);
        return -ENOMEM;
    }
    *ret_graph = graph;
    return 0;
}

void graph_done(struct graph *graph)
{
    free(graph->before);
    free(graph->next_edge);
    free(graph->stack);
    free(graph->position);
    free(graph->order);
    free(graph->edges_into);
    free(graph->edges_first);
    free(graph->edges);
}

int graph_add(struct graph *graph, struct edge edge)
{
    if (graph->edges_count == graph->edges_room) {
        uint32_t room = graph->edges_room == 0 ? FIRST_EDGES : 2 * graph->edges_room;
        struct edge *moved = realloc(graph->edges, room * sizeof *moved);
        if (moved == NULL)
            return -ENOMEM;
        graph->edges = moved;
        graph->edges_room = room;
    }
    graph->edges[graph->edges_count++] = edge;
    return 0;
}

void graph_cut(struct graph *graph, uint32_t edges_count)
{
    graph->edges_count = edges_count;
}

/* --- an order --- */

/* A counting sort of the edges by where they end. */
static int list_edges_into(struct graph *graph)
{
    uint32_t *first = graph->edges_first;

    if (graph->edges_into_room < graph->edges_count) {
        free(graph->edges_into);
        graph->edges_into_room = graph->edges_room;
        graph->edges_into = malloc(graph->edges_into_room * sizeof *graph->edges_into);
        if (graph->edges_into == NULL) {
            graph->edges_into_room = 0;
            return -ENOMEM;
        }
    }
    memset(first, 0, (graph->nodes + 1) * sizeof *first);
    for (uint32_t i = 0; i < graph->edges_count; i++)
        first[graph->edges[i].to]++;
    for (uint32_t node = 0; node < graph->nodes; node++)
        first[node + 1] += first[node];
    for (uint32_t i = graph->edges_count; i-- > 0;)
        graph->edges_into[--first[graph->edges[i].to]] = i;
    return 0;
}

enum { NOT_VISITED = NONE, OPEN = NONE - 1 };

/* Appends everything before `root`, and it, to order[], each after all that stand before it. False:
 * something stands before itself. */
static bool visit(struct graph *graph, uint32_t root, uint32_t *placed)
{
    uint32_t depth = 0;

    graph->stack[depth++] = root;
    graph->position[root] = OPEN;
    graph->next_edge[root] = graph->edges_first[root];
    while (depth > 0) {
        uint32_t node = graph->stack[depth - 1];
        if (graph->next_edge[node] == graph->edges_first[node + 1]) {
            graph->position[node] = *placed;
            graph->order[(*placed)++] = node;
            depth--;
            continue;
        }
        uint32_t from = graph->edges[graph->edges_into[graph->next_edge[node]++]].from;
        if (graph->position[from] == OPEN) {
            graph->on_cycle = from;
            return false;
        }
        if (graph->position[from] == NOT_VISITED) {
            graph->position[from] = OPEN;
            graph->next_edge[from] = graph->edges_first[from];
            graph->stack[depth++] = from;
        }
    }
    return true;
}

int graph_sort(struct graph *graph)
{
    uint32_t placed = 0;
    int error = list_edges_into(graph);

    if (error != 0)
        return error;
    memset(graph->position, 0xff, graph->nodes * sizeof *graph->position);
    for (uint32_t node = 0; node < graph->nodes; node++) {
        if (graph->position[node] == NOT_VISITED && !visit(graph, node, &placed))
            return -ELOOP;
    }
    return 0;
}

void graph_close(struct graph *graph)
{
    uint32_t words = graph->words;

    for (uint32_t i = 0; i < graph->nodes; i++) {
        uint32_t node = graph->order[i];
        uint64_t *row = graph->before + (uint64_t)node * words;
        memset(row, 0, words * sizeof *row);
        for (uint32_t e = graph->edges_first[node]; e < graph->edges_first[node + 1]; e++) {
            uint32_t from = graph->edges[graph->edges_into[e]].from;
            const uint64_t *earlier = graph->before + (uint64_t)from * words;
            for (uint32_t word = 0; word < words; word++)
                row[word] |= earlier[word];
            if (from < graph->operations)
                row[from / 64] |= 1ull << from % 64;
        }
    }
}

/* --- a cycle --- */

/* Edges between two nodes of time are free, so that what counts is operations. */
static bool is_free(const struct graph *graph, const struct edge *edge)
{
    return edge->reason == HISTORY_BY_TIME && edge->from >= graph->operations &&
           edge->to >= graph->operations;
}

/* Follows the edges found, from the node round to itself. */
static int collect_cycle(const struct graph *graph, uint32_t node, const uint32_t *onward,
                         uint32_t *edges)
{
    int count = 0;
    uint32_t at = node;

    do {
        edges[count++] = onward[at];
        at = graph->edges[onward[at]].to;
    } while (at != node);
    return count;
}

int graph_cycle(const struct graph *graph, uint32_t node, uint32_t *edges)
{
    /* Backwards from the node, free edges first: a queue with two ends, begun in the middle. Each
     * node enters at most once at either end. */
    uint32_t *queue = malloc(((size_t)graph->edges_count * 2 + 2) * sizeof *queue);
    uint32_t *onward = malloc(graph->nodes * sizeof *onward);
    uint8_t *done = calloc(graph->nodes, 1);
    uint32_t head = graph->edges_count, tail = head;
    int count = queue == NULL || onward == NULL || done == NULL ? -ENOMEM : 0;

    if (count == 0) {
        memset(onward, 0xff, graph->nodes * sizeof *onward);
        queue[tail++] = node;
    }
    while (count == 0 && head < tail && onward[node] == NONE) {
        uint32_t to = queue[head++];
        if (done[to])
            continue;
        done[to] = 1;
        for (uint32_t e = graph->edges_first[to]; e < graph->edges_first[to + 1]; e++) {
            uint32_t index = graph->edges_into[e], from = graph->edges[index].from;
            bool unpaid = is_free(graph, &graph->edges[index]);
            if (onward[from] != NONE && (done[from] || !unpaid))
                continue;
            onward[from] = index;
            if (unpaid)
                queue[--head] = from;
            else
                queue[tail++] = from;
        }
    }
    if (count == 0 && onward[node] != NONE)
        count = collect_cycle(graph, node, onward, edges);
    free(done);
    free(onward);
    free(queue);
    return count;
}
