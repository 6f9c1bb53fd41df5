/*
 * What the files of the configuration's test share.
 */
#ifndef TESTS_UNIT_TEST_CONFIG_H
#define TESTS_UNIT_TEST_CONFIG_H

#include <stddef.h>

#include <CUnit/CUnit.h>

/* Parses `yaml` as lab.yaml, and expects -EINVAL, no configuration, and exactly this message. */
void expect_refusal(const char *yaml, size_t yaml_bytes, const char *message);

void add_refusal_tests(CU_pSuite suite);
void add_virtual_tests(CU_pSuite suite);

#endif
