/*
 * Layouts, byte by byte: every range of small virtual volumes of every kind, compared with a table
 * of places that is dealt out like cards, not computed.
 */
#include "controller/layout/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/path/component.h"
#include "tests/unit/unit.h"

enum {
    CHUNK = 4, /* real chunks, scaled down so that there are few ranges */
    SCALE = CHUNK_BYTES_MIN / CHUNK,
    MEMBERS = 6, /* of the volumes whose every range is walked */
    ROWS_MAX = MEMBERS + 2,
    MEMBER_BYTES = 48, /* so many rows, and what choose_sizes adds */
    BYTES_MAX = MEMBERS_MAX * MEMBER_BYTES,
    COPIES = MIRROR_COPIES_MAX,
};

struct place {
    uint32_t member;
    uint64_t offset;
};

/* Where each byte lies, and the other way round. */
struct reference {
    struct place places[BYTES_MAX][COPIES];
    int byte_at[MEMBERS_MAX][MEMBER_BYTES]; /* the virtual byte there, or -1 */
    uint64_t size;
    uint32_t copies;
};

struct sample {
    struct layout layout;
    uint64_t starts[MEMBERS_MAX + 1];
};

static void put(struct reference *reference, uint64_t byte, uint32_t copy, uint32_t member,
                uint64_t offset)
{
    reference->places[byte][copy] = (struct place){member, offset};
    reference->byte_at[member][offset] = (int)byte;
}

/* Deals chunks to members in rows. In a row of raid5 or raid6 the parity chunks come first, from a
 * member that goes one to the left each row, and the data after them, round the table. */
static void deal_rows(struct reference *reference, enum layout_kind kind, uint32_t members,
                      uint32_t copies, uint64_t rows)
{
    uint32_t parities = kind == LAYOUT_RAID5 ? 1 : kind == LAYOUT_RAID6 ? 2 : 0;
    uint32_t p = members; /* one to the right of the last */
    uint64_t byte = 0;

    for (uint64_t row = 0; row < rows; row++) {
        p = p == 0 ? members - 1 : p - 1;
        p = parities == 0 ? 0 : p == members ? members - 1 : p;
        uint32_t seat = p;
        for (uint32_t i = 0; i < parities; i++)
            seat = seat + 1 == members ? 0 : seat + 1;
        for (uint32_t dealt = 0; dealt + parities < members; dealt += copies) {
            for (uint64_t i = 0; i < CHUNK; i++, byte++) {
                for (uint32_t copy = 0; copy < copies; copy++)
                    put(reference, byte, copy, seat + copy, row * CHUNK + i);
            }
            seat = seat + copies == members ? 0 : seat + copies;
        }
    }
    reference->size = byte;
}

static void deal(struct reference *reference, enum layout_kind kind, uint32_t members,
                 uint32_t copies, const uint64_t *sizes)
{
    uint64_t smallest = sizes[0], byte = 0;

    memset(reference, -1, sizeof *reference);
    reference->copies = copies;
    for (uint32_t i = 1; i < members; i++)
        smallest = sizes[i] < smallest ? sizes[i] : smallest;
    if (kind == LAYOUT_CONCAT) {
        for (uint32_t i = 0; i < members; i++)
            for (uint64_t at = 0; at < sizes[i]; at++)
                put(reference, byte++, 0, i, at);
        reference->size = byte;
    } else if (kind == LAYOUT_MIRROR) {
        for (; byte < smallest; byte++)
            for (uint32_t i = 0; i < members; i++)
                put(reference, byte, i, i, byte);
        reference->size = byte;
    } else
        deal_rows(reference, kind, members, copies, smallest / CHUNK);
}

/* Sizes that differ, the smallest neither first nor last where there are three, with a tail. */
static void choose_sizes(uint64_t *sizes, enum layout_kind kind, uint32_t members)
{
    bool chunked = kind != LAYOUT_CONCAT && kind != LAYOUT_MIRROR;
    uint64_t rows = !chunked ? 3 : members > MEMBERS ? ROWS_MAX : members + 2;

    for (uint32_t i = 0; i < members; i++)
        sizes[i] = rows * CHUNK + 1 + 3 * (i == members / 2 ? 0 : 1 + i % 3);
}

