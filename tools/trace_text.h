/*
 * An event of a trace in words and in JSON. Every number in it was written by another process, so
 * what is out of range is shown as "-" or left out, and names are shown without what is not
 * printable.
 */
#ifndef TOOLS_TRACE_TEXT_H
#define TOOLS_TRACE_TEXT_H

#include <jansson.h>

#include "tools/trace_events.h"

enum { TRACE_LINE_BYTES = 320 };

/* The heading of the columns. */
extern const char *const trace_heading;

/* One line, without its end. */
void trace_line(const struct segment *segment, const struct traced *traced,
                char into[TRACE_LINE_BYTES]);

/* A new reference, or NULL without memory. */
json_t *trace_json(const struct segment *segment, const struct traced *traced);

#endif
