/*
 * The mapping table: names, ranges, and what a damaged table can do.
 */
#include "shm/mapping.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { VOLUMES = 100000 };

static struct segment new_table(uint32_t volumes)
{
    struct segment_wanted wanted = {.controllers = 2,
                                    .elements = 2,
                                    .volumes = volumes,
                                    .slots = 1,
                                    .ring_entries = 2,
                                    .buffers_bytes = BLOCK_BYTES};
    struct segment segment = {.fd = -1};

    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, &wanted, "lab"), 0);
    owner_enter(&segment_element(&segment, 1)->owner, 1, 0);
    return segment;
}

static int add(const struct segment *segment, uint32_t index, const char *name)
{
    struct volume_record record = {
        .offset_bytes = 8192, .size_bytes = 4096 * (index + 1), .element = index % 2};

    memcpy(record.name, name, strlen(name)); /* names of tests are short */
    return mapping_add_volume(segment, index, &record);
}

static int find(const struct segment *segment, const char *name)
{
    uint32_t volume = UINT32_MAX;
    int error = mapping_find_volume(segment, name, strlen(name), &volume);

    return error != 0 ? error : (int)volume;
}

static void a_name_finds_its_volume_and_no_other(void)
{
    struct segment segment = new_table(3);
    char longest[NAME_BYTES_MAX + 2];
    uint32_t volume = 77;

    memset(longest, 'x', sizeof longest);
    longest[NAME_BYTES_MAX] = '\0';
    CU_ASSERT_EQUAL(add(&segment, 0, "vol0"), 0);
    CU_ASSERT_EQUAL(add(&segment, 1, longest), 0);
    CU_ASSERT_EQUAL(find(&segment, "vol0"), 0);
    CU_ASSERT_EQUAL(find(&segment, longest), 1);
    CU_ASSERT_EQUAL(find(&segment, "vol"), -ENOENT);
    CU_ASSERT_EQUAL(find(&segment, "vol00"), -ENOENT);
    CU_ASSERT_EQUAL(find(&segment, "VOL0"), -ENOENT);
    CU_ASSERT_EQUAL(find(&segment, ""), -ENOENT);
    longest[NAME_BYTES_MAX] = 'x';
    CU_ASSERT_EQUAL(mapping_find_volume(&segment, longest, NAME_BYTES_MAX + 1, &volume), -ENOENT);
    CU_ASSERT_EQUAL(mapping_find_volume(&segment, longest, SIZE_MAX, &volume), -ENOENT);
    /* a name is its bytes: what follows a NUL belongs to it */
    CU_ASSERT_EQUAL(mapping_find_volume(&segment, "vol0\0", 5, &volume), -ENOENT);
    CU_ASSERT_EQUAL(mapping_find_volume(&segment, "vol0\0\0\0", 7, &volume), -ENOENT);
    CU_ASSERT_EQUAL(volume, 77);
    segment_done(&segment);
}

static void a_name_is_taken_once(void)
{
    struct segment segment = new_table(3);

    CU_ASSERT_EQUAL(add(&segment, 0, "vol0"), 0);
    CU_ASSERT_EQUAL(add(&segment, 1, "vol0"), -EEXIST);
    CU_ASSERT_STRING_EQUAL(segment_volume(&segment, 1)->name, "");
    CU_ASSERT_EQUAL(add(&segment, 1, "vol1"), 0);
    CU_ASSERT_EQUAL(find(&segment, "vol1"), 1);
    segment_done(&segment);
}

enum { FEW = 8, STEPS = 200000 };

/* Each name is found exactly when it is there, by the number that it was given. */
static void expect_table(const struct segment *segment, const int *volume_of, uint32_t names)
{
    bool listed[FEW] = {false};
    bool right = true;
    char name[16];

    for (uint32_t i = 0; i < names; i++) {
        snprintf(name, sizeof name, "n%u", i);
        right = right && find(segment, name) == volume_of[i];
        if (volume_of[i] >= 0)
            listed[volume_of[i]] = true;
    }
    for (uint32_t i = 0; i < FEW; i++)
        right = right && mapping_has_volume(segment, i) == listed[i];
    CU_ASSERT_TRUE(right);
}

