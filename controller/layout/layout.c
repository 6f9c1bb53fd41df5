#include "controller/layout/layout.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What each kind allows. */
static const struct kind {
    const char *name;
    uint32_t members_min, members_max;
    uint32_t parities;
    bool mirrored, chunked;
} kinds[LAYOUT_KINDS] = {
    [LAYOUT_CONCAT] = {"concat", 1, MEMBERS_MAX, 0, false, false},
    [LAYOUT_STRIPE] = {"stripe", 1, MEMBERS_MAX, 0, false, true},
    [LAYOUT_MIRROR] = {"mirror", MIRROR_COPIES_MIN, MIRROR_COPIES_MAX, 0, true, false},
    [LAYOUT_RAID10] = {"raid10", MIRROR_COPIES_MIN, MEMBERS_MAX, 0, true, true},
    [LAYOUT_RAID5] = {"raid5", RAID5_MEMBERS_MIN, MEMBERS_MAX, 1, false, true},
    [LAYOUT_RAID6] = {"raid6", RAID6_MEMBERS_MIN, MEMBERS_MAX, 2, false, true},
};

const char *layout_name(enum layout_kind kind)
{
    return (unsigned)kind < LAYOUT_KINDS ? kinds[kind].name : NULL;
}

uint32_t layout_parities(enum layout_kind kind)
{
    return (unsigned)kind < LAYOUT_KINDS ? kinds[kind].parities : 0;
}

int layout_kind_of(const char *name, enum layout_kind *ret_kind)
{
    for (enum layout_kind kind = LAYOUT_NONE + 1; kind < LAYOUT_KINDS; kind++) {
        if (strcmp(name, kinds[kind].name) == 0) {
            *ret_kind = kind;
            return 0;
        }
    }
    return -ENOENT;
}

/* --- defaults and derived values; they trust nothing --- */

static uint32_t copies_of(const struct layout_wanted *wanted)
{
    if (wanted->copies != 0)
        return wanted->copies;
    if (wanted->kind == LAYOUT_MIRROR)
        return wanted->members;
    return wanted->kind == LAYOUT_RAID10 ? MIRROR_COPIES_MIN : 1;
}

static uint32_t chunk_of(const struct layout_wanted *wanted)
{
    if (wanted->chunk_bytes == 0 && kinds[wanted->kind].chunked)
        return CHUNK_BYTES_DEFAULT;
    return wanted->chunk_bytes;
}

static uint64_t smallest(const struct layout_wanted *wanted, uint32_t *ret_member)
{
    uint32_t member = 0;

    for (uint32_t i = 1; i < wanted->members; i++)
        if (wanted->member_bytes[i] < wanted->member_bytes[member])
            member = i;
    *ret_member = member;
    return wanted->member_bytes[member];
}

/* The size, or more than VIRTUAL_BYTES_MAX: that is not exceeded far enough to overflow. */
static uint64_t concat_bytes(const struct layout_wanted *wanted)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < wanted->members && sum <= VIRTUAL_BYTES_MAX; i++) {
        if (wanted->member_bytes[i] > VIRTUAL_BYTES_MAX)
            return UINT64_MAX;
        sum += wanted->member_bytes[i];
    }
    return sum;
}

static struct layout layout_of(const struct layout_wanted *wanted)
{
    const struct kind *kind = &kinds[wanted->kind];
    struct layout layout = {.kind = wanted->kind,
                            .members = wanted->members,
                            .copies = copies_of(wanted),
                            .parities = kind->parities,
                            .chunk_bytes = chunk_of(wanted)};
    uint32_t member;

    layout.columns = layout.members / layout.copies - layout.parities;
    if (wanted->kind == LAYOUT_CONCAT) {
        layout.size_bytes = concat_bytes(wanted);
        return layout;
    }
    layout.member_bytes = smallest(wanted, &member);
    if (kind->chunked)
        layout.member_bytes -= layout.member_bytes % layout.chunk_bytes;
    if (__builtin_mul_overflow(layout.member_bytes, layout.columns, &layout.size_bytes))
        layout.size_bytes = UINT64_MAX;
    return layout;
}

/* --- what can be wrong --- */

static bool members_fault(const struct layout_wanted *wanted)
{
    const struct kind *kind = &kinds[wanted->kind];

    return wanted->members < kind->members_min || wanted->members > kind->members_max;
}

static bool copies_fault(const struct layout_wanted *wanted)
{
    uint32_t copies = copies_of(wanted);

    if (!kinds[wanted->kind].mirrored)
        return copies != 1;
    if (wanted->kind == LAYOUT_MIRROR)
        return copies != wanted->members;
    return copies < MIRROR_COPIES_MIN || copies > MIRROR_COPIES_MAX;
}

static bool chunk_fault(const struct layout_wanted *wanted)
{
    uint32_t chunk = chunk_of(wanted);

    if (!kinds[wanted->kind].chunked)
        return chunk != 0;
    return chunk < CHUNK_BYTES_MIN || chunk > CHUNK_BYTES_MAX || (chunk & (chunk - 1)) != 0;
}

