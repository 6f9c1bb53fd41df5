/* One CUnit suite as a program: prints what failed, ends with 1 if anything did. */
#ifndef TESTS_UNIT_SUITE_H
#define TESTS_UNIT_SUITE_H

#include <stdlib.h>

#include <CUnit/Basic.h>

/* `tests` ends with CU_TEST_INFO_NULL. */
static inline int suite_run(const char *name, CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {{.pName = name, .pTests = tests}, CU_SUITE_INFO_NULL};
    int status = EXIT_FAILURE;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    if (CU_register_suites(suites) == CUE_SUCCESS && CU_basic_run_tests() == CUE_SUCCESS &&
        CU_get_number_of_tests_run() > 0 && CU_get_number_of_failures() == 0)
        status = EXIT_SUCCESS;
    CU_cleanup_registry();
    return status;
}

#endif
