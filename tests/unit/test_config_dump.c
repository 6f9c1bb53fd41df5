/*
 * A configuration that is written as text is read as the same one: what examples say, what is odd,
 * and what chance makes.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/config/config_dump.h"
#include "controller/config/config_schema.h"
#include "shm/limits.h"
#include "tests/unit/unit.h"

enum { RANDOM_CONFIGS = 300 };

#define HERE "/some where/\xc3\xbc"

static struct config *parse(const char *path, const char *text)
{
    struct config_error error = {""};
    struct config *config = NULL;

    if (config_parse(path, text, strlen(text), &config, &error) != 0)
        printf("\n%s\n    refused: %s\n", text, error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    return config;
}

static char *dump(const struct config *config)
{
    char *text = NULL;

    const struct config_dump_wanted wanted = {.folder = HERE, .omit = CONFIG_NONE};

    CU_ASSERT_EQUAL_FATAL(config_dump(config, &wanted, &text), 0);
    return text;
}

/* --- the same configuration, field by field --- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* A path that was not absolute is, by now. */
static bool same_path(const char *was, const char *is)
{
    size_t bytes = strlen(HERE "/");

    if (was[0] == '/')
        return strcmp(was, is) == 0;
    return strncmp(is, HERE "/", bytes) == 0 && strcmp(is + bytes, was) == 0;
}

static bool same_element(const struct config_element *a, const struct config_element *b)
{
    return same_text(a->name, b->name) && same_path(a->image, b->image) &&
           a->size_bytes == b->size_bytes && a->controller == b->controller &&
           a->read_only == b->read_only && a->superblock == b->superblock &&
           a->checksums == b->checksums && a->missing_ok == b->missing_ok &&
           a->redundant_volume == b->redundant_volume;
}

static bool same_volume(const struct config_volume *a, const struct config_volume *b)
{
    return same_text(a->name, b->name) && same_text(a->description, b->description) &&
           a->element == b->element && a->offset_bytes == b->offset_bytes &&
           a->size_bytes == b->size_bytes && a->layout == b->layout &&
           a->chunk_bytes == b->chunk_bytes && a->copies == b->copies &&
           a->members_count == b->members_count &&
           (a->members_count == 0 ||
            memcmp(a->members, b->members, a->members_count * sizeof *a->members) == 0) &&
           a->member_of == b->member_of && a->read_only == b->read_only && a->export == b->export &&
           a->export_said == b->export_said && a->rotational == b->rotational;
}

static bool same_settings(const struct config *a, const struct config *b)
{
    return same_text(a->array, b->array) && same_path(a->run_dir, b->run_dir) &&
           a->controllers == b->controllers && a->cache.size_bytes == b->cache.size_bytes &&
           a->cache.mode == b->cache.mode && a->cache.policy == b->cache.policy &&
           same_text(a->tcp_host, b->tcp_host) && a->tcp_port == b->tcp_port &&
           a->buffers_bytes == b->buffers_bytes && a->connections == b->connections &&
           a->handshake_seconds == b->handshake_seconds && a->placement == b->placement &&
           a->heartbeat_seconds == b->heartbeat_seconds &&
           a->follow_traffic_seconds == b->follow_traffic_seconds && a->restart == b->restart &&
           memcmp(&a->interconnect, &b->interconnect, sizeof a->interconnect) == 0 &&
           a->slots == b->slots && a->ring_entries == b->ring_entries &&
           a->coordination.policy == b->coordination.policy &&
           a->coordination.region_bytes == b->coordination.region_bytes &&
           a->takeover == b->takeover && a->failback == b->failback &&
           a->rebuild_rate_bytes == b->rebuild_rate_bytes && a->trace.level == b->trace.level &&
           a->trace.events == b->trace.events && a->intents_clear_ns == b->intents_clear_ns;
}

