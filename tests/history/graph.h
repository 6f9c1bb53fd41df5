/*
 * A graph of what must stand before what, with its closure: which operations stand before a node.
 *
 * Nodes are numbered; those below `operations` are operations and have a bit in the closure, the
 * others only pass order on. Edges are only added at the end and taken off again from the end, so
 * that an assumption can be undone.
 */
#ifndef TESTS_HISTORY_GRAPH_H
#define TESTS_HISTORY_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/history/history.h"

struct edge {
    uint32_t from, to;
    uint32_t block;
    enum history_reason reason;
};

struct graph {
    uint32_t nodes, operations;
    struct edge *edges;
    uint32_t edges_count, edges_room;
    uint32_t *edges_first, *edges_into; /* by node: the indices of the edges that end there */
    uint32_t edges_into_room;
    uint32_t *order, *position; /* one order of all nodes that obeys the edges, and its inverse */
    uint32_t *stack, *next_edge;
    uint32_t on_cycle; /* where graph_sort failed */
    uint64_t *before;  /* a row of `words` a node */
    uint32_t words;
};

/* 0 or -ENOMEM. graph_done frees what it holds, also of one that is all zero. */
int graph_new(struct graph *ret_graph, uint32_t nodes, uint32_t operations);
void graph_done(struct graph *graph);

/* 0 or -ENOMEM. */
int graph_add(struct graph *graph, struct edge edge);

/* Takes off the edges added since there were `edges_count`. */
void graph_cut(struct graph *graph, uint32_t edges_count);

/* Fills order[] and position[]: 0, -ELOOP when there is a cycle (on_cycle is on it), -ENOMEM. */
int graph_sort(struct graph *graph);

/* Fills before[] of a graph that was just sorted. */
void graph_close(struct graph *graph);

/* Must this operation stand before that node? As of the last graph_close. */
static inline bool graph_is_before(const struct graph *graph, uint32_t operation, uint32_t node)
{
    const uint64_t *row = graph->before + (uint64_t)node * graph->words;

    return row[operation / 64] >> operation % 64 & 1;
}

/*
 * After graph_sort failed: the edges of a cycle through a node, in order, with as few operations as
 * possible, to edges[0..graph->nodes). How many; 0 when the node is on none. -ENOMEM.
 */
int graph_cycle(const struct graph *graph, uint32_t node, uint32_t *edges);

#endif
