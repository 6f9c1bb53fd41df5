#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/config/config_value.h"
#include "shm/limits.h"

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

enum { HOST_BYTES_MAX = 253 }; /* RFC 1035, section 2.3.4, without the length bytes */

static bool no(char ret_problem[PROBLEM_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool no(char ret_problem[PROBLEM_BYTES], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_problem, PROBLEM_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* A character of UTF-8 is not cut in two: what is cut goes back to the start of a character. */
void config_excerpt(const char *text, char ret_excerpt[EXCERPT_BYTES])
{
    size_t bytes = strlen(text);

    if (bytes < EXCERPT_BYTES) {
        memcpy(ret_excerpt, text, bytes + 1);
        return;
    }
    bytes = EXCERPT_BYTES - sizeof("...");
    while (bytes > 0 && ((unsigned char)text[bytes] & 0xc0) == 0x80)
        bytes--;
    memcpy(ret_excerpt, text, bytes);
    memcpy(ret_excerpt + bytes, "...", sizeof("..."));
}

void config_format_size(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES])
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB", "PiB"};
    unsigned unit = 0;

    while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    snprintf(ret_text, SIZE_TEXT_BYTES, "%llu%s", (unsigned long long)bytes, units[unit]);
}

/* --- hosts and ports --- */

static bool host_is_name(const char *host)
{
    size_t bytes = strlen(host);

    return bytes >= 1 && bytes <= HOST_BYTES_MAX && host[0] != '-' && host[0] != '.' &&
           strspn(host, NAME_CHARACTERS) == bytes;
}

/* What is all digits and dots can only be meant as an IPv4 address: 127.0.0.1.1 is no name. */
static bool host_is_allowed(const char *host, bool bracketed)
{
    struct in6_addr ipv6;
    struct in_addr ipv4;
    char address[INET6_ADDRSTRLEN];
    size_t address_bytes = strcspn(host, "%");

    if (!bracketed) {
        if (host[strspn(host, "0123456789.")] == '\0')
            return inet_pton(AF_INET, host, &ipv4) == 1;
        return host_is_name(host);
    }
    if (host[address_bytes] == '%' && !host_is_name(host + address_bytes + 1))
        return false;
    if (address_bytes >= sizeof(address))
        return false;
    memcpy(address, host, address_bytes);
    address[address_bytes] = '\0';
    return inet_pton(AF_INET6, address, &ipv6) == 1;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
    const char *rest = NULL;
    uint64_t port = 0;

    if (config_parse_digits(text, &port, &rest) < 0 || *rest || port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

int config_parse_address(const char *text, char **ret_host, uint16_t *ret_port)
{
    bool bracketed = text[0] == '[';
    const char *host = text + bracketed;
    size_t host_bytes = strcspn(host, bracketed ? "]" : ":");
    const char *colon = host + host_bytes + (bracketed && host[host_bytes] == ']');
    uint16_t port = 0;
    char *copy = NULL;

    if (*colon != ':' || parse_port(colon + 1, &port) < 0)
        return -EINVAL;
    copy = strndup(host, host_bytes);
    if (!copy)
        return -ENOMEM;
    if (!host_is_allowed(copy, bracketed)) {
        free(copy);
        return -EINVAL;
    }
    *ret_host = copy;
    *ret_port = port;
    return 0;
}

/* --- the rules --- */

static bool check_name(const char *value, char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];
    size_t bytes = strlen(value);

    config_excerpt(value, shown);
    if (bytes > NAME_BYTES_MAX)
        return no(problem, "'%s' is too long: %zu bytes", shown, bytes);
    if (bytes == 0 || value[0] == '-' || value[0] == '.' || strspn(value, NAME_CHARACTERS) != bytes)
        return no(problem, "'%s' is not a name", shown);
    return true;
}

static bool check_length(const char *value, size_t min_bytes, size_t max_bytes,
                         char problem[PROBLEM_BYTES])
{
    size_t bytes = strlen(value);

    if (bytes < min_bytes)
        return no(problem, "empty");
    if (bytes > max_bytes)
        return no(problem, "too long: %zu bytes", bytes);
    return true;
}

static bool check_size(const struct config_rule *rule, const char *value,
                       char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];
    uint64_t bytes = 0;
    int result = config_parse_size(value, &bytes);

    config_excerpt(value, shown);
    if (result == -EINVAL)
        return no(problem, "'%s' is not a size", shown);
    if (result < 0 || bytes > rule->max)
        return no(problem, "'%s' is too large", shown);
    if (bytes < rule->min)
        return no(problem, "'%s' is too small", shown);
    if (rule->kind == RULE_OFFSET && bytes % BLOCK_BYTES != 0)
        return no(problem, "'%s' is not a multiple of %d", shown, BLOCK_BYTES);
    if (rule->kind == RULE_SIZE_POWER_OF_TWO && (bytes & (bytes - 1)) != 0)
        return no(problem, "'%s' is not a power of two", shown);
    return true;
}

static bool check_time(const struct config_rule *rule, const char *value,
                       char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];
    uint64_t ns = 0;
    int result = config_parse_time(value, &ns);

    config_excerpt(value, shown);
    if (result == -EINVAL)
        return no(problem, "'%s' is not a time", shown);
    if (result < 0 || ns > rule->max)
        return no(problem, "'%s' is too long", shown);
    return true;
}

