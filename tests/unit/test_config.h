/*
 * What the files of the configuration's test share.
 */
#ifndef TESTS_UNIT_TEST_CONFIG_H
#define TESTS_UNIT_TEST_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include <CUnit/CUnit.h>

#include "controller/config/config.h"

/* One with as little in it as there can be. */
#define LEAST                                                                                      \
    "array: lab\n"                                                                                 \
    "elements:\n"                                                                                  \
    "  - {name: d0, image: d0.img}\n"                                                              \
    "volumes:\n"                                                                                   \
    "  - {name: v0, element: d0}\n"

extern const char config_full[]; /* one with everything in it */

/* Parses a copy of exactly the text's size, so that a sanitizer sees a read past its end. */
int parse_exactly(const char *path, const char *yaml, size_t yaml_bytes, struct config **ret_config,
                  struct config_error *ret_error);

/* One that must be accepted. The caller frees what is returned. */
struct config *expect_config(const char *path, const char *yaml);

/* Parses `yaml` as lab.yaml, and expects -EINVAL, no configuration, and exactly this message. */
void expect_refusal(const char *yaml, size_t yaml_bytes, const char *message);

/* A text that is written piece by piece. */
struct text {
    char *bytes;
    size_t used;
    FILE *stream;
};

/* Not moved afterwards: the stream writes to the structure it was opened with. */
void text_begin(struct text *text, const char *start);
void text_repeat(struct text *text, const char *piece, unsigned times);
void expect_text_refused(struct text *text, const char *message); /* and its end */

/* Shows both where they differ. */
void expect_message(const char *got, const char *expected);

void add_hostile_tests(CU_pSuite suite);
void add_message_tests(CU_pSuite suite);
void add_refusal_tests(CU_pSuite suite);
void add_virtual_tests(CU_pSuite suite);

#endif
