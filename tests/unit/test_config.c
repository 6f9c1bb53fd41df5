/*
 * What a configuration means when it is accepted, and what is said of one that is not.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CUnit/Basic.h>

#include "controller/config/config.h"
#include "shm/limits.h"
#include "tests/unit/test_config.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)
#define GIB(n) ((uint64_t)(n) << 30)

const char config_full[] = "array: full\n"
                           "run-dir: run/full\n"
                           "controllers: 4\n"
                           "cache: {size: 1GiB, mode: write-back, policy: arc, in-memory: true}\n"
                           "elements:\n"
                           "  - name: d0\n"
                           "    image: d0.img\n"
                           "    size: 10GB\n"
                           "    controller: 3\n"
                           "    read-only: true\n"
                           "  - {name: d1, image: /images/d1.img}\n"
                           "volumes:\n"
                           "  - {name: v0, element: d1, offset: 1MiB, size: 64KiB,\n"
                           "     description: \"scratch: \xc3\xa4\", read-only: true,\n"
                           "     export: false, rotational: true}\n"
                           "  - {name: v1, element: d0, read-only: false}\n"
                           "ports: {tcp: \"[::1]:10809\"}\n"
                           "buffers: {size: 48MiB}\n"
                           "connections: 4096\n"
                           "handshake-timeout: 3600\n"
                           "placement: spread\n"
                           "heartbeat: 3600\n"
                           "follow-traffic: 3600\n"
                           "restart: on-death\n"
                           "interconnect: {model: direct, slots: 4096, ring-entries: 2}\n";

/* --- helpers --- */

int parse_exactly(const char *path, const char *yaml, size_t yaml_bytes, struct config **ret_config,
                  struct config_error *ret_error)
{
    char *copy = malloc(yaml_bytes ? yaml_bytes : 1);
    int result = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, yaml, yaml_bytes);
    result = config_parse(path, copy, yaml_bytes, ret_config, ret_error);
    free(copy);
    return result;
}

struct config *expect_config(const char *path, const char *yaml)
{
    struct config_error error = {""};
    struct config *config = NULL;
    int result = parse_exactly(path, yaml, strlen(yaml), &config, &error);

    if (result < 0)
        printf("\n    refused: %s\n", error.text);
    CU_ASSERT_EQUAL_FATAL(result, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    return config;
}

void expect_message(const char *got, const char *expected)
{
    if (strcmp(got, expected) != 0)
        printf("\n    message:  %s\n    expected: %s\n", got, expected);
    CU_ASSERT_STRING_EQUAL(got, expected);
}

void expect_refusal(const char *yaml, size_t yaml_bytes, const char *message)
{
    struct config_error error = {""};
    struct config *config = NULL;
    int result = parse_exactly("lab.yaml", yaml, yaml_bytes, &config, &error);

    CU_ASSERT_EQUAL(result, -EINVAL);
    CU_ASSERT_PTR_NULL(config);
    expect_message(error.text, message);
    config_free(config);
}

void text_begin(struct text *text, const char *start)
{
    text->stream = open_memstream(&text->bytes, &text->used);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text->stream);
    fputs(start, text->stream);
}

void text_repeat(struct text *text, const char *piece, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        fputs(piece, text->stream);
}

void expect_text_refused(struct text *text, const char *message)
{
    fclose(text->stream);
    expect_refusal(text->bytes, text->used, message);
    free(text->bytes);
}

/* --- what is accepted --- */

