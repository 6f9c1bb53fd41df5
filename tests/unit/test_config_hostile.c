/*
 * Hostile configurations cost no more than a message.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/limits.h"
#include "tests/unit/test_config.h"

#define GIB(n) ((uint64_t)(n) << 30)

/* Nine levels of ten aliases each: a billion values if they were followed. */
static void refuses_an_alias_bomb(void)
{
    struct text text = {0};

    text_begin(&text, "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (char level = 'b'; level < 'j'; level++) {
        fprintf(text.stream, "%c: &%c [*%c", level, level, level - 1);
        for (unsigned i = 0; i < 9; i++)
            fprintf(text.stream, ", *%c", level - 1);
        fputs("]\n", text.stream);
    }
    expect_text_refused(&text,
                        "lab.yaml:1: a: unknown field; allowed: array, run-dir, controllers, "
                        "cache, elements, volumes, ports, buffers, connections, "
                        "handshake-timeout, placement, interconnect, coordination, trace, "
                        "rebuild, heartbeat, follow-traffic, restart, takeover, intents, journal, "
                        "journal-size");
}

/* The same where fields are known. */
static void refuses_an_alias_bomb_in_known_fields(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\n"
                      "elements: &e [{name: d, image: d}, {name: d, image: d}]\n"
                      "volumes: [*e, *e, *e, *e, *e, *e, *e, *e]\n");
    expect_text_refused(&text, "lab.yaml:2: elements: YAML anchor; allowed: the value itself");
}

static void refuses_a_huge_scalar(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\n\nrun-dir: ");
    text_repeat(&text, "0123456789abcdef", (10 << 20) / 16);
    expect_text_refused(&text, "lab.yaml:3: run-dir: too long; allowed: up to 8192 bytes");
}

static void refuses_a_huge_key(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\n? ");
    text_repeat(&text, "0123456789abcdef", (1 << 20) / 16);
    fputs("\n: 1\n", text.stream);
    expect_text_refused(&text, "lab.yaml:2: file: too long; allowed: up to 8192 bytes");
}

static void refuses_deep_nesting(void)
{
    struct text lists = {0};
    struct text mappings = {0};
    struct text blocks = {0};

    text_begin(&lists, "array: lab\ncache: ");
    text_begin(&mappings, "array: lab\ncache: ");
    text_begin(&blocks, "array: lab\nelements:\n");
    text_repeat(&lists, "[", 1000000);
    text_repeat(&mappings, "{a: ", 1000000);
    text_repeat(&blocks, "- ", 1000000);
    expect_text_refused(&lists, "lab.yaml:2: cache: a list; allowed: a mapping of size, mode, "
                                "policy, in-memory");
    expect_text_refused(&mappings, "lab.yaml:2: cache.a: unknown field; allowed: size, mode, "
                                   "policy, in-memory");
    expect_text_refused(&blocks, "lab.yaml:3: elements: an entry is no mapping; allowed: a list of "
                                 "1 to 4096 mappings of name, image, size, controller, read-only, "
                                 "superblock, checksums, missing-ok");
}

static void refuses_directives_before_they_are_compared(void)
{
    struct text text = {0};

    text_begin(&text, "# a directive is compared with all those before it\n");
    for (unsigned i = 0; i < 500000; i++)
        fprintf(text.stream, "%%TAG !%u! tag:x\n", i);
    expect_text_refused(&text, "lab.yaml:2: file: YAML directive; allowed: one document without "
                               "directives");
}

static void refuses_binary_garbage(void)
{
    static const char nul[] = "array: lab\nrun-dir: a\0b\n";
    static const char utf16[] = "\xff\xfe"
                                "a\0r\0r\0a\0y\0";
    unsigned state = 12345;
    char bytes[4096];

    expect_refusal(nul, sizeof(nul) - 1,
                   "lab.yaml:2: file: control character U+0000; allowed: printable text");
    expect_refusal(utf16, sizeof(utf16) - 1,
                   "lab.yaml:1: file: byte 0xff is not UTF-8; allowed: text in UTF-8");
    for (unsigned round = 0; round < 1000; round++) {
        struct config_error error = {""};
        struct config *config = NULL;

        for (size_t i = 0; i < sizeof(bytes); i++) {
            state = state * 1103515245u + 12345u;
            bytes[i] = (char)(state >> 16);
        }
        CU_ASSERT_EQUAL(parse_exactly("lab.yaml", bytes, sizeof(bytes), &config, &error), -EINVAL);
        CU_ASSERT_EQUAL(strncmp(error.text, "lab.yaml:", strlen("lab.yaml:")), 0);
    }
}

