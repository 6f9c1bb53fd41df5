#include "tools/admin_methods.h"

const struct admin_method admin_methods[] = {
    {.name = "element.fail", .start = admin_element_fail},
    {0},
};