static void has_defaults(void)
{
    struct config *config = expect_config("/etc/lab.yaml", LEAST);

    CU_ASSERT_STRING_EQUAL(config->path, "/etc/lab.yaml");
    CU_ASSERT_STRING_EQUAL(config->folder, "/etc");
    CU_ASSERT_STRING_EQUAL(config->array, "lab");
    CU_ASSERT_STRING_EQUAL(config->run_dir, "/etc/lab.run");
    CU_ASSERT_EQUAL(config->controllers, 1);
    CU_ASSERT_EQUAL(config->cache.size_bytes, MIB(64));
    CU_ASSERT_EQUAL(config->cache.mode, CACHE_WRITE_THROUGH);
    CU_ASSERT_FALSE(config->cache.in_memory);
    CU_ASSERT_EQUAL(config->cache.policy, CACHE_S3_FIFO);
    CU_ASSERT_PTR_NULL(config->tcp_host);
    CU_ASSERT_EQUAL(config->buffers_bytes, BUFFERS_BYTES_DEFAULT);
    CU_ASSERT_EQUAL(config->connections, CONNECTIONS_DEFAULT);
    CU_ASSERT_EQUAL(config->handshake_seconds, HANDSHAKE_SECONDS_DEFAULT);
    CU_ASSERT_EQUAL(config->placement, PLACEMENT_AUTO);
    CU_ASSERT_EQUAL(config->heartbeat_seconds, 2);
    CU_ASSERT_EQUAL(config->follow_traffic_seconds, 0);
    CU_ASSERT_EQUAL(config->restart, RESTART_NEVER);
    CU_ASSERT_EQUAL(config->interconnect.model, MODEL_DIRECT);
    CU_ASSERT_EQUAL(config->interconnect.share, 0);
    CU_ASSERT_EQUAL(config->interconnect.bandwidth, 0);
    CU_ASSERT_EQUAL(config->interconnect.wait_ns,
                    INTERCONNECT_WAIT_SECONDS_DEFAULT * UINT64_C(1000000000));
    CU_ASSERT_EQUAL(config->slots, SLOTS_DEFAULT);
    CU_ASSERT_EQUAL(config->ring_entries, RING_ENTRIES_DEFAULT);
    config_free(config);
}

static void models_have_settings_and_defaults(void)
{
    struct config *config = expect_config(
        "lab.yaml", LEAST "interconnect: {model: loop, share: true, wait: 0, latency: 3us,\n"
                          "  bandwidth: 100MB, hop-delay: 40ns}\n");

    CU_ASSERT_EQUAL(config->interconnect.model, MODEL_LOOP);
    CU_ASSERT_EQUAL(config->interconnect.share, 1);
    CU_ASSERT_EQUAL(config->interconnect.wait_ns, 0);
    CU_ASSERT_EQUAL(config->interconnect.latency_ns, 3000);
    CU_ASSERT_EQUAL(config->interconnect.bandwidth, 100000000);
    CU_ASSERT_EQUAL(config->interconnect.hop_delay_ns, 40);
    config_free(config);
    config = expect_config("lab.yaml", LEAST "interconnect: {model: switch}\n");
    CU_ASSERT_EQUAL(config->interconnect.latency_ns, INTERCONNECT_LATENCY_NS_DEFAULT);
    CU_ASSERT_EQUAL(config->interconnect.bandwidth, INTERCONNECT_BANDWIDTH_DEFAULT);
    CU_ASSERT_EQUAL(config->interconnect.hop_delay_ns, 0);
    config_free(config);
}

static void elements_and_volumes_have_defaults(void)
{
    struct config *config = expect_config("lab.yaml", LEAST);

    CU_ASSERT_EQUAL_FATAL(config->elements_count, 1);
    CU_ASSERT_EQUAL(config->elements[0].size_bytes, 0);
    CU_ASSERT_EQUAL(config->elements[0].controller, 0);
    CU_ASSERT_FALSE(config->elements[0].read_only);
    CU_ASSERT_EQUAL(config->elements[0].line, 3);
    CU_ASSERT_EQUAL_FATAL(config->volumes_count, 1);
    CU_ASSERT_PTR_NULL(config->volumes[0].description);
    CU_ASSERT_EQUAL(config->volumes[0].element, 0);
    CU_ASSERT_EQUAL(config->volumes[0].offset_bytes, 0);
    CU_ASSERT_EQUAL(config->volumes[0].size_bytes, 0);
    CU_ASSERT_FALSE(config->volumes[0].read_only);
    CU_ASSERT_TRUE(config->volumes[0].export);
    CU_ASSERT_FALSE(config->volumes[0].rotational);
    CU_ASSERT_EQUAL(config->volumes[0].line, 5);
    config_free(config);
}

