/*
 * Running one CUnit suite as an executable: prints its failures, returns what main should return.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stddef.h>

struct unit_test {
    const char *behaviour;
    void (*run)(void);
};

#define UNIT_RUN(suite, tests) unit_run((suite), (tests), sizeof(tests) / sizeof(*(tests)))

static inline int unit_run(const char *name, const struct unit_test *tests, size_t count)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite suite = CU_add_suite(name, NULL, NULL);
    int failed = suite == NULL;
    for (size_t i = 0; i < count && !failed; i++)
        failed = CU_add_test(suite, tests[i].behaviour, tests[i].run) == NULL;
    if (!failed) {
        CU_basic_set_mode(CU_BRM_NORMAL);
        failed = CU_basic_run_tests() != CUE_SUCCESS || CU_get_number_of_tests_failed() != 0 ||
                 CU_get_number_of_tests_run() != count;
    }
    CU_cleanup_registry();
    return failed;
}

#endif
