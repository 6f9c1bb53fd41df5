/*
 * Virtual volumes and coordination in a configuration: what they mean when they are accepted, and
 * with which words they are refused.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <CUnit/CUnit.h>

#include "controller/config/config.h"
#include "controller/config/config_layout.h"
#include "shm/limits.h"
#include "tests/unit/test_config.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Line 1, lines 2 to 10 with elements d0 to d7 (d7 read-only), line 11. */
#define LAB                                                                                        \
    "array: lab\n"                                                                                 \
    "elements:\n"                                                                                  \
    "  - {name: d0, image: d0.img, size: 1GiB}\n"                                                  \
    "  - {name: d1, image: d1.img, size: 1GiB}\n"                                                  \
    "  - {name: d2, image: d2.img, size: 1GiB}\n"                                                  \
    "  - {name: d3, image: d3.img, size: 1GiB}\n"                                                  \
    "  - {name: d4, image: d4.img, size: 1GiB}\n"                                                  \
    "  - {name: d5, image: d5.img, size: 1GiB}\n"                                                  \
    "  - {name: d6, image: d6.img, size: 1GiB}\n"                                                  \
    "  - {name: d7, image: d7.img, size: 1GiB, read-only: true}\n"                                 \
    "volumes:\n"
/* Lines 12 to 21: v0 to v7 on an element each but for v8, which shares d0, and v9, which is
 * read-only. Line 22 is a virtual volume. */
#define VOLUMES                                                                                    \
    "  - {name: v0, element: d0, size: 64MiB}\n"                                                   \
    "  - {name: v1, element: d1}\n"                                                                \
    "  - {name: v2, element: d2}\n"                                                                \
    "  - {name: v3, element: d3}\n"                                                                \
    "  - {name: v4, element: d4}\n"                                                                \
    "  - {name: v5, element: d5}\n"                                                                \
    "  - {name: v6, element: d6, size: 512MiB}\n"                                                  \
    "  - {name: v7, element: d7}\n"                                                                \
    "  - {name: v8, element: d0, offset: 64MiB}\n"                                                 \
    "  - {name: v9, element: d6, offset: 512MiB, read-only: true}\n"
#define VIRTUAL(fields) LAB VOLUMES "  - {name: x, " fields "}\n"
#define TWO(one, other) LAB VOLUMES "  - {name: x, " one "}\n  - {name: y, " other "}\n"
#define BARE(fields)                                                                               \
    "array: lab\n"                                                                                 \
    "elements:\n"                                                                                  \
    "  - {name: d0, image: d0.img, size: 1GiB, superblock: false}\n"                               \
    "  - {name: d1, image: d1.img, size: 1GiB, superblock: true}\n"                                \
    "volumes: [{name: v0, element: d0}, {name: v1, element: d1}, {name: x, " fields "}]\n"
enum { X = 10, Y = 11 };

#define LAYOUTS      "concat, stripe, mirror, raid10, raid5, raid6"
#define CHUNK_RULE   "a power of two, 4KiB to 16MiB"
#define REGION_RULE  "a power of two, 256KiB to 64MiB"
#define EVENTS_RULE  "0, or a power of two, 1024 to 16777216"
#define MEMBERS_RULE "a list of 1 to 32 names of plain volumes"
#define ONLY_VIRTUAL "only a volume with a layout has it; allowed: with layout: " LAYOUTS
#define ONLY_PLAIN                                                                                 \
    "a virtual volume lies where its members do; allowed: layout, chunk, members, copies, or "     \
    "else element, offset, size"

