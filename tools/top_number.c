#include "tools/top_number.h"

#include <stdio.h>

#include "shm/limits.h"

const char *top_number(double value, char into[NUMBER_BYTES])
{
    static const char units[] = {'k', 'M', 'G', 'T', 'P'};
    int unit = -1;

    if (value < 9999.5) {
        snprintf(into, NUMBER_BYTES, "%.0f", value);
        return into;
    }
    while (value >= 999.5 && unit + 1 < (int)sizeof units) {
        value /= 1000;
        unit++;
    }
    snprintf(into, NUMBER_BYTES, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
    return into;
}

const char *top_measure(double value, char into[NUMBER_BYTES])
{
    if (value >= 999.95)
        return top_number(value, into);
    snprintf(into, NUMBER_BYTES, "%.1f", value);
    return into;
}

void top_put_name(const char *name, char into[NAME_COLUMNS + 1])
{
    int length = snprintf(into, NAME_COLUMNS + 1, "%.*s", NAME_BYTES_MAX, name);

    if (length > NAME_COLUMNS)
        into[NAME_COLUMNS - 1] = '~';
}
