#include <assert.h>
#include <errno.h>
#include <string.h>

#include "controller/config/config.h"
#include "controller/config/config_value.h"
#include "shm/limits.h"

static const struct {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"P", UINT64_C(1) << 50},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
    {"PiB", UINT64_C(1) << 50},
    {"KB", UINT64_C(1000)},
    {"MB", UINT64_C(1000000)},
    {"GB", UINT64_C(1000000000)},
    {"TB", UINT64_C(1000000000000)},
    {"PB", UINT64_C(1000000000000000)},
};

static const struct {
    const char *name;
    uint64_t ns;
} time_units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};

/* A leading zero is refused: "010" is eight to some readers and ten to others. */
int config_parse_digits(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");

    assert(ret_number && ret_rest);
    if (digits == 0 || (digits > 1 && text[0] == '0'))
        return -EINVAL;
    for (size_t i = 0; i < digits; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');

        if (number > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        number = number * 10 + digit;
    }
    *ret_number = number;
    *ret_rest = text + digits;
    return 0;
}

/* A wrong unit is -EINVAL whatever the digits before it, so the unit is looked up first. */
int config_parse_size(const char *text, uint64_t *ret_bytes)
{
    const char *rest = NULL;
    uint64_t number = 0;
    int result = config_parse_digits(text, &number, &rest);

    if (result == -EINVAL)
        return result;
    rest = text + strspn(text, "0123456789");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (result || number > (ELEMENT_BYTES_MAX - 1) / units[i].bytes)
            return -ERANGE;
        *ret_bytes = number * units[i].bytes;
        return 0;
    }
    return -EINVAL;
}

int config_parse_time(const char *text, uint64_t *ret_ns)
{
    const char *rest = NULL;
    uint64_t number = 0;
    int result = config_parse_digits(text, &number, &rest);

    if (result < 0)
        return result;
    for (size_t i = 0; i < sizeof(time_units) / sizeof(time_units[0]); i++) {
        if (strcmp(rest, time_units[i].name) != 0)
            continue;
        if (number > UINT64_MAX / time_units[i].ns)
            return -ERANGE;
        *ret_ns = number * time_units[i].ns;
        return 0;
    }
    return -EINVAL;
}
