/*
 * The words of a command line that are no options: what is to be done, with what, and last, for
 * every verb that asks a running array, which array.
 */
#ifndef TOOLS_WORDS_H
#define TOOLS_WORDS_H

#include <argp.h>

/* The places that a verb has for words, in order. */
#define WORDS(...) ((const char **const[]){__VA_ARGS__, NULL})

/* Puts the word into the first of `places` that is still NULL. The last place is the array's: one
 * word more is refused. `word` must live as long as the places do, as argv does. */
void words_take(const char *word, struct argp_state *state, const char **const *places);

#endif
