/*
 * What a message keeps and cuts: it is one line of some length, whatever the path and the value.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/limits.h"
#include "tests/unit/test_config.h"

static void message_keeps_its_end_when_the_path_is_long(void)
{
    struct config_error error = {""};
    struct config *config = NULL;
    char path[4000];
    char expected[512];

    memset(path, 'p', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    CU_ASSERT_EQUAL(parse_exactly(path, LEAST "controllers: 0\n", strlen(LEAST "controllers: 0\n"),
                                  &config, &error),
                    -EINVAL);
    snprintf(expected, sizeof(expected),
             "...%.255s:6: controllers: '0' is out of range; allowed: "
             "1 to 64",
             path);
    expect_message(error.text, expected);
}

static void message_is_one_line_whatever_the_path(void)
{
    struct config_error error = {""};
    struct config *config = NULL;

    CU_ASSERT_EQUAL(parse_exactly("a\nb\033.yaml", "array: [", 8, &config, &error), -EINVAL);
    CU_ASSERT_PTR_NULL(strpbrk(error.text, "\n\033"));
    CU_ASSERT_EQUAL(strncmp(error.text, "a?b?.yaml:1: ", strlen("a?b?.yaml:1: ")), 0);
}

static void message_cuts_values_between_characters(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\nplacement: x");
    text_repeat(&text, "\xc3\xa4", 40);
    fputs("\n", text.stream);
    expect_text_refused(
        &text, "lab.yaml:2: placement: 'x"
               "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
               "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
               "\xc3\xa4...' is unknown; allowed: auto, none, spread");
}

static void refuses_paths_too_long_once_resolved(void)
{
    static const char message[] = "too long below the configuration's folder: 4200 bytes; allowed: "
                                  "4095";
    struct config_error error = {""};
    struct config *config = NULL;
    char folder[200 + sizeof("/lab.yaml")];
    char image[4000];
    char yaml[sizeof(image) + 256];

    memset(folder, 'f', 200);
    strcpy(folder + 200, "/lab.yaml");
    memset(image, 'i', sizeof(image) - 1);
    image[sizeof(image) - 1] = '\0';
    snprintf(yaml, sizeof(yaml),
             "array: lab\nelements: [{name: d, image: %s}]\nvolumes: [{name: v, element: d}]\n",
             image);
    CU_ASSERT_EQUAL(parse_exactly(folder, yaml, strlen(yaml), &config, &error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/lab.yaml:2: elements[0].image: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, message));
    snprintf(yaml, sizeof(yaml), LEAST "run-dir: %s\n", image);
    CU_ASSERT_EQUAL(parse_exactly(folder, yaml, strlen(yaml), &config, &error), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/lab.yaml:6: run-dir: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, message));
}

void add_message_tests(CU_pSuite suite)
{
    CU_ADD_TEST(suite, message_keeps_its_end_when_the_path_is_long);
    CU_ADD_TEST(suite, message_is_one_line_whatever_the_path);
    CU_ADD_TEST(suite, message_cuts_values_between_characters);
    CU_ADD_TEST(suite, refuses_paths_too_long_once_resolved);
}
