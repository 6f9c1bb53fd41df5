#include <stdlib.h>
#include <string.h>

#include "controller/config/config_names.h"
#include "controller/config/config_value.h"

static int compare_names(const void *left, const void *right)
{
    const struct config_name *a = left;
    const struct config_name *b = right;
    int order = strcmp(a->text, b->text);

    if (order)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_texts(const void *left, const void *right)
{
    const struct config_name *a = left;
    const struct config_name *b = right;

    return strcmp(a->text, b->text);
}

/* Of several repeated names the one that stands first in the file is refused: a reader of the file
 * meets it first. */
int config_names_sort(const struct config_reading *reading, struct config_name *names,
                      uint32_t count, enum config_part part, unsigned field)
{
    const struct config_mapping *mapping = &config_mappings[part];
    const struct config_name *first = NULL;
    const struct config_name *again = NULL;
    const char *key = mapping->fields[field].key;
    char shown[EXCERPT_BYTES];

    qsort(names, count, sizeof(*names), compare_names);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(names[i - 1].text, names[i].text) != 0)
            continue;
        if (!again || names[i].index < again->index) {
            first = &names[i - 1];
            again = &names[i];
        }
    }
    if (!again)
        return 0;
    config_excerpt(again->text, shown);
    return config_refuse(reading, (struct config_field_ref){part, again->index, field},
                         "'%s' is already the %s of %s[%u] on line %u; allowed: each %s once",
                         shown, key, mapping->prefix, first->index,
                         config_line(reading, part, first->index, field), key);
}

const struct config_name *config_names_find(const struct config_name *names, uint32_t count,
                                            const char *text)
{
    struct config_name wanted = {.text = text};

    return bsearch(&wanted, names, count, sizeof(*names), compare_texts);
}