static void takes_every_setting(void)
{
    struct config *config = expect_config("full.yaml", config_full);

    CU_ASSERT_STRING_EQUAL(config->array, "full");
    CU_ASSERT_STRING_EQUAL(config->run_dir, "run/full");
    CU_ASSERT_EQUAL(config->controllers, 4);
    CU_ASSERT_EQUAL(config->cache.size_bytes, GIB(1));
    CU_ASSERT_EQUAL(config->cache.mode, CACHE_WRITE_BACK);
    CU_ASSERT_TRUE(config->cache.in_memory);
    CU_ASSERT_EQUAL(config->cache.policy, CACHE_ARC);
    CU_ASSERT_STRING_EQUAL(config->tcp_host, "::1");
    CU_ASSERT_EQUAL(config->tcp_port, 10809);
    CU_ASSERT_EQUAL(config->buffers_bytes, MIB(48));
    CU_ASSERT_EQUAL(config->connections, 4096);
    CU_ASSERT_EQUAL(config->handshake_seconds, 3600);
    CU_ASSERT_EQUAL(config->placement, PLACEMENT_SPREAD);
    CU_ASSERT_EQUAL(config->heartbeat_seconds, 3600);
    CU_ASSERT_EQUAL(config->follow_traffic_seconds, 3600);
    CU_ASSERT_EQUAL(config->restart, RESTART_ON_DEATH);
    CU_ASSERT_EQUAL(config->slots, 4096);
    CU_ASSERT_EQUAL(config->ring_entries, 2);
    config_free(config);
}

static void takes_every_field_of_an_element(void)
{
    struct config *config = expect_config("full.yaml", config_full);

    CU_ASSERT_EQUAL_FATAL(config->elements_count, 2);
    CU_ASSERT_STRING_EQUAL(config->elements[0].name, "d0");
    CU_ASSERT_STRING_EQUAL(config->elements[0].image, "d0.img");
    CU_ASSERT_EQUAL(config->elements[0].size_bytes, 10000000000);
    CU_ASSERT_EQUAL(config->elements[0].controller, 3);
    CU_ASSERT_TRUE(config->elements[0].read_only);
    CU_ASSERT_EQUAL(config->elements[0].line, 6);
    CU_ASSERT_STRING_EQUAL(config->elements[1].name, "d1");
    CU_ASSERT_STRING_EQUAL(config->elements[1].image, "/images/d1.img");
    CU_ASSERT_EQUAL(config->elements[1].line, 11);
    config_free(config);
}

static void takes_every_field_of_a_volume(void)
{
    struct config *config = expect_config("full.yaml", config_full);

    CU_ASSERT_EQUAL_FATAL(config->volumes_count, 2);
    CU_ASSERT_STRING_EQUAL(config->volumes[0].name, "v0");
    CU_ASSERT_STRING_EQUAL(config->volumes[0].description, "scratch: \xc3\xa4");
    CU_ASSERT_EQUAL(config->volumes[0].element, 1);
    CU_ASSERT_EQUAL(config->volumes[0].offset_bytes, MIB(1));
    CU_ASSERT_EQUAL(config->volumes[0].size_bytes, KIB(64));
    CU_ASSERT_TRUE(config->volumes[0].read_only);
    CU_ASSERT_FALSE(config->volumes[0].export);
    CU_ASSERT_TRUE(config->volumes[0].rotational);
    CU_ASSERT_EQUAL(config->volumes[0].line, 13);
    CU_ASSERT_EQUAL(config->volumes[1].line, 16);
    config_free(config);
}

/* The second volume says `read-only: false`; its element is read-only. */
static void volume_of_a_read_only_element_is_read_only(void)
{
    struct config *config = expect_config("full.yaml", config_full);

    CU_ASSERT_EQUAL(config->volumes[1].element, 0);
    CU_ASSERT_TRUE(config->volumes[1].read_only);
    config_free(config);
}