/* Few buckets, many names: searches run into each other, and every bucket is given up and taken
 * again many times. */
static void names_come_and_go(void)
{
    enum { MANY = 64 };
    struct segment segment = new_table(FEW);
    int volume_of[MANY];
    char name[16];
    uint32_t seed = 1;

    for (uint32_t i = 0; i < MANY; i++)
        volume_of[i] = -ENOENT;
    for (uint32_t step = 0; step < STEPS; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t which = (seed >> 8) % MANY, volume = (seed >> 16) % FEW;
        snprintf(name, sizeof name, "n%u", which);
        if (volume_of[which] >= 0) {
            mapping_withdraw_volume(&segment, (uint32_t)volume_of[which]);
            volume_of[which] = -ENOENT;
        } else if (!mapping_has_volume(&segment, volume)) {
            CU_ASSERT_EQUAL_FATAL(add(&segment, volume, name), 0);
            volume_of[which] = (int)volume;
        }
        if (step % 16 == 0)
            expect_table(&segment, volume_of, MANY);
    }
    segment_done(&segment);
}

static void one_is_found_when_it_is_published(void)
{
    struct segment segment = new_table(2);
    struct volume_record record = {.size_bytes = 4096, .name = "later"};

    mapping_enter_volume(&segment, 1, &record);
    CU_ASSERT_EQUAL(find(&segment, "later"), -ENOENT);
    CU_ASSERT_FALSE(mapping_has_volume(&segment, 1));
    CU_ASSERT_EQUAL(mapping_volumes_end(&segment), 2);
    CU_ASSERT_EQUAL(mapping_publish_volume(&segment, 1), 0);
    CU_ASSERT_EQUAL(find(&segment, "later"), 1);
    CU_ASSERT_TRUE(mapping_has_volume(&segment, 1));
    mapping_enter_volume(&segment, 0, &record);
    CU_ASSERT_EQUAL(mapping_publish_volume(&segment, 0), -EEXIST);
    CU_ASSERT_FALSE(mapping_has_volume(&segment, 0));
    mapping_withdraw_volume(&segment, 1);
    CU_ASSERT_EQUAL(find(&segment, "later"), -ENOENT);
    CU_ASSERT_EQUAL(mapping_publish_volume(&segment, 1), 0); /* it has come back */
    CU_ASSERT_EQUAL(find(&segment, "later"), 1);
    segment_done(&segment);
}

static void a_hundred_thousand_volumes_are_found(void)
{
    struct segment segment = new_table(VOLUMES);
    uint32_t wrong = 0;
    char name[32];

    for (uint32_t i = 0; i < VOLUMES; i++) {
        snprintf(name, sizeof name, "volume-%u", i);
        wrong += add(&segment, i, name) != 0;
    }
    for (uint32_t i = 0; i < VOLUMES; i++) {
        snprintf(name, sizeof name, "volume-%u", i);
        wrong += find(&segment, name) != (int)i;
        snprintf(name, sizeof name, "Volume-%u", i);
        wrong += find(&segment, name) != -ENOENT;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    segment_done(&segment);
}

static void a_range_resolves_to_its_place(void)
{
    struct segment segment = new_table(2);
    struct mapping_place place;

    CU_ASSERT_EQUAL(add(&segment, 1, "vol1"), 0); /* 8192 bytes at 8192 of element 1 */
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 0, 8192, &place), 0);
    CU_ASSERT_EQUAL(place.element, 1);
    CU_ASSERT_EQUAL(place.owner, 1);
    CU_ASSERT_EQUAL(place.element_offset_bytes, 8192);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 8191, 1, &place), 0);
    CU_ASSERT_EQUAL(place.element_offset_bytes, 16383);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 8192, 0, &place), 0);
    segment_done(&segment);
}