static bool check_number(const struct config_rule *rule, const char *value,
                         char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];
    const char *rest = NULL;
    uint64_t number = 0;
    int result = config_parse_digits(value, &number, &rest);

    config_excerpt(value, shown);
    if (result == -EINVAL || value[strspn(value, "0123456789")] != '\0')
        return no(problem, "'%s' is not a whole number", shown);
    bool or_0 = rule->kind == RULE_POWER_OF_TWO_OR_0;
    if (result < 0 || (number < rule->min && !(or_0 && number == 0)) || number > rule->max)
        return no(problem, "'%s' is out of range", shown);
    if ((or_0 || rule->kind == RULE_POWER_OF_TWO) && (number & (number - 1)) != 0)
        return no(problem, "'%s' is not a power of two", shown);
    return true;
}

static bool check_switch(const char *value, char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];

    if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
        return true;
    config_excerpt(value, shown);
    return no(problem, "'%s' is neither true nor false", shown);
}

static bool check_choice(const cyaml_schema_value_t *schema, const char *value,
                         char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];

    config_excerpt(value, shown);
    for (uint32_t i = 0; i < schema->enumeration.count; i++) {
        const cyaml_strval_t *choice = &schema->enumeration.strings[i];

        if (strcmp(value, choice->str) == 0)
            return true;
    }
    return no(problem, "'%s' is unknown", shown);
}

/* An allocation that failed is not said here: the same parse reports it when the value is used. */
static bool check_address(const char *value, char problem[PROBLEM_BYTES])
{
    char shown[EXCERPT_BYTES];
    char *host = NULL;
    uint16_t port = 0;
    int result = config_parse_address(value, &host, &port);

    free(host);
    if (result != -EINVAL)
        return true;
    config_excerpt(value, shown);
    return no(problem, "'%s' is not an address and a port", shown);
}

bool config_value_check(const struct config_mapping *mapping, unsigned field, const char *value,
                        char ret_problem[PROBLEM_BYTES])
{
    const struct config_rule *rule = &mapping->rules[field];

    switch (rule->kind) {
    case RULE_NAMES: /* one of them */
    case RULE_NAME:
        return check_name(value, ret_problem);
    case RULE_PATH:
        return check_length(value, 1, PATH_BYTES_MAX, ret_problem);
    case RULE_TEXT:
        return check_length(value, 0, (size_t)rule->max, ret_problem);
    case RULE_SIZE:
    case RULE_OFFSET:
    case RULE_SIZE_POWER_OF_TWO:
        return check_size(rule, value, ret_problem);
    case RULE_TIME:
        return check_time(rule, value, ret_problem);
    case RULE_NUMBER:
    case RULE_POWER_OF_TWO:
    case RULE_POWER_OF_TWO_OR_0:
        return check_number(rule, value, ret_problem);
    case RULE_SWITCH:
        return check_switch(value, ret_problem);
    case RULE_CHOICE:
        return check_choice(&mapping->fields[field].value, value, ret_problem);
    case RULE_ADDRESS:
        return check_address(value, ret_problem);
    case RULE_MAPPING:
    case RULE_LIST:
        break;
    }
    assert(false); /* the scan asks about scalars only */
    return false;
}

/* --- the rules in words --- */

void config_fields_allowed(const struct config_mapping *mapping, char ret_allowed[ALLOWED_BYTES])
{
    size_t used = 0;

    ret_allowed[0] = '\0';
    for (unsigned i = 0; mapping->fields[i].key; i++) {
        used += (size_t)snprintf(ret_allowed + used, ALLOWED_BYTES - used, "%s%s", used ? ", " : "",
                                 mapping->fields[i].key);
        assert(used < ALLOWED_BYTES);
    }
}