static bool same_config(const struct config *a, const struct config *b)
{
    bool same = same_settings(a, b) && a->elements_count == b->elements_count &&
                a->volumes_count == b->volumes_count;

    for (uint32_t i = 0; i < a->elements_count && same; i++)
        same = same_element(&a->elements[i], &b->elements[i]);
    for (uint32_t i = 0; i < a->volumes_count && same; i++)
        same = same_volume(&a->volumes[i], &b->volumes[i]);
    return same;
}

/* Text -> configuration -> dump -> configuration -> dump: the same twice. */
static void expect_round_trip(const char *text)
{
    struct config *config = parse("lab.yaml", text);
    char *first = dump(config);
    struct config *again = parse("/elsewhere/dumped.yaml", first);
    char *second = dump(again);

    if (!same_config(config, again) || strcmp(first, second) != 0)
        printf("\n%s\n    was dumped as\n%s\n    and that as\n%s\n", text, first, second);
    CU_ASSERT_TRUE(same_config(config, again));
    CU_ASSERT_STRING_EQUAL(first, second);
    free(first);
    free(second);
    config_free(config);
    config_free(again);
}

/* --- what is said on purpose --- */

static void every_layout(void)
{
    expect_round_trip("array: lab\n"
                      "controllers: 2\n"
                      "elements:\n"
                      "  - {name: a, image: a.img, size: 1GiB}\n"
                      "  - {name: b, image: sub/b.img, size: 1GB, controller: 1}\n"
                      "  - {name: c, image: /c.img, superblock: true}\n"
                      "  - {name: d, image: ../d.img, read-only: true}\n"
                      "  - {name: e, image: ./e.img, superblock: false}\n"
                      "volumes:\n"
                      "  - {name: first, layout: concat, members: [e0, d0]\n, read-only: true}\n"
                      "  - {name: a0, element: a, size: 64MiB}\n"
                      "  - {name: a1, element: a, offset: 64MiB, size: 64MiB, export: true}\n"
                      "  - {name: a2, element: a, offset: 128MiB, size: 64MiB}\n"
                      "  - {name: a3, element: a, offset: 192MiB, size: 64MiB}\n"
                      "  - {name: a4, element: a, offset: 256MiB}\n"
                      "  - {name: b0, element: b, size: 64MiB}\n"
                      "  - {name: b1, element: b, offset: 64MiB, size: 1000000}\n"
                      "  - {name: b2, element: b, offset: 128MiB, size: 64MiB}\n"
                      "  - {name: b3, element: b, offset: 192MiB, size: 64MiB}\n"
                      "  - {name: c0, element: c, size: 64MiB}\n"
                      "  - {name: c2, element: c, offset: 128MiB, size: 64MiB}\n"
                      "  - {name: d0, element: d}\n"
                      "  - {name: e0, element: e, size: 1}\n"
                      "  - {name: s, layout: stripe, members: [b3], export: false}\n"
                      "  - {name: m, layout: mirror, members: [c0, a0], description: ''}\n"
                      "  - {name: t, layout: raid10, copies: 2, members: [b1, a1]}\n"
                      "  - {name: r, layout: raid5, chunk: 4KiB, members: [b2, a2, c2]}\n");
}

static void odd_names_and_texts(void)
{
    expect_round_trip(
        "array: 'null'\n"
        "elements:\n"
        "  - {name: 'true', image: \"a \\\"b\\\\c\\u2028\\u0085\\uFEFF: #{}[],&*.img\"}\n"
        "  - {name: 'no', image: '-'}\n"
        "volumes:\n"
        "  - {name: '0x1F', element: 'true', description: \"'\\\"\\\\ \\U0001F600\\xFF\"}\n"
        "  - {name: 1e3, element: 'no', description: '  {a: b}  # c'}\n"
        "ports: {tcp: \"[fe80::1%eth0]:0\"}\n");
}