static void make(struct sample *sample, enum layout_kind kind, uint32_t members, uint32_t copies,
                 const uint64_t *sizes)
{
    bool chunked = kind != LAYOUT_CONCAT && kind != LAYOUT_MIRROR;
    uint64_t scaled[MEMBERS_MAX];

    for (uint32_t i = 0; i < members; i++)
        scaled[i] = sizes[i] * (chunked ? SCALE : 1);
    struct layout_wanted wanted = {.kind = kind,
                                   .members = members,
                                   .copies = copies,
                                   .chunk_bytes = chunked ? CHUNK_BYTES_MIN : 0,
                                   .member_bytes = scaled};
    CU_ASSERT_EQUAL_FATAL(layout_init(&sample->layout, &wanted, sample->starts), 0);
    if (chunked) {
        sample->layout.chunk_bytes /= SCALE;
        sample->layout.member_bytes /= SCALE;
        sample->layout.size_bytes /= SCALE;
    }
}

/* --- one walk against the reference --- */

struct seen {
    uint8_t times[MEMBERS_MAX][MEMBER_BYTES]; /* each byte of each member */
    uint32_t components, lost;
    uint64_t bytes;
};

/* Where a component's byte lies in the payload, and how many follow there, as SPLIT says it. */
static uint64_t place_of(const struct component *component, uint64_t at, uint64_t *ret_run)
{
    struct payload_shape shape = component_shape(component);
    uint64_t left = component->length_bytes - at;
    int64_t place = payload_place(&shape, (int64_t)at, ret_run);

    if (*ret_run > left)
        *ret_run = left;
    return component->payload_offset_bytes + (uint64_t)place;
}

static bool component_lies_right(const struct reference *reference,
                                 const struct component *component, uint64_t begin, uint64_t length,
                                 struct seen *seen)
{
    uint64_t at = 0, expected_run;
    bool right = component->length_bytes > 0 && component->first_bytes > 0;

    while (right && at < component->length_bytes) {
        uint64_t expected_payload = place_of(component, at, &expected_run);
        right = expected_run > 0 && expected_run <= component->length_bytes - at;
        for (uint64_t i = 0; right && i < expected_run; i++) {
            uint64_t run, payload = place_of(component, at + i, &run);
            uint64_t offset = component->member_offset_bytes + at + i;
            right = payload == expected_payload + i && run == expected_run - i;
            right = right && payload < length && offset < MEMBER_BYTES;
            right =
                right && reference->byte_at[component->member][offset] == (int)(begin + payload);
            if (right)
                seen->times[component->member][offset]++;
        }
        at += expected_run;
    }
    seen->components++;
    seen->lost += component->lost;
    seen->bytes += component->length_bytes;
    return right;
}

/* Reads: each byte once, from any one copy. Writes: each byte once on each copy. */
static bool covered_once(const struct reference *reference, const struct seen *seen, uint64_t begin,
                         uint64_t length, uint32_t expected_copies)
{
    for (uint64_t byte = begin; byte < begin + length; byte++) {
        uint32_t times = 0;
        for (uint32_t copy = 0; copy < reference->copies; copy++) {
            struct place place = reference->places[byte][copy];
            if (seen->times[place.member][place.offset] > 1)
                return false;
            times += seen->times[place.member][place.offset];
        }
        if (times != expected_copies)
            return false;
    }
    return seen->bytes == length * expected_copies;
}

/* How many ranges of members without a gap are touched: there is no way with fewer components. */
static uint32_t ranges_of(const struct seen *seen)
{
    uint32_t ranges = 0;

    for (uint32_t member = 0; member < MEMBERS_MAX; member++)
        for (uint32_t at = 0; at < MEMBER_BYTES; at++)
            ranges += seen->times[member][at] && (at == 0 || !seen->times[member][at - 1]);
    return ranges;
}

static bool walk_is_right(const struct sample *sample, const struct reference *reference,
                          enum layout_access access, uint64_t begin, uint64_t length)
{
    struct seen seen;
    struct layout_walk walk;
    struct component component;
    uint64_t before = 0;
    uint32_t copies = access == LAYOUT_WRITE ? reference->copies : 1;