static void a_virtual_volume_names_its_members(void)
{
    struct segment_wanted wanted = {.controllers = 2,
                                    .elements = 2,
                                    .volumes = 3,
                                    .members = 2,
                                    .slots = 4,
                                    .ring_entries = 4,
                                    .buffers_bytes = BLOCK_BYTES};
    struct volume_record fast = {.name = "fast",
                                 .size_bytes = 8192,
                                 .element = ELEMENT_NONE,
                                 .layout = 2,
                                 .members_count = 2,
                                 .chunk_bytes = 4096};
    struct mapping_members members = {.count = 77};
    struct mapping_place place;
    struct segment segment;

    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, &wanted, "lab"), 0);
    CU_ASSERT_EQUAL(add(&segment, 0, "vol0"), 0);
    CU_ASSERT_EQUAL(mapping_add_volume(&segment, 2, &fast), 0);
    CU_ASSERT(mapping_is_virtual(&segment, 2) && !mapping_is_virtual(&segment, 0));
    CU_ASSERT_EQUAL(mapping_members(&segment, 0, &members), -ENOENT);
    CU_ASSERT_EQUAL(mapping_members(&segment, 3, &members), -ENOENT);
    CU_ASSERT_EQUAL(members.count, 77);
    CU_ASSERT_EQUAL(mapping_members(&segment, 2, &members), 0);
    CU_ASSERT(members.layout == 2 && members.count == 2 && members.chunk_bytes == 4096);
    CU_ASSERT_PTR_EQUAL(members.records, segment_member(&segment, 0));
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 2, 0, 4096, &place), -EISDIR);
    segment_volume(&segment, 2)->members_first = 1; /* reaches beyond the table */
    CU_ASSERT_EQUAL(mapping_members(&segment, 2, &members), -EPROTO);
    segment_done(&segment);
}

static void a_range_that_is_not_inside_is_refused(void)
{
    struct segment segment = new_table(2);
    struct mapping_place place = {.element = 77};

    CU_ASSERT_EQUAL(add(&segment, 1, "vol1"), 0);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 0, 8193, &place), -ERANGE);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 8192, 1, &place), -ERANGE);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 8193, 0, &place), -ERANGE);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, UINT64_MAX, 2, &place), -ERANGE);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 2, UINT64_MAX, &place), -ERANGE);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 2, 0, 1, &place), -ENOENT);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, UINT32_MAX, 0, 1, &place), -ENOENT);
    CU_ASSERT_EQUAL(place.element, 77);
    segment_done(&segment);
}

static void a_damaged_table_leads_nowhere(void)
{
    struct segment segment = new_table(8);
    uint32_t *names = (uint32_t *)(void *)(segment.base + segment.geometry.names_offset);
    struct mapping_place place;

    CU_ASSERT_EQUAL(add(&segment, 1, "vol1"), 0);
    segment_volume(&segment, 1)->element = 2;
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 0, 1, &place), -EPROTO);
    segment_volume(&segment, 1)->element = 1;
    owner_enter(&segment_element(&segment, 1)->owner, 2, 0);
    CU_ASSERT_EQUAL(mapping_resolve(&segment, 1, 0, 1, &place), -EPROTO);

    for (uint32_t i = 0; i < segment.geometry.names_buckets; i++)
        names[i] = UINT32_MAX;
    CU_ASSERT_EQUAL(find(&segment, "vol1"), -ENOENT);
    for (uint32_t i = 0; i < segment.geometry.names_buckets; i++)
        names[i] = 2; /* there is no empty one to end the search */
    CU_ASSERT_EQUAL(find(&segment, "vol1"), 1);
    CU_ASSERT_EQUAL(find(&segment, "vol2"), -ENOENT);
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a name finds its volume and no other", a_name_finds_its_volume_and_no_other},
        {"a name is taken once", a_name_is_taken_once},
        {"one is found when it is published", one_is_found_when_it_is_published},
        {"names come and go in any order", names_come_and_go},
        {"a hundred thousand volumes are found", a_hundred_thousand_volumes_are_found},
        {"a range resolves to its place", a_range_resolves_to_its_place},
        {"a range that is not inside is refused", a_range_that_is_not_inside_is_refused},
        {"a virtual volume names its members", a_virtual_volume_names_its_members},
        {"a damaged table leads nowhere", a_damaged_table_leads_nowhere},
    };
    return UNIT_RUN("mapping", tests);
}