/* A field that config_dump does not know would be lost without a word. */
static void every_field_is_written(void)
{
    struct config *config = parse(
        "lab.yaml", "array: lab\n"
                    "elements: [{name: a, image: a, size: 1MiB, superblock: true,\n"
                    "   checksums: true, missing-ok: true}, {name: b, image: b, size: 1MiB}]\n"
                    "volumes: [{name: v, element: a, size: 64KiB, description: d, export: true},\n"
                    "  {name: w, element: b},\n"
                    "  {name: r, layout: raid10, members: [v, w]}]\n"
                    "ports: {tcp: 'localhost:10809'}\n"
                    "interconnect: {model: loop}\n"
                    "rebuild: {rate: 1MiB}\n"
                    "journal: j\njournal-size: 20MiB\n");
    char *text = dump(config);
    char wanted[64];

    for (unsigned part = 0; part < CONFIG_PARTS; part++) {
        const struct config_mapping *mapping = &config_mappings[part];
        for (unsigned field = 0; mapping->fields[field].key != NULL; field++) {
            snprintf(wanted, sizeof wanted, "%s:", mapping->fields[field].key);
            if (strstr(text, wanted) == NULL)
                printf("\n    %s is missing in\n%s\n", wanted, text);
            CU_ASSERT_PTR_NOT_NULL(strstr(text, wanted));
        }
    }
    free(text);
    config_free(config);
}

static void paths_are_absolute(void)
{
    struct config *config = parse("sub/./dir/lab.yaml", "array: lab\n"
                                                        "elements: [{name: a, image: ../a.img}]\n"
                                                        "volumes: [{name: v, element: a}]\n");
    char *text = dump(config);

    CU_ASSERT_PTR_NOT_NULL(strstr(text, "run-dir: \"" HERE "/sub/dir/lab.run\"\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "image: \"" HERE "/sub/dir/../a.img\""));
    free(text);
    config_free(config);
}

/* --- what chance makes --- */

static unsigned seed;

static uint32_t below(uint32_t limit)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % limit;
}

#define PICK(list) (list)[below(sizeof(list) / sizeof((list)[0]))]

/* " key: value," or nothing. */
__attribute__((format(printf, 2, 3))) static void maybe(FILE *out, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (below(2) == 0)
        vfprintf(out, format, arguments);
    va_end(arguments);
}

static const char *const switches[] = {"true", "false"};
static const char *const texts[] = {"plain", "'it''s'", "\"\\\"\\\\\"", "\"\\u2029\xc3\xa4\"",
                                    "''"};

static void random_settings(FILE *out)
{
    static const char *const modes[] = {"off", "write-through", "write-back"};
    static const char *const policies[] = {"s3-fifo", "sieve", "arc", "lru"};
    static const char *const places[] = {"auto", "none", "spread"};
    static const char *const orders[] = {"strict", "writes", "none"};
    static const char *const levels[] = {"off", "events"};
    static const char *const addresses[] = {"localhost:0", "127.0.0.1:10809", "\"[::1]:1\""};

    fprintf(out, "array: a%u\ncontrollers: 8\n", below(100));
    maybe(out, "run-dir: %s%u\n", below(2) == 0 ? "/r" : "r/", below(10));
    maybe(out, "cache: {size: %uKiB, mode: %s, policy: %s}\n", 1024 + below(9999), PICK(modes),
          PICK(policies));
    maybe(out, "buffers: {size: %u}\n", BUFFERS_BYTES_MIN + below(1 << 20));
    maybe(out, "connections: %u\n", 1 + below(4096));
    maybe(out, "handshake-timeout: %u\n", 1 + below(3600));
    maybe(out, "placement: %s\n", PICK(places));
    maybe(out, "heartbeat: %u\n", below(3601));
    maybe(out, "follow-traffic: %u\n", below(3601));
    maybe(out, "restart: on-death\n");
    if (below(2) == 0)
        maybe(out, "interconnect: {slots: %u, ring-entries: %u}\n", 1 + below(4096),
              2u << below(11));
    else
        maybe(out,
              "interconnect: {model: loop, latency: %uus, hop-delay: %uns, bandwidth: %uMiB,\n"
              "  share: true, wait: %u}\n",
              below(1000), below(1000), 1 + below(1000), below(3601));
    maybe(out, "coordination: {policy: %s, region: %u}\n", PICK(orders),
          REGION_BYTES_MIN << below(9));
    maybe(out, "rebuild: {rate: %uMiB}\n", 1 + below(100));
    maybe(out, "trace: {level: %s, events: %u}\n", PICK(levels), 1024u << below(4));
    maybe(out, "intents: {clear-after: %ums}\n", below(3600001));
    maybe(out, "ports: {tcp: %s}\n", PICK(addresses));
}