static void takes_every_choice(void)
{
    static const char *const modes[] = {"off", "write-through", "write-back"};
    static const char *const policies[] = {"s3-fifo", "sieve", "arc", "lru"};
    static const char *const placements[] = {"auto", "none", "spread"};
    char yaml[512];

    for (unsigned i = 0; i < 12; i++) {
        struct config *config = NULL;

        snprintf(yaml, sizeof(yaml), LEAST "cache: {mode: %s, policy: %s}\nplacement: %s\n",
                 modes[i % 3], policies[i % 4], placements[i % 3]);
        config = expect_config("lab.yaml", yaml);
        CU_ASSERT_EQUAL(config->cache.mode, (enum cache_mode)(i % 3));
        CU_ASSERT_EQUAL(config->cache.policy, (enum cache_policy_kind)(i % 4));
        CU_ASSERT_EQUAL(config->placement, (enum config_placement)(i % 3));
        CU_ASSERT_STRING_EQUAL(config_cache_mode_name(config->cache.mode), modes[i % 3]);
        CU_ASSERT_STRING_EQUAL(config_cache_policy_name(config->cache.policy), policies[i % 4]);
        config_free(config);
    }
}

static void rounds_buffers_and_cache_up_to_blocks(void)
{
    struct config *config =
        expect_config("lab.yaml", LEAST "cache: {size: 1048577}\nbuffers: {size: 41943041}\n");

    CU_ASSERT_EQUAL(config->cache.size_bytes, MIB(1) + BLOCK_BYTES);
    CU_ASSERT_EQUAL(config->buffers_bytes, MIB(40) + BLOCK_BYTES);
    config_free(config);
}

static void resolves_paths_against_its_folder(void)
{
    static const struct {
        const char *path;
        const char *image;
        const char *resolved;
    } cases[] = {
        {"lab.yaml", "d.img", "d.img"},
        {"lab.yaml", "./d.img", "d.img"},
        {"lab.yaml", "/d.img", "/d.img"},
        {"./lab.yaml", "d.img", "d.img"},
        {"a/lab.yaml", "d.img", "a/d.img"},
        {"a//lab.yaml", "b//./c/d.img", "a/b/c/d.img"},
        {"/lab.yaml", "d.img", "/d.img"},
        {"/a/b/lab.yaml", "../d.img", "/a/b/../d.img"},
        {"../lab.yaml", "d.img", "../d.img"},
        {"/a/lab.yaml", "//dev//disk/.", "/dev/disk"},
        {"a/lab.yaml", ".d.img", "a/.d.img"},
        {"lab.yaml", "d.img.", "d.img."},
        {"lab.yaml", "./.", "."},
        {"/lab.yaml", "././", "/"},
    };
    char yaml[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = NULL;

        snprintf(yaml, sizeof(yaml),
                 "array: lab\nrun-dir: %s\nelements: [{name: d, image: %s}]\n"
                 "volumes: [{name: v, element: d}]\n",
                 cases[i].image, cases[i].image);
        config = expect_config(cases[i].path, yaml);
        CU_ASSERT_STRING_EQUAL(config->elements[0].image, cases[i].resolved);
        CU_ASSERT_STRING_EQUAL(config->run_dir, cases[i].resolved);
        config_free(config);
    }
}

static void takes_addresses(void)
{
    static const struct {
        const char *tcp;
        const char *host;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"0.0.0.0:10809", "0.0.0.0", 10809},
        {"localhost:65534", "localhost", 65534},
        {"a-b.example.org:1", "a-b.example.org", 1},
        {"'[::]:10809'", "::", 10809},
        {"'[fe80::1%eth0]:1'", "fe80::1%eth0", 1},
        {"'[::ffff:1.2.3.4]:1'", "::ffff:1.2.3.4", 1},
    };
    char yaml[512];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config *config = NULL;

        snprintf(yaml, sizeof(yaml), LEAST "ports: {tcp: %s}\n", cases[i].tcp);
        config = expect_config("lab.yaml", yaml);
        CU_ASSERT_STRING_EQUAL(config->tcp_host, cases[i].host);
        CU_ASSERT_EQUAL(config->tcp_port, cases[i].port);
        config_free(config);
    }
}

static void takes_neighbouring_volumes(void)
{
    struct config *config =
        expect_config("lab.yaml", "array: lab\n"
                                  "elements:\n"
                                  "  - {name: d0, image: d0.img, size: 1MiB}\n"
                                  "  - {name: d1, image: d1.img}\n"
                                  "volumes:\n"
                                  "  - {name: c, element: d0, offset: 8KiB}\n"
                                  "  - {name: a, element: d0, size: 4KiB}\n"
                                  "  - {name: b, element: d0, offset: 4KiB, size: 4KiB}\n"
                                  "  - {name: d0, element: d1, offset: 1PiB}\n"
                                  "  - {name: e, element: d1, size: 1PiB}\n");

    CU_ASSERT_EQUAL(config->volumes_count, 5);
    CU_ASSERT_EQUAL(config->volumes[0].offset_bytes, KIB(8));
    CU_ASSERT_EQUAL(config->volumes[0].size_bytes, 0);
    CU_ASSERT_EQUAL(config->volumes[3].element, 1);
    config_free(config);
}

