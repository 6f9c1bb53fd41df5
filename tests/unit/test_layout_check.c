/*
 * What a layout may be: every refusal names its field and says what is allowed.
 */
#include "controller/layout/layout.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

struct refusal {
    struct layout_wanted wanted;
    enum layout_fault fault;
    const char *words; /* must be said */
};

static void what_cannot_be_is_refused_with_what_is_allowed(void)
{
    const uint64_t good[MEMBERS_MAX + 1] = {[0 ... MEMBERS_MAX] = 1 << 20};
    const uint64_t huge[] = {(uint64_t)1 << 61, (uint64_t)1 << 61, (uint64_t)1 << 61, UINT64_MAX};
    const uint64_t empty[] = {1 << 20, 0, 1 << 20};
    const struct refusal refusals[] = {
        {{LAYOUT_CONCAT, 0, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "concat has 1 to 32 members, not 0"},
        {{LAYOUT_STRIPE, 33, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "1 to 32 members, not 33"},
        {{LAYOUT_MIRROR, 1, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "2 to 8 members, not 1"},
        {{LAYOUT_MIRROR, 9, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "2 to 8 members, not 9"},
        {{LAYOUT_RAID5, 2, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "raid5 has 3 to 32 members, not 2"},
        {{LAYOUT_RAID6, 3, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "raid6 has 4 to 32 members, not 3"},
        {{LAYOUT_RAID10, 5, 0, 0, good}, LAYOUT_FAULT_MEMBERS, "a multiple of 2 members, not 5"},
        {{LAYOUT_RAID10, 4, 9, 0, good}, LAYOUT_FAULT_COPIES, "2 to 8 copies, not 9"},
        {{LAYOUT_RAID10, 4, 1, 0, good}, LAYOUT_FAULT_COPIES, "2 to 8 copies, not 1"},
        {{LAYOUT_MIRROR, 4, 2, 0, good}, LAYOUT_FAULT_COPIES, "as many copies as members, 4"},
        {{LAYOUT_STRIPE, 4, 2, 0, good}, LAYOUT_FAULT_COPIES, "only mirror and raid10"},
        {{LAYOUT_STRIPE, 4, 0, 5000, good}, LAYOUT_FAULT_CHUNK, "4 KiB to 16 MiB, not 5000"},
        {{LAYOUT_STRIPE, 4, 0, 2048, good}, LAYOUT_FAULT_CHUNK, "not 2048"},
        {{LAYOUT_RAID5, 4, 0, 32 << 20, good}, LAYOUT_FAULT_CHUNK, "not 33554432"},
        {{LAYOUT_MIRROR, 2, 0, 4096, good}, LAYOUT_FAULT_CHUNK, "mirror has no chunks"},
        {{LAYOUT_STRIPE, 2, 0, 2 << 20, good}, LAYOUT_FAULT_MEMBER_SIZE, "less than one chunk"},
        {{LAYOUT_CONCAT, 3, 0, 0, empty}, LAYOUT_FAULT_MEMBER_SIZE, "member 1 holds nothing"},
        {{LAYOUT_CONCAT, 3, 0, 0, huge}, LAYOUT_FAULT_SIZE, "4194304 TiB"},
        {{LAYOUT_CONCAT, 4, 0, 0, huge}, LAYOUT_FAULT_SIZE, "4194304 TiB"},
        {{LAYOUT_STRIPE, 3, 0, 0, huge}, LAYOUT_FAULT_SIZE, "4194304 TiB"},
    };

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const struct refusal *refusal = &refusals[i];
        struct layout layout = {.members = 77};
        uint64_t starts[MEMBERS_MAX + 1] = {77};
        char text[LAYOUT_TEXT_BYTES];
        bool said = layout_explain(&refusal->wanted, text, sizeof text) == refusal->fault &&
                    strstr(text, refusal->words) != NULL;
        if (!said)
            printf("\n%zu: %s\n", i, text);
        CU_ASSERT_TRUE(said);
        CU_ASSERT_EQUAL(layout_init(&layout, &refusal->wanted, starts), -EINVAL);
        CU_ASSERT_EQUAL(layout.members, 77);
        CU_ASSERT_EQUAL(starts[0], 77);
    }
}

static void names_and_kinds_belong_together(void)
{
    for (enum layout_kind kind = LAYOUT_NONE + 1; kind < LAYOUT_KINDS; kind++) {
        enum layout_kind found = LAYOUT_KINDS;
        CU_ASSERT_EQUAL(layout_kind_of(layout_name(kind), &found), 0);
        CU_ASSERT_EQUAL(found, kind);
    }
    CU_ASSERT_PTR_NULL(layout_name(LAYOUT_KINDS));
    CU_ASSERT_EQUAL(layout_kind_of("raid1", &(enum layout_kind){0}), -ENOENT);
    CU_ASSERT_PTR_NULL(layout_name(LAYOUT_NONE));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what cannot be is refused with what is allowed",
         what_cannot_be_is_refused_with_what_is_allowed},
        {"names and kinds belong together", names_and_kinds_belong_together},
    };

    return UNIT_RUN("layout check", tests);
}
