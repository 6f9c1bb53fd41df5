/*
 * The graph from which a line of whole commands is found (order.c), as it begins.
 */
#ifndef TESTS_HISTORY_LINE_H
#define TESTS_HISTORY_LINE_H

#include "tests/history/graph.h"
#include "tests/history/window.h"

/* A cluster in a list of those of one block. */
struct ranked {
    uint32_t position; /* of the cluster's write in the graph's order */
    uint32_t cluster;
    bool settled; /* all clusters before it in the list must precede it */
};

struct line {
    const struct history *history;
    struct graph graph;
    uint32_t *ends;        /* by cluster: the node at its end; its write where nobody read it */
    struct ranked *ranked; /* the clusters of the block that is looked at */
    uint32_t *kept;
    uint32_t *cycle;
    uint32_t tries;
};

/*
 * The nodes, and the edges of real time and of tags, of a prepared window, which must outlive the
 * line. 0 or -ENOMEM. line_done frees it.
 */
int line_new(struct line *ret_line, const struct history *history);
void line_done(struct line *line);

#endif