static const struct refusal {
    const char *yaml;
    const char *message;
} refusals[] = {
    /* which fields go together */
    {VIRTUAL("layout: raid7, members: [v0]"),
     "lab.yaml:22: volumes[10].layout: 'raid7' is unknown; allowed: " LAYOUTS},
    {VIRTUAL("layout: stripe"),
     "lab.yaml:22: volumes[10].members: missing; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: []"),
     "lab.yaml:22: volumes[10].members: an empty list; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: v0"),
     "lab.yaml:22: volumes[10].members: a single value; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: {v0: v1}"),
     "lab.yaml:22: volumes[10].members: a mapping; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, [v1]]"),
     "lab.yaml:22: volumes[10].members: a list; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, ~]"),
     "lab.yaml:22: volumes[10].members: no value; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, a/b]"),
     "lab.yaml:22: volumes[10].members: 'a/b' is not a name; allowed: " MEMBERS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1], element: d0"),
     "lab.yaml:22: volumes[10].element: " ONLY_PLAIN},
    {VIRTUAL("layout: stripe, members: [v0, v1], offset: 4096"),
     "lab.yaml:22: volumes[10].offset: " ONLY_PLAIN},
    {VIRTUAL("layout: stripe, members: [v0, v1],\n size: 1GiB"),
     "lab.yaml:23: volumes[10].size: " ONLY_PLAIN},
    {VIRTUAL("members: [v0, v1]"), "lab.yaml:22: volumes[10].members: " ONLY_VIRTUAL},
    {VIRTUAL("element: d0, offset: 512MiB, chunk: 64KiB"),
     "lab.yaml:22: volumes[10].chunk: " ONLY_VIRTUAL},
    {VIRTUAL("element: d0, offset: 512MiB, copies: 2"),
     "lab.yaml:22: volumes[10].copies: " ONLY_VIRTUAL},

    /* chunks */
    {VIRTUAL("layout: stripe, chunk: 96KiB, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: '96KiB' is not a power of two; allowed: " CHUNK_RULE},
    {VIRTUAL("layout: stripe, chunk: 2KiB, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: '2KiB' is too small; allowed: " CHUNK_RULE},
    {VIRTUAL("layout: stripe, chunk: 32MiB, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: '32MiB' is too large; allowed: " CHUNK_RULE},
    {VIRTUAL("layout: stripe, chunk: large, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: 'large' is not a size; allowed: " CHUNK_RULE},
    {VIRTUAL("layout: concat, chunk: 64KiB, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: concat has no chunks, only stripe, raid10, raid5 and raid6 "
     "have; allowed: none given, or another layout"},
    {VIRTUAL("layout: mirror, chunk: 64KiB, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].chunk: mirror has no chunks, only stripe, raid10, raid5 and raid6 "
     "have; allowed: none given, or another layout"},

    /* how many */
    {VIRTUAL("layout: mirror, members: [v0]"),
     "lab.yaml:22: volumes[10].members: mirror has 2 to 8 members, not 1; allowed: that many "
     "members, or another layout"},
    {VIRTUAL("layout: mirror, members: [v0, v1, v2, v3, v4, v5, v6, v7, v8]"),
     "lab.yaml:22: volumes[10].members: mirror has 2 to 8 members, not 9; allowed: that many "
     "members, or another layout"},
    {VIRTUAL("layout: raid5, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].members: raid5 has 3 to 32 members, not 2; allowed: that many "
     "members, or another layout"},
    {VIRTUAL("layout: raid6, members: [v0, v1, v2]"),
     "lab.yaml:22: volumes[10].members: raid6 has 4 to 32 members, not 3; allowed: that many "
     "members, or another layout"},
    {VIRTUAL("layout: raid10, members: [v0, v1, v2]"),
     "lab.yaml:22: volumes[10].members: raid10 of 2 copies has a multiple of 2 members, not 3; "
     "allowed: that many members, or another layout"},
    {VIRTUAL("layout: raid10, copies: 3, members: [v0, v1, v2, v3]"),
     "lab.yaml:22: volumes[10].members: raid10 of 3 copies has a multiple of 3 members, not 4; "
     "allowed: that many members, or another layout"},
    {VIRTUAL("layout: raid10, copies: 9, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].copies: '9' is out of range; allowed: 2 to 8"},
    {VIRTUAL("layout: stripe, copies: 2, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].copies: stripe has no copies, only mirror and raid10 have; allowed: "
     "none given, or another layout"},
    {VIRTUAL("layout: mirror, copies: 3, members: [v0, v1]"),
     "lab.yaml:22: volumes[10].copies: mirror has as many copies as members, 2, not 3; allowed: "
     "none given, or another layout"},
    {VIRTUAL("layout: concat, members: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, "
             "a, a, a, a, a, a, a, a, a, a, a, a, a, a]"),
     "lab.yaml:22: volumes[10].members: more than 32; allowed: " MEMBERS_RULE},

    /* who */
    {VIRTUAL("layout: stripe, members: [v0, v99]"),
     "lab.yaml:22: volumes[10].members: there is no volume 'v99'; allowed: names of plain volumes"},
    {VIRTUAL("layout: stripe, members: [v0, x]"),
     "lab.yaml:22: volumes[10].members: x cannot be a member of itself; allowed: names of plain "
     "volumes"},
    {VIRTUAL("layout: stripe, members: [v0, v1, v0]"),
     "lab.yaml:22: volumes[10].members: v0 stands there twice; allowed: each member once"},
    {TWO("layout: stripe, members: [v0, v1]", "layout: concat, members: [v2, v1]"),
     "lab.yaml:23: volumes[11].members: v1 is already a member of x (line 22); allowed: each "
     "volume "
     "in one virtual volume"},
    {TWO("layout: stripe, members: [v0, y]", "layout: mirror, members: [v1, v2]"),
     "lab.yaml:22: volumes[10].members: y is a virtual volume itself; allowed: names of plain "
     "volumes (a stripe of mirrors is raid10)"},
    {VIRTUAL("layout: mirror, members: [v0, v1, v8]"),
     "lab.yaml:22: volumes[10].members: v0 and v8 both lie on element d0, and mirror would lose "
     "both with it; allowed: one member on each element"},
    {VIRTUAL("layout: raid10, members: [v8, v1, v0, v2]"),
     "lab.yaml:22: volumes[10].members: v8 and v0 both lie on element d0, and raid10 would lose "
     "both with it; allowed: one member on each element"},
    {VIRTUAL("layout: raid5, members: [v8, v1, v0]"),
     "lab.yaml:22: volumes[10].members: v8 and v0 both lie on element d0, and raid5 would lose "
     "both with it; allowed: one member on each element"},
    {VIRTUAL("layout: raid6, members: [v8, v1, v0, v2]"),
     "lab.yaml:22: volumes[10].members: v8 and v0 both lie on element d0, and raid6 would lose "
     "both with it; allowed: one member on each element"},
    {BARE("layout: mirror, members: [v1, v0]"),
     "lab.yaml:5: volumes[2].members: v0 lies on element d0 (line 3), which says superblock: "
     "false, "
     "and a mirror needs the superblocks of its members; allowed: members on elements that have "
     "one"},
    {VIRTUAL("layout: stripe, members: [v0, v9]"),
     "lab.yaml:22: volumes[10].members: v9 is read-only and x is not; allowed: members that can be "
     "written, or read-only: true"},
    {VIRTUAL("layout: stripe, members: [v7, v0], read-only: false"),
     "lab.yaml:22: volumes[10].members: v7 is read-only and x is not; allowed: members that can be "
     "written, or read-only: true"},

    /* coordination */
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {policy: strong}\n",
     "lab.yaml:23: coordination.policy: 'strong' is unknown; allowed: strict, writes, none"},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {region: 128KiB}\n",
     "lab.yaml:23: coordination.region: '128KiB' is too small; allowed: " REGION_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {region: 128MiB}\n",
     "lab.yaml:23: coordination.region: '128MiB' is too large; allowed: " REGION_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {region: 3MiB}\n",
     "lab.yaml:23: coordination.region: '3MiB' is not a power of two; allowed: " REGION_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {size: 1MiB}\n",
     "lab.yaml:23: coordination.size: unknown field; allowed: policy, region"},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "trace: {level: all}\n",
     "lab.yaml:23: trace.level: 'all' is unknown; allowed: off, events, commands, stages"},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "trace: {events: 512}\n",
     "lab.yaml:23: trace.events: '512' is out of range; allowed: " EVENTS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "trace: {events: 3000}\n",
     "lab.yaml:23: trace.events: '3000' is not a power of two; allowed: " EVENTS_RULE},
    {VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: strict\n",
     "lab.yaml:23: coordination: a single value; allowed: a mapping of policy, region"},
};

static void refuses_virtual_volumes(void)
{
    for (size_t i = 0; i < COUNT(refusals); i++)
        expect_refusal(refusals[i].yaml, strlen(refusals[i].yaml), refusals[i].message);
}

/* --- what is accepted --- */

/* The caller frees what is returned. */
static struct config *accepted(const char *yaml)
{
    struct config_error error = {""};
    struct config *config = NULL;

    if (config_parse("lab.yaml", yaml, strlen(yaml), &config, &error) < 0)
        printf("\n    refused: %s\n", error.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(config);
    return config;
}

static void takes_every_layout(void)
{
    static const struct {
        const char *yaml;
        enum layout_kind kind;
        uint32_t members, copies, chunk_bytes;
    } layouts[] = {
        {VIRTUAL("layout: concat, members: [v0]"), LAYOUT_CONCAT, 1, 1, 0},
        {VIRTUAL("layout: concat, members: [v8, v0]"), LAYOUT_CONCAT, 2, 1, 0},
        {VIRTUAL("layout: stripe, members: [v0, v8]"), LAYOUT_STRIPE, 2, 1, 64 << 10},
        {VIRTUAL("layout: stripe, members: [v0, v1], chunk: 4096"), LAYOUT_STRIPE, 2, 1, 4096},
        {VIRTUAL("layout: stripe, members: [v0, v1], chunk: 16MiB"), LAYOUT_STRIPE, 2, 1, 16 << 20},
        {VIRTUAL("layout: mirror, members: [v0, v1]"), LAYOUT_MIRROR, 2, 2, 0},
        {VIRTUAL("layout: mirror, members: [v0, v1, v2], copies: 3"), LAYOUT_MIRROR, 3, 3, 0},
        {VIRTUAL("layout: mirror, members: [v0, v1, v2, v3, v4, v5, v6, v7], read-only: true"),
         LAYOUT_MIRROR, 8, 8, 0},
        {VIRTUAL("layout: raid10, members: [v0, v1, v2, v3]"), LAYOUT_RAID10, 4, 2, 64 << 10},
        {VIRTUAL("layout: raid10, copies: 3, members: [v0, v1, v2, v3, v4, v5]"), LAYOUT_RAID10, 6,
         3, 64 << 10},
        {VIRTUAL("layout: raid5, members: [v0, v1, v2]"), LAYOUT_RAID5, 3, 1, 64 << 10},
        {VIRTUAL("layout: raid6, members: [v0, v1, v2, v3]"), LAYOUT_RAID6, 4, 1, 64 << 10},
    };

    for (size_t i = 0; i < COUNT(layouts); i++) {
        struct config *config = accepted(layouts[i].yaml);
        const struct config_volume *volume = &config->volumes[X];

        CU_ASSERT_EQUAL(volume->layout, layouts[i].kind);
        CU_ASSERT_EQUAL(volume->members_count, layouts[i].members);
        CU_ASSERT_EQUAL(volume->copies, layouts[i].copies);
        CU_ASSERT_EQUAL(volume->chunk_bytes, layouts[i].chunk_bytes);
        CU_ASSERT_EQUAL(volume->element, CONFIG_NONE);
        CU_ASSERT_EQUAL(volume->member_of, CONFIG_NONE);
        CU_ASSERT_EQUAL(volume->line, 22);
        config_free(config);
    }
}

static void members_keep_their_order_and_may_follow(void)
{
    struct config *config = accepted(LAB "  - {name: x, layout: stripe, members: [b, a]}\n"
                                         "  - {name: a, element: d0}\n"
                                         "  - {name: c, element: d1}\n"
                                         "  - {name: b, element: d2}\n");

    CU_ASSERT_EQUAL(config->volumes[0].members[0], 3);
    CU_ASSERT_EQUAL(config->volumes[0].members[1], 1);
    CU_ASSERT_EQUAL(config->volumes[1].member_of, 0);
    CU_ASSERT_EQUAL(config->volumes[2].member_of, CONFIG_NONE);
    CU_ASSERT_EQUAL(config->volumes[3].member_of, 0);
    CU_ASSERT_PTR_NULL(config->volumes[1].members);
    config_free(config);
}

static void members_are_not_exported_unless_they_say_so(void)
{
    struct config *config =
        accepted(LAB "  - {name: a, element: d0}\n"
                     "  - {name: b, element: d1, export: true}\n"
                     "  - {name: c, element: d2, export: false}\n"
                     "  - {name: d, element: d3}\n"
                     "  - {name: x, layout: stripe, members: [a, b, c]}\n"
                     "  - {name: y, layout: concat, members: [e], export: false}\n"
                     "  - {name: e, element: d4}\n");
    static const bool exported[] = {false, true, false, true, true, false, false};

    for (size_t i = 0; i < COUNT(exported); i++)
        CU_ASSERT_EQUAL(config->volumes[i].export, exported[i]);
    config_free(config);
}

static void a_read_only_member_needs_a_read_only_volume(void)
{
    struct config *config = accepted(VIRTUAL("layout: raid5, members: [v0, v7, v9], read-only: "
                                             "true"));

    CU_ASSERT_TRUE(config->volumes[X].read_only);
    CU_ASSERT_FALSE(config->volumes[0].read_only);
    config_free(config);
    config = accepted(VIRTUAL("layout: mirror, members: [v0, v1], read-only: true"));
    CU_ASSERT_TRUE(config->volumes[X].read_only);
    config_free(config);
}

static void virtual_volumes_have_what_all_volumes_have(void)
{
    struct config *config = accepted(VIRTUAL("layout: mirror, members: [v0, v1], description: safe,"
                                             " rotational: true"));

    CU_ASSERT_STRING_EQUAL(config->volumes[X].description, "safe");
    CU_ASSERT_TRUE(config->volumes[X].rotational);
    CU_ASSERT_TRUE(config->volumes[X].export);
    CU_ASSERT_FALSE(config->volumes[X].read_only);
    config_free(config);
}

static void takes_coordination(void)
{
    struct config *config = accepted(VIRTUAL("layout: stripe, members: [v0, v1]"));

    CU_ASSERT_EQUAL(config->coordination.policy, COORDINATION_STRICT);
    CU_ASSERT_EQUAL(config->coordination.region_bytes, REGION_BYTES_DEFAULT);
    config_free(config);
    config = accepted(VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {policy: writes, "
                                                                   "region: 256KiB}\n");
    CU_ASSERT_EQUAL(config->coordination.policy, COORDINATION_WRITES);
    CU_ASSERT_EQUAL(config->coordination.region_bytes, REGION_BYTES_MIN);
    config_free(config);
    config = accepted(VIRTUAL("layout: stripe, members: [v0, v1]") "coordination: {policy: none, "
                                                                   "region: 64MiB}\n");
    CU_ASSERT_EQUAL(config->coordination.policy, COORDINATION_NONE);
    CU_ASSERT_EQUAL(config->coordination.region_bytes, REGION_BYTES_MAX);
    config_free(config);
}

static void takes_trace(void)
{
    struct config *config = accepted(VIRTUAL("layout: stripe, members: [v0, v1]"));

    CU_ASSERT_EQUAL(config->trace.level, TRACE_LEVEL_DEFAULT);
    CU_ASSERT_EQUAL(config->trace.events, TRACE_EVENTS_DEFAULT);
    config_free(config);
    config =
        accepted(VIRTUAL("layout: stripe, members: [v0, v1]") "trace: {level: off, events: 0}\n");
    CU_ASSERT_EQUAL(config->trace.level, TRACE_OFF);
    CU_ASSERT_EQUAL(config->trace.events, 0);
    config_free(config);
}

/* --- once sizes are known --- */

static void sizes_make_the_volume_or_are_refused(void)
{
    uint64_t good[] = {(100 << 20) + 5000, 200 << 20}, small[] = {1 << 20, 65535};
    struct config *config = accepted(TWO("layout: stripe, members: [v0, v1]", "layout: mirror, "
                                                                              "members: [v2, v3]"));
    uint64_t starts[MEMBERS_MAX + 1];
    struct layout layout;
    struct config_error error = {""};

    CU_ASSERT_EQUAL(config_layout_of(config, X, good, &layout, starts, &error), 0);
    CU_ASSERT_EQUAL(layout.size_bytes, 200 << 20);
    CU_ASSERT_EQUAL(config_layout_of(config, Y, good, &layout, starts, &error), 0);
    CU_ASSERT_EQUAL(layout.size_bytes, (100 << 20) + 5000);
    CU_ASSERT_STRING_EQUAL(error.text, "");
    CU_ASSERT_EQUAL(config_layout_of(config, X, small, &layout, starts, &error), -EINVAL);
    CU_ASSERT_STRING_EQUAL(error.text, "lab.yaml:22: volumes[10].members (x): member 1 holds 65535 "
                                       "bytes, less than one chunk of 65536; allowed: larger "
                                       "members, or a smaller chunk");
    CU_ASSERT_EQUAL(config_layout_of(config, Y, small, &layout, starts, &error), 0);
    CU_ASSERT_EQUAL(config_volume_bytes(&config->volumes[0], 1 << 30), 64 << 20);
    CU_ASSERT_EQUAL(config_volume_bytes(&config->volumes[8], 1 << 30), (1 << 30) - (64 << 20));
    config_free(config);
}

static void descriptions_say_what_it_is_made_of(void)
{
    static const struct {
        struct layout layout;
        const char *text;
    } made[] = {
        {{LAYOUT_CONCAT, .members = 1, .copies = 1}, "concat of 1 volume"},
        {{LAYOUT_STRIPE, .members = 4, .copies = 1, .chunk_bytes = 64 << 10},
         "stripe of 4 volumes, chunk 64KiB"},
        {{LAYOUT_MIRROR, .members = 3, .copies = 3}, "mirror of 3 volumes"},
        {{LAYOUT_RAID10, .members = 6, .copies = 3, .chunk_bytes = 16 << 20},
         "raid10 of 6 volumes, 3 copies, chunk 16MiB"},
    };
    char text[DESCRIPTION_BYTES_MAX + 1];

    for (size_t i = 0; i < COUNT(made); i++) {
        config_layout_describe(&made[i].layout, text);
        CU_ASSERT_STRING_EQUAL(text, made[i].text);
    }
}

void add_virtual_tests(CU_pSuite suite)
{
    CU_ADD_TEST(suite, refuses_virtual_volumes);
    CU_ADD_TEST(suite, takes_every_layout);
    CU_ADD_TEST(suite, members_keep_their_order_and_may_follow);
    CU_ADD_TEST(suite, members_are_not_exported_unless_they_say_so);
    CU_ADD_TEST(suite, a_read_only_member_needs_a_read_only_volume);
    CU_ADD_TEST(suite, virtual_volumes_have_what_all_volumes_have);
    CU_ADD_TEST(suite, takes_coordination);
    CU_ADD_TEST(suite, takes_trace);
    CU_ADD_TEST(suite, sizes_make_the_volume_or_are_refused);
    CU_ADD_TEST(suite, descriptions_say_what_it_is_made_of);
}
