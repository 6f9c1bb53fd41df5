/*
 * Numbers and names that fit into the columns of anyport top. Pure.
 */
#ifndef TOOLS_TOP_NUMBER_H
#define TOOLS_TOP_NUMBER_H

enum { NUMBER_BYTES = 16, NAME_COLUMNS = 20 };

/* At most six columns: 0, 9999, 12.3k, 456k, 7.8M. Returns `into`. */
const char *top_number(double value, char into[NUMBER_BYTES]);

/* The same with one decimal while it is small: MB a second, microseconds. */
const char *top_measure(double value, char into[NUMBER_BYTES]);

/* A name cut to its columns; what was cut is shown by '~'. */
void top_put_name(const char *name, char into[NAME_COLUMNS + 1]);

#endif
