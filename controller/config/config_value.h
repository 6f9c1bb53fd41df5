/*
 * What one value may look like: the check of a scalar against its rule, and the rule in words.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_VALUE_H
#define CONTROLLER_CONFIG_CONFIG_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "controller/config/config_schema.h"

enum { ALLOWED_BYTES = 256, PROBLEM_BYTES = 160, SIZE_TEXT_BYTES = 32 };

/* What is wrong with `value` under the rule: false and *ret_problem filled in, or true. */
bool config_value_check(const struct config_mapping *mapping, unsigned field, const char *value,
                        char ret_problem[PROBLEM_BYTES]);

/* The rule in words, for the end of a message. */
void config_value_allowed(const struct config_mapping *mapping, unsigned field,
                          char ret_allowed[ALLOWED_BYTES]);

/* The fields of a mapping that this version has, in the order of the schema. */
void config_fields_allowed(const struct config_mapping *mapping, char ret_allowed[ALLOWED_BYTES]);

/* Digits without sign, space or leading zero. 0, or -EINVAL (none), -ERANGE (over 64 bits). */
int config_parse_digits(const char *text, uint64_t *ret_number, const char **ret_rest);

/* HOST:PORT into *ret_host (the caller frees it; without brackets) and *ret_port. 0, -EINVAL,
 * -ENOMEM. */
int config_parse_address(const char *text, char **ret_host, uint16_t *ret_port);

/* 1073741824 -> "1GiB": the largest binary unit that says it exactly. */
void config_format_size(uint64_t bytes, char ret_text[SIZE_TEXT_BYTES]);

/* At most so many bytes of what the user wrote stand in a message. */
enum { EXCERPT_BYTES = 48 };
void config_excerpt(const char *text, char ret_excerpt[EXCERPT_BYTES]);

#endif