enum { ELEMENTS = 8, EACH = 3, VOLUME_MIB = 64 };

static void random_elements(FILE *out)
{
    fputs("elements:\n", out);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        fprintf(out, "  - {name: e%u, image: %si%u.img, controller: %u,", i,
                below(2) == 0 ? "/" : "sub/", i, below(8));
        bool sized = below(2) == 0;
        if (sized)
            fprintf(out, " size: %uMiB,", EACH * VOLUME_MIB + below(1000));
        if (sized)
            maybe(out, " missing-ok: %s,", PICK(switches));
        maybe(out, " superblock: true,");
        maybe(out, " checksums: %s,", PICK(switches));
        fputs("}\n", out);
    }
}

static void random_volume_fields(FILE *out)
{
    maybe(out, " description: %s,", PICK(texts));
    maybe(out, " export: %s,", PICK(switches));
    maybe(out, " rotational: %s,", PICK(switches));
    fputs("}\n", out);
}

/* pE-N is the Nth on element E; virtual volume N takes the Nth of several elements. */
static void random_virtual(FILE *out, unsigned number)
{
    static const struct {
        const char *name;
        unsigned least, most;
        bool chunked;
    } layouts[] = {{"concat", 1, 8, false}, {"stripe", 1, 8, true}, {"mirror", 2, 8, false},
                   {"raid10", 2, 4, true},  {"raid5", 3, 8, true},  {"raid6", 4, 8, true}};
    unsigned kind = below(6), first = below(ELEMENTS);
    unsigned count = layouts[kind].least + below(layouts[kind].most - layouts[kind].least + 1);

    fprintf(out, "  - {name: x%u, layout: %s, members: [", number, layouts[kind].name);
    count = kind == 3 ? count / 2 * 2 : count;
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "p%u-%u, ", (first + i) % ELEMENTS, number);
    fputs("],", out);
    if (layouts[kind].chunked)
        maybe(out, " chunk: %uKiB,", 4u << below(10));
    if (kind == 3)
        maybe(out, " copies: 2,");
    random_volume_fields(out);
}

static void random_volumes(FILE *out)
{
    fputs("volumes:\n", out);
    for (unsigned i = 0; i < ELEMENTS * EACH; i++) {
        fprintf(out, "  - {name: p%u-%u, element: e%u, offset: %uMiB, size: %uKiB,", i / EACH,
                i % EACH, i / EACH, i % EACH * VOLUME_MIB, 32768 + below(32768));
        random_volume_fields(out);
    }
    for (unsigned i = 0; i < EACH; i++)
        random_virtual(out, i);
}

static void random_ones(void)
{
    for (unsigned i = 0; i < RANDOM_CONFIGS; i++) {
        char *text = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&text, &bytes);

        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        random_settings(out);
        random_elements(out);
        random_volumes(out);
        CU_ASSERT_EQUAL_FATAL(fclose(out), 0);
        expect_round_trip(text);
        free(text);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every layout is read as it was written", every_layout},
        {"so are odd names and texts", odd_names_and_texts},
        {"every field of the schema is written", every_field_is_written},
        {"every path is absolute", paths_are_absolute},
        {"random configurations are read as they were written", random_ones},
    };
    const char *given = getenv("ANYPORT_TEST_SEED");

    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    printf("seed %u (ANYPORT_TEST_SEED repeats it)\n", seed);
    return UNIT_RUN("config_dump", tests);
}