static void list_choices(const cyaml_schema_value_t *schema, char ret_allowed[ALLOWED_BYTES])
{
    size_t used = 0;

    ret_allowed[0] = '\0';
    for (uint32_t i = 0; i < schema->enumeration.count; i++) {
        used += (size_t)snprintf(ret_allowed + used, ALLOWED_BYTES - used, "%s%s", used ? ", " : "",
                                 schema->enumeration.strings[i].str);
        assert(used < ALLOWED_BYTES);
    }
}

static void say_sizes(const struct config_rule *rule, char ret_allowed[ALLOWED_BYTES])
{
    char min[SIZE_TEXT_BYTES];
    char max[SIZE_TEXT_BYTES];

    config_format_size(rule->min, min);
    config_format_size(rule->max, max);
    if (rule->kind == RULE_OFFSET)
        snprintf(ret_allowed, ALLOWED_BYTES, "a multiple of %d, such as 0, 4096 or 1GiB, below %s",
                 BLOCK_BYTES, "4096PiB");
    else if (rule->kind == RULE_SIZE_POWER_OF_TWO)
        snprintf(ret_allowed, ALLOWED_BYTES, "a power of two, %s to %s", min, max);
    else if (rule->max == ELEMENT_BYTES_MAX - 1)
        snprintf(ret_allowed, ALLOWED_BYTES,
                 "a size such as 4096, 64KiB, 1GiB or 10GB, above 0 and below 4096PiB");
    else
        snprintf(ret_allowed, ALLOWED_BYTES, "a size such as 64MiB, from %s to %s", min, max);
}

_Static_assert(ELEMENT_BYTES_MAX == (uint64_t)4096 << 50, "as the two messages above say");

void config_value_allowed(const struct config_mapping *mapping, unsigned field,
                          char ret_allowed[ALLOWED_BYTES])
{
    const struct config_rule *rule = &mapping->rules[field];
    unsigned long long min = rule->min;
    unsigned long long max = rule->max;
    char fields[ALLOWED_BYTES];

    switch (rule->kind) {
    case RULE_MAPPING:
        config_fields_allowed(&config_mappings[rule->part], fields);
        snprintf(ret_allowed, ALLOWED_BYTES, "a mapping of %.200s", fields);
        break;
    case RULE_LIST:
        config_fields_allowed(&config_mappings[rule->part], fields);
        snprintf(ret_allowed, ALLOWED_BYTES, "a list of %llu to %llu mappings of %.200s", min, max,
                 fields);
        break;
    case RULE_NAMES:
        snprintf(ret_allowed, ALLOWED_BYTES, "a list of %llu to %llu names of plain volumes", min,
                 max);
        break;
    case RULE_NAME:
        snprintf(ret_allowed, ALLOWED_BYTES,
                 "1 to %d characters of A-Z a-z 0-9 . _ -, the first not . or -", NAME_BYTES_MAX);
        break;
    case RULE_PATH:
        snprintf(ret_allowed, ALLOWED_BYTES, "a path of 1 to %d bytes", PATH_BYTES_MAX);
        break;
    case RULE_TEXT:
        snprintf(ret_allowed, ALLOWED_BYTES, "a text of 0 to %llu bytes", max);
        break;
    case RULE_SIZE:
    case RULE_OFFSET:
    case RULE_SIZE_POWER_OF_TWO:
        say_sizes(rule, ret_allowed);
        break;
    case RULE_TIME:
        snprintf(ret_allowed, ALLOWED_BYTES, "a time such as 500ns, 5us, 1ms or 2s, up to %llus",
                 max / 1000000000u);
        break;
    case RULE_NUMBER:
        snprintf(ret_allowed, ALLOWED_BYTES, "%llu to %llu", min, max);
        break;
    case RULE_POWER_OF_TWO:
        snprintf(ret_allowed, ALLOWED_BYTES, "a power of two, %llu to %llu", min, max);
        break;
    case RULE_POWER_OF_TWO_OR_0:
        snprintf(ret_allowed, ALLOWED_BYTES, "0, or a power of two, %llu to %llu", min, max);
        break;
    case RULE_SWITCH:
        snprintf(ret_allowed, ALLOWED_BYTES, "true, false");
        break;
    case RULE_CHOICE:
        list_choices(&mapping->fields[field].value, ret_allowed);
        break;
    case RULE_ADDRESS:
        snprintf(ret_allowed, ALLOWED_BYTES,
                 "HOST:PORT in quotes where needed, such as 127.0.0.1:10809 or \"[::1]:10809\"; "
                 "port 0 means any");
        break;
    }
}
