/*
 * The lines of anyport top, the same for a terminal and for a script: eight panes, each a heading
 * and rows that fit into 80 columns.
 */
#ifndef TOOLS_TOP_TEXT_H
#define TOOLS_TOP_TEXT_H

#include <stddef.h>

#include "tools/top_sample.h"

enum { TOP_LINE_BYTES = 160 }; /* what the compiler can be convinced of */

enum top_pane {
    TOP_CONTROLLERS,
    TOP_LINKS,
    TOP_ELEMENTS,
    TOP_VOLUMES,
    TOP_MEMBERS, /* of virtual volumes */
    TOP_LOCKS,   /* how controllers coordinate on them */
    TOP_CACHE,   /* what the caches do for volumes */
    TOP_JOBS,    /* that have not ended, or have failed */
    TOP_PANES
};

/* A row of the members' pane. */
struct top_member {
    uint32_t volume; /* the virtual one */
    uint32_t place;  /* among its members */
};

/* An array and two looks at it. */
struct top_view {
    struct segment segment;
    struct top_sample before, after;
    uint32_t *used_links; /* indices of the links that have carried anything */
    uint32_t used_links_count;
    uint32_t *volumes; /* that are there now, by row */
    uint32_t volumes_count;
    struct top_member *members; /* of all virtual volumes */
    uint32_t members_count;
    uint32_t *jobs; /* the volumes that have one to be shown, by row */
    uint32_t jobs_count;
};

/* Takes over an attached segment and looks at it once. -ENOMEM: the segment is still the caller's.
 */
int top_view_new(struct top_view *ret_view, const struct segment *segment);
void top_view_done(struct top_view *view);

/* Looks again: what was `after` becomes `before`. */
void top_view_look(struct top_view *view);

/* Whether no controller is left to count anything. */
bool top_view_is_over(const struct top_view *view);

const char *top_pane_name(enum top_pane pane);
uint32_t top_rows(const struct top_view *view, enum top_pane pane);

void top_title(const struct top_view *view, char line[TOP_LINE_BYTES]);
void top_heading(enum top_pane pane, char line[TOP_LINE_BYTES]);
void top_row(const struct top_view *view, enum top_pane pane, uint32_t row,
             char line[TOP_LINE_BYTES]);

#endif