/* Cut anywhere, a file is refused, or what is left of it is a configuration of its own. */
static void survives_truncation_anywhere(void)
{
    unsigned refused = 0;

    for (size_t bytes = 0; bytes < strlen(config_full); bytes++) {
        struct config_error error = {""};
        struct config *config = NULL;
        int result = parse_exactly("lab.yaml", config_full, bytes, &config, &error);

        CU_ASSERT_TRUE(result == 0 || result == -EINVAL);
        CU_ASSERT_EQUAL(result == 0, config != NULL);
        CU_ASSERT_EQUAL(result == 0, error.text[0] == '\0');
        refused += result != 0;
        config_free(config);
    }
    CU_ASSERT_TRUE(refused > strlen(config_full) / 2);
}

static void refuses_too_many_elements(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\nelements:\n");
    for (unsigned i = 0; i <= ELEMENTS_MAX; i++)
        fprintf(text.stream, "- {name: d%u, image: d%u}\n", i, i);
    fputs("volumes:\n- {name: v0, element: d0}\n", text.stream);
    expect_text_refused(&text, "lab.yaml:4099: elements: more than 4096; allowed: a list of 1 to "
                               "4096 mappings of name, image, size, controller, read-only, "
                               "superblock, checksums, missing-ok");
}

static void refuses_too_many_volumes(void)
{
    struct text text = {0};

    text_begin(&text, "array: lab\nelements:\n- {name: d, image: d}\nvolumes:\n");
    for (unsigned i = 0; i <= VOLUMES_MAX; i++)
        fprintf(text.stream, "- {name: v%u, element: d}\n", i);
    expect_text_refused(&text,
                        "lab.yaml:131077: volumes: more than 131072; allowed: a list of 1 to "
                        "131072 mappings of name, element, offset, size, description, "
                        "read-only, export, rotational, layout, chunk, members, copies");
}

static void loads_a_hundred_thousand_volumes(void)
{
    enum { VOLUMES = 100000, ELEMENTS = 1000 };
    struct text text = {0};
    struct config *config = NULL;

    text_begin(&text, "array: lab\nelements:\n");
    for (unsigned i = 0; i < ELEMENTS; i++)
        fprintf(text.stream, "- {name: d%u, image: d%u, size: 1TiB}\n", i, i);
    fputs("volumes:\n", text.stream);
    for (unsigned i = 0; i < VOLUMES; i++)
        fprintf(text.stream, "- {name: v%u, element: d%u, offset: %uGiB, size: 1GiB}\n", i,
                i % ELEMENTS, i / ELEMENTS);
    fclose(text.stream);
    config = expect_config("lab.yaml", text.bytes);
    CU_ASSERT_EQUAL(config->elements_count, ELEMENTS);
    CU_ASSERT_EQUAL_FATAL(config->volumes_count, VOLUMES);
    for (unsigned i = 0; i < VOLUMES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "v%u", i);
        if (strcmp(config->volumes[i].name, name) != 0 ||
            config->volumes[i].element != i % ELEMENTS ||
            config->volumes[i].offset_bytes != GIB(i / ELEMENTS) ||
            config->volumes[i].line != 4 + ELEMENTS + i)
            CU_FAIL_FATAL("a volume is not what the file says");
    }
    config_free(config);
    free(text.bytes);
}

void add_hostile_tests(CU_pSuite suite)
{
    CU_ADD_TEST(suite, refuses_an_alias_bomb);
    CU_ADD_TEST(suite, refuses_an_alias_bomb_in_known_fields);
    CU_ADD_TEST(suite, refuses_a_huge_scalar);
    CU_ADD_TEST(suite, refuses_a_huge_key);
    CU_ADD_TEST(suite, refuses_deep_nesting);
    CU_ADD_TEST(suite, refuses_directives_before_they_are_compared);
    CU_ADD_TEST(suite, refuses_binary_garbage);
    CU_ADD_TEST(suite, survives_truncation_anywhere);
    CU_ADD_TEST(suite, refuses_too_many_elements);
    CU_ADD_TEST(suite, refuses_too_many_volumes);
    CU_ADD_TEST(suite, loads_a_hundred_thousand_volumes);
}
