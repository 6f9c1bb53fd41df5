#include "io/inherit.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int compare(const void *left, const void *right)
{
    int a = *(const int *)left, b = *(const int *)right;

    return (a > b) - (a < b);
}

static int close_between(int first, int last)
{
    if (first > last)
        return 0;
    return close_range((unsigned)first, (unsigned)last, 0) == 0 ? 0 : -errno;
}

int inherit_only(int *keep, size_t count)
{
    int next = STDERR_FILENO + 1, error = 0;

    qsort(keep, count, sizeof *keep, compare);
    for (size_t i = 0; i < count && error == 0; i++) {
        if (keep[i] < next)
            continue;
        error = close_between(next, keep[i] - 1);
        next = keep[i] + 1;
    }
    return error != 0 ? error : close_between(next, INT_MAX);
}
