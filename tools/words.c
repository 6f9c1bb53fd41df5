#include "tools/words.h"

#include <stddef.h>

void words_take(const char *word, struct argp_state *state, const char **const *places)
{
    for (; *places != NULL; places++) {
        if (**places == NULL) {
            **places = word;
            return;
        }
    }
    argp_error(state, "%s: one array only", word);
}