/* Windows editors: a byte order mark, CR LF. */
static void takes_other_editors_files(void)
{
    struct config *config = expect_config("lab.yaml", "\xef\xbb\xbf"
                                                      "array: lab\r\n"
                                                      "elements:\r\n"
                                                      "- {name: d0, image: \"\xc3\xa4.img\"}\r\n"
                                                      "volumes:\r\n"
                                                      "- {name: v0, element: d0}\r\n");

    CU_ASSERT_STRING_EQUAL(config->elements[0].image, "\xc3\xa4.img");
    CU_ASSERT_EQUAL(config->volumes[0].line, 5);
    config_free(config);
}

static void takes_what_just_fits(void)
{
    struct config *config = NULL;
    char yaml[1024];
    char name[NAME_BYTES_MAX + 1];
    char description[DESCRIPTION_BYTES_MAX + 1];

    memset(name, 'n', NAME_BYTES_MAX);
    name[NAME_BYTES_MAX] = '\0';
    memset(description, 'd', DESCRIPTION_BYTES_MAX);
    description[DESCRIPTION_BYTES_MAX] = '\0';
    snprintf(yaml, sizeof(yaml),
             "array: %s\ncontrollers: 64\n"
             "elements: [{name: %s, image: d, size: 4611686018427387903, controller: 63}]\n"
             "volumes: [{name: %s, element: %s, offset: 4611686018427383808, description: %s}]\n"
             "ports: {tcp: \"h:65471\"}\n",
             name, name, name, name, description);
    config = expect_config("lab.yaml", yaml);
    CU_ASSERT_EQUAL(config->elements[0].size_bytes, ELEMENT_BYTES_MAX - 1);
    CU_ASSERT_EQUAL(config->volumes[0].offset_bytes, ELEMENT_BYTES_MAX - BLOCK_BYTES);
    CU_ASSERT_EQUAL(strlen(config->run_dir), NAME_BYTES_MAX + strlen(".run"));
    CU_ASSERT_EQUAL(config->tcp_port, 65471);
    config_free(config);
}

/* --- sizes --- */

static void parses_sizes(void)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"64KiB", KIB(64)},
        {"3MiB", MIB(3)},
        {"1GiB", GIB(1)},
        {"2TiB", GIB(2048)},
        {"4095PiB", GIB(4095) << 20},
        {"1K", KIB(1)},
        {"1M", MIB(1)},
        {"1G", GIB(1)},
        {"1T", GIB(1024)},
        {"1P", GIB(1024) << 10},
        {"1KB", 1000},
        {"1MB", 1000000},
        {"10GB", 10000000000},
        {"1TB", 1000000000000},
        {"1PB", 1000000000000000},
        {"4611686018427387903", ELEMENT_BYTES_MAX - 1},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 77;

        CU_ASSERT_EQUAL(config_parse_size(cases[i].text, &bytes), 0);
        CU_ASSERT_EQUAL(bytes, cases[i].bytes);
    }
}

static void refuses_what_is_no_size(void)
{
    static const char *const none[] = {"",      " ",        "-1",
                                       "+1",    " 1",       "1 ",
                                       "1 GiB", "1e9",      "0x10",
                                       "1.5G",  "1k",       "1kib",
                                       "1KIB",  "1Ki",      "1B",
                                       "GiB",   "00",       "01",
                                       "1EiB",  "1,000",    "1G1",
                                       "1GiB ", "1_0",      "1MiBs",
                                       "1\n",   "\xc2\xb2", "99999999999999999999x"};
    static const char *const large[] = {"4611686018427387904",
                                        "4096PiB",
                                        "4096P",
                                        "4612PB",
                                        "18446744073709551615",
                                        "18446744073709551616",
                                        "99999999999999999999",
                                        "18446744073709551615PiB"};
    uint64_t bytes = 77;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        CU_ASSERT_EQUAL(config_parse_size(none[i], &bytes), -EINVAL);
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        CU_ASSERT_EQUAL(config_parse_size(large[i], &bytes), -ERANGE);
    CU_ASSERT_EQUAL(bytes, 77);
}