static uint64_t member_bytes_min(const struct layout_wanted *wanted)
{
    return kinds[wanted->kind].chunked ? chunk_of(wanted) : 1;
}

/* The order matters: each check relies on what those before it have found to be right. */
enum layout_fault layout_check(const struct layout_wanted *wanted)
{
    uint32_t member;

    assert(layout_name(wanted->kind) != NULL);
    if (members_fault(wanted))
        return LAYOUT_FAULT_MEMBERS;
    if (copies_fault(wanted))
        return LAYOUT_FAULT_COPIES;
    if (wanted->members % copies_of(wanted) != 0)
        return LAYOUT_FAULT_MEMBERS;
    if (chunk_fault(wanted))
        return LAYOUT_FAULT_CHUNK;
    if (smallest(wanted, &member) < member_bytes_min(wanted))
        return LAYOUT_FAULT_MEMBER_SIZE;
    return layout_of(wanted).size_bytes > VIRTUAL_BYTES_MAX ? LAYOUT_FAULT_SIZE : LAYOUT_FINE;
}

/* --- the same in words --- */

static void explain_members(const struct layout_wanted *wanted, char *text, size_t bytes)
{
    const struct kind *kind = &kinds[wanted->kind];

    if (members_fault(wanted))
        snprintf(text, bytes, "%s has %u to %u members, not %u", kind->name, kind->members_min,
                 kind->members_max, wanted->members);
    else
        snprintf(text, bytes, "%s of %u copies has a multiple of %u members, not %u", kind->name,
                 copies_of(wanted), copies_of(wanted), wanted->members);
}

static void explain_copies(const struct layout_wanted *wanted, char *text, size_t bytes)
{
    const char *name = kinds[wanted->kind].name;

    if (!kinds[wanted->kind].mirrored)
        snprintf(text, bytes, "%s has no copies, only mirror and raid10 have", name);
    else if (wanted->kind == LAYOUT_MIRROR)
        snprintf(text, bytes, "%s has as many copies as members, %u, not %u", name, wanted->members,
                 wanted->copies);
    else
        snprintf(text, bytes, "%s has %u to %u copies, not %u", name, (unsigned)MIRROR_COPIES_MIN,
                 (unsigned)MIRROR_COPIES_MAX, wanted->copies);
}

static void explain_chunk(const struct layout_wanted *wanted, char *text, size_t bytes)
{
    const char *name = kinds[wanted->kind].name;

    if (!kinds[wanted->kind].chunked)
        snprintf(text, bytes, "%s has no chunks, only stripe, raid10, raid5 and raid6 have", name);
    else
        snprintf(text, bytes, "a chunk is a power of two from %u KiB to %u MiB, not %u bytes",
                 CHUNK_BYTES_MIN >> 10, CHUNK_BYTES_MAX >> 20, wanted->chunk_bytes);
}

static void explain_member_size(const struct layout_wanted *wanted, char *text, size_t bytes)
{
    uint32_t member;
    uint64_t size_bytes = smallest(wanted, &member);

    if (kinds[wanted->kind].chunked)
        snprintf(text, bytes, "member %u holds %llu bytes, less than one chunk of %u", member,
                 (unsigned long long)size_bytes, chunk_of(wanted));
    else
        snprintf(text, bytes, "member %u holds nothing, a member has at least one byte", member);
}

enum layout_fault layout_explain(const struct layout_wanted *wanted, char *ret_text,
                                 size_t text_bytes)
{
    enum layout_fault fault = layout_check(wanted);

    assert(text_bytes > 0);
    ret_text[0] = '\0';
    if (fault == LAYOUT_FAULT_MEMBERS)
        explain_members(wanted, ret_text, text_bytes);
    else if (fault == LAYOUT_FAULT_COPIES)
        explain_copies(wanted, ret_text, text_bytes);
    else if (fault == LAYOUT_FAULT_CHUNK)
        explain_chunk(wanted, ret_text, text_bytes);
    else if (fault == LAYOUT_FAULT_MEMBER_SIZE)
        explain_member_size(wanted, ret_text, text_bytes);
    else if (fault == LAYOUT_FAULT_SIZE)
        snprintf(ret_text, text_bytes, "the members make more than %llu TiB",
                 (unsigned long long)(VIRTUAL_BYTES_MAX >> 40));
    return fault;
}

/* --- the layout itself --- */

static void fill_starts(const struct layout_wanted *wanted, uint64_t *starts)
{
    starts[0] = 0;
    for (uint32_t i = 0; i < wanted->members; i++)
        starts[i + 1] = starts[i] + wanted->member_bytes[i];
}

int layout_init(struct layout *ret_layout, const struct layout_wanted *wanted, uint64_t *starts)
{
    if (layout_check(wanted) != LAYOUT_FINE)
        return -EINVAL;
    *ret_layout = layout_of(wanted);
    if (wanted->kind == LAYOUT_CONCAT) {
        fill_starts(wanted, starts);
        ret_layout->starts = starts;
    }
    return 0;
}
