/*
 * The jobs' pane of anyport top: which volumes have one that has not ended, or has failed, and how
 * far it is.
 */
#ifndef TOOLS_TOP_JOBS_H
#define TOOLS_TOP_JOBS_H

#include "tools/top_text.h"

/* Whether a volume has a row in it, by its last look. */
bool top_jobs_has(const struct top_sample *sample, uint32_t volume);

void top_jobs_heading(char line[TOP_LINE_BYTES]);

/* Of a volume. Its rate is that between the two looks, the time left by the rate since the
 * controller began. */
void top_jobs_row(const struct top_view *view, uint32_t volume, char line[TOP_LINE_BYTES]);

#endif