/* --- files --- */

static char folder[] = "/tmp/test-config-XXXXXX";

static int make_folder(void)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void)
{
    return rmdir(folder);
}

static void loads_a_file(void)
{
    struct config_error error = {""};
    struct config *config = NULL;
    char path[64];
    char image[64];
    FILE *file = NULL;

    snprintf(path, sizeof(path), "%s/lab.yaml", folder);
    snprintf(image, sizeof(image), "%s/d0.img", folder);
    file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(LEAST, file);
    for (unsigned i = 0; i < 10000; i++)
        fputs("# more than what one read brings\n", file);
    fclose(file);
    CU_ASSERT_EQUAL(config_load(path, &config, &error), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    CU_ASSERT_STRING_EQUAL(config->folder, folder);
    CU_ASSERT_STRING_EQUAL(config->elements[0].image, image);
    CU_ASSERT_EQUAL(access(image, F_OK), -1);
    config_free(config);
    unlink(path);
}

static void says_why_a_file_cannot_be_read(void)
{
    struct config_error error = {""};
    struct config *config = NULL;

    CU_ASSERT_EQUAL(config_load("no/such.yaml", &config, &error), -ENOENT);
    expect_message(error.text, "no/such.yaml: file: cannot be read: No such file or directory");
    CU_ASSERT_EQUAL(config_load("/", &config, &error), -EISDIR);
    expect_message(error.text, "/: file: cannot be read: Is a directory");
    CU_ASSERT_PTR_NULL(config);
}

static void refuses_an_endless_file(void)
{
    struct config_error error = {""};
    struct config *config = NULL;

    CU_ASSERT_EQUAL(config_load("/dev/zero", &config, &error), -EINVAL);
    expect_message(error.text, "/dev/zero: file: too large; allowed: up to 64MiB");
    CU_ASSERT_EQUAL(config_load("/dev/null", &config, &error), -EINVAL);
    expect_message(error.text, "/dev/null:1: file: empty; allowed: a mapping of array, elements, "
                               "volumes and others");
    CU_ASSERT_PTR_NULL(config);
}

static void frees_nothing(void)
{
    config_free(NULL);
}

int main(void)
{
    CU_pSuite suite = NULL;
    unsigned failures = 0;

    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    suite = CU_add_suite("config", make_folder, remove_folder);
    CU_ADD_TEST(suite, has_defaults);
    CU_ADD_TEST(suite, models_have_settings_and_defaults);
    CU_ADD_TEST(suite, elements_and_volumes_have_defaults);
    CU_ADD_TEST(suite, takes_every_setting);
    CU_ADD_TEST(suite, takes_every_field_of_an_element);
    CU_ADD_TEST(suite, takes_every_field_of_a_volume);
    CU_ADD_TEST(suite, volume_of_a_read_only_element_is_read_only);
    CU_ADD_TEST(suite, takes_every_choice);
    CU_ADD_TEST(suite, rounds_buffers_and_cache_up_to_blocks);
    CU_ADD_TEST(suite, resolves_paths_against_its_folder);
    CU_ADD_TEST(suite, takes_addresses);
    CU_ADD_TEST(suite, takes_neighbouring_volumes);
    CU_ADD_TEST(suite, takes_other_editors_files);
    CU_ADD_TEST(suite, takes_what_just_fits);
    CU_ADD_TEST(suite, parses_sizes);
    CU_ADD_TEST(suite, refuses_what_is_no_size);
    add_refusal_tests(suite);
    add_virtual_tests(suite);
    add_hostile_tests(suite);
    add_message_tests(suite);
    CU_ADD_TEST(suite, loads_a_file);
    CU_ADD_TEST(suite, says_why_a_file_cannot_be_read);
    CU_ADD_TEST(suite, refuses_an_endless_file);
    CU_ADD_TEST(suite, frees_nothing);
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