    memset(&seen, 0, sizeof seen);
    layout_walk_begin(&walk, &sample->layout, access, begin, length, NULL);
    while (layout_walk_next(&walk, &component)) {
        if (component.payload_offset_bytes < before || component.lost ||
            !component_lies_right(reference, &component, begin, length, &seen))
            return false;
        before = component.payload_offset_bytes;
    }
    return covered_once(reference, &seen, begin, length, copies) &&
           seen.components == ranges_of(&seen);
}

/* Every `step`th begin and length. */
static void check_ranges(enum layout_kind kind, uint32_t members, uint32_t copies, uint64_t step)
{
    struct reference reference;
    struct sample sample;
    uint64_t sizes[MEMBERS_MAX];
    int wrong = 0;

    choose_sizes(sizes, kind, members);
    make(&sample, kind, members, copies, sizes);
    deal(&reference, kind, members, sample.layout.copies, sizes);
    CU_ASSERT_EQUAL_FATAL(sample.layout.size_bytes, reference.size);
    for (uint64_t begin = 0; begin <= reference.size; begin += step) {
        for (uint64_t length = 0; length <= reference.size - begin; length += step) {
            bool right = walk_is_right(&sample, &reference, LAYOUT_READ, begin, length) &&
                         (sample.layout.parities != 0 ||
                          walk_is_right(&sample, &reference, LAYOUT_WRITE, begin, length));
            if (!right && wrong++ == 0)
                printf("\n%s of %u: range %llu + %llu\n", layout_name(kind), members,
                       (unsigned long long)begin, (unsigned long long)length);
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void every_range_is_covered_once(void)
{
    for (uint32_t members = 1; members <= MEMBERS; members++) {
        check_ranges(LAYOUT_CONCAT, members, 0, 1);
        check_ranges(LAYOUT_STRIPE, members, 0, 1);
        if (members >= MIRROR_COPIES_MIN)
            check_ranges(LAYOUT_MIRROR, members, 0, 1);
        for (uint32_t copies = MIRROR_COPIES_MIN; copies <= members; copies++)
            if (members % copies == 0)
                check_ranges(LAYOUT_RAID10, members, copies, 1);
        if (members >= RAID5_MEMBERS_MIN)
            check_ranges(LAYOUT_RAID5, members, 0, 1);
        if (members >= RAID6_MEMBERS_MIN)
            check_ranges(LAYOUT_RAID6, members, 0, 1);
    }
}

static void the_widest_are_covered_too(void)
{
    const uint64_t step = 37;

    check_ranges(LAYOUT_CONCAT, MEMBERS_MAX, 0, step);
    check_ranges(LAYOUT_STRIPE, MEMBERS_MAX, 0, step);
    check_ranges(LAYOUT_MIRROR, MIRROR_COPIES_MAX, 0, 1);
    check_ranges(LAYOUT_RAID10, MEMBERS_MAX, MIRROR_COPIES_MIN, step);
    check_ranges(LAYOUT_RAID10, MEMBERS_MAX, MIRROR_COPIES_MAX, step);
    check_ranges(LAYOUT_RAID5, MEMBERS_MAX, 0, step);
    check_ranges(LAYOUT_RAID6, MEMBERS_MAX, 0, step);
}

/* --- absent members --- */

static const uint64_t SAME[MEMBERS] = {32, 32, 32, 32, 32, 32};

static void reads_go_to_the_preferred_copy_that_is_there(void)
{
    const uint8_t preferred[] = {2, 0};
    struct layout_choice choice = {.preferred_copy = preferred};
    struct sample sample;
    struct layout_walk walk;
    struct component component;

    make(&sample, LAYOUT_RAID10, 6, 3, SAME);
    for (choice.absent = 0; choice.absent < 1 << MEMBERS; choice.absent++) {
        uint32_t sets = 0;
        layout_walk_begin(&walk, &sample.layout, LAYOUT_READ, 0, 2 * CHUNK, &choice);
        while (layout_walk_next(&walk, &component)) {
            uint32_t here = ~choice.absent >> 3 * sets & 7, want = 3 * sets;
            for (uint32_t i = 0; here != 0 && i < 3; i++) {
                want = 3 * sets + (preferred[sets] + i) % 3;
                if (here & 1u << want % 3)
                    break;
            }
            CU_ASSERT_EQUAL(component.member, want);
            CU_ASSERT_EQUAL(component.lost, here == 0);
            sets++;
        }
        CU_ASSERT_EQUAL(sets, 2);
    }
}

static void writes_leave_out_absent_copies(void)
{
    struct layout_choice choice = {0};
    struct sample sample;
    struct layout_walk walk;
    struct component component;

    make(&sample, LAYOUT_MIRROR, 4, 0, SAME);
    for (choice.absent = 0; choice.absent < 1 << 4; choice.absent++) {
        uint32_t written = 0, lost = 0;
        layout_walk_begin(&walk, &sample.layout, LAYOUT_WRITE, 3, 7, &choice);
        while (layout_walk_next(&walk, &component)) {
            written |= 1u << component.member;
            lost += component.lost;
            CU_ASSERT_EQUAL(component.payload_offset_bytes, 0);
            CU_ASSERT_EQUAL(component.member_offset_bytes, 3);
        }
        CU_ASSERT_EQUAL(lost, choice.absent == 15);
        CU_ASSERT_EQUAL(written, choice.absent == 15 ? 1 : 15 & ~choice.absent);
    }
}

static void what_lies_on_an_absent_member_alone_is_lost(void)
{
    const enum layout_kind alone[] = {LAYOUT_CONCAT, LAYOUT_STRIPE, LAYOUT_RAID5, LAYOUT_RAID6};
    struct layout_choice choice = {.absent = 1 << 2};
    struct layout_walk walk;
    struct component component;

    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        struct sample sample;
        uint64_t lost = 0;
        make(&sample, alone[i], 4, 0, SAME);
        layout_walk_begin(&walk, &sample.layout, LAYOUT_READ, 0, sample.layout.size_bytes, &choice);
        while (layout_walk_next(&walk, &component)) {
            CU_ASSERT_EQUAL(component.lost, component.member == 2);
            lost += component.lost ? component.length_bytes : 0;
        }
        CU_ASSERT_EQUAL(lost, sample.layout.size_bytes / 4);
    }
}

/* --- large ones --- */

/* Without payload a range may be as long as the volume. Its component is as long. */
static void ranges_beyond_32_bits_stay_whole(void)
{
    const uint64_t sizes[] = {(uint64_t)1 << 60, (uint64_t)1 << 60, (uint64_t)1 << 60};
    struct layout_wanted wanted = {.kind = LAYOUT_STRIPE, .members = 3, .member_bytes = sizes};
    struct layout layout;
    struct layout_walk walk;
    struct component component;
    uint32_t components = 0;

    CU_ASSERT_EQUAL_FATAL(layout_init(&layout, &wanted, NULL), 0);
    CU_ASSERT_EQUAL(layout.chunk_bytes, CHUNK_BYTES_DEFAULT);
    layout_walk_begin(&walk, &layout, LAYOUT_WRITE, 0, layout.size_bytes, NULL);
    while (layout_walk_next(&walk, &component)) {
        uint64_t behind = component.length_bytes - component.first_bytes;
        CU_ASSERT_EQUAL(component.length_bytes, sizes[0]);
        CU_ASSERT_EQUAL(behind % component.chunk_bytes, 0);
        CU_ASSERT_EQUAL(component.payload_offset_bytes + component.first_bytes +
                            behind / component.chunk_bytes * component.stride_bytes - 1,
                        layout.size_bytes - 1 - (uint64_t)(2 - components) * CHUNK_BYTES_DEFAULT);
        components++;
    }
    CU_ASSERT_EQUAL(components, 3);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"every range is covered once", every_range_is_covered_once},
        {"the widest are covered too", the_widest_are_covered_too},
        {"reads go to the preferred copy that is there",
         reads_go_to_the_preferred_copy_that_is_there},
        {"writes leave out absent copies", writes_leave_out_absent_copies},
        {"what lies on an absent member alone is lost",
         what_lies_on_an_absent_member_alone_is_lost},
        {"ranges beyond 32 bits stay whole", ranges_beyond_32_bits_stay_whole},
    };

    return UNIT_RUN("layout", tests);
}
