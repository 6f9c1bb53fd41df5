/*
 * The segment: where its parts lie, what a tool accepts that was handed a descriptor, and which
 * ranges lie in whose buffers.
 */
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static const struct segment_wanted usual = {.controllers = 3,
                                            .elements = 5,
                                            .volumes = 7,
                                            .slots = SLOTS_DEFAULT,
                                            .ring_entries = RING_ENTRIES_DEFAULT,
                                            .buffers_bytes = BUFFERS_BYTES_MIN,
                                            .trace_events = TRACE_EVENTS_MIN};

static struct segment new_segment(const struct segment_wanted *wanted)
{
    struct segment segment = {.fd = -1};
    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, wanted, "lab"), 0);
    return segment;
}

static void parts_begin_on_pages_in_order_and_do_not_overlap(void)
{
    struct segment segment = new_segment(&usual);
    const struct segment_geometry *g = &segment.geometry;
    const uint64_t starts[] = {
        4096,
        g->seats_offset + g->controllers * sizeof(struct seat),
        g->elements_offset + g->elements * sizeof(struct element_record),
        g->volumes_offset + g->volumes * sizeof(struct volume_record),
        g->names_offset + g->names_buckets * sizeof(uint32_t),
        g->links_offset + 9 * FABRICS * g->link_bytes,
        g->slots_offset + 3 * SLOTS_DEFAULT * sizeof(struct slot),
        g->redo_offset + (uint64_t)3 * COMMANDS_MAX * sizeof(struct redo_record),
        g->region_sets_offset + REGIONS_DEFAULT / REGION_WAYS * sizeof(struct region_set),
        g->region_words_offset + REGIONS_DEFAULT * sizeof(struct region_words),
        g->region_conflicts_offset + REGIONS_DEFAULT * sizeof(struct region_conflicts),
        g->traces_offset + 3 * trace_ring_bytes(TRACE_EVENTS_MIN),
        g->buffers_offset + 3 * g->buffers_bytes};
    const uint64_t parts[] = {g->seats_offset,
                              g->elements_offset,
                              g->volumes_offset,
                              g->names_offset,
                              g->links_offset,
                              g->slots_offset,
                              g->redo_offset,
                              g->region_sets_offset,
                              g->region_words_offset,
                              g->region_conflicts_offset,
                              g->traces_offset,
                              g->buffers_offset,
                              g->bytes};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        CU_ASSERT_EQUAL(parts[i] % 4096, 0);
        CU_ASSERT_TRUE(parts[i] >= starts[i] && parts[i] < starts[i] + 4096);
    }
    CU_ASSERT_TRUE(g->names_buckets >= 2 * g->volumes);
    segment_done(&segment);
    segment_done(&segment); /* a second time does no harm */
}

static void the_last_of_each_part_ends_before_the_next(void)
{
    struct segment segment = new_segment(&usual);
    const struct segment_geometry *g = &segment.geometry;

    CU_ASSERT_TRUE((uint8_t *)(segment_seat(&segment, 2) + 1) <= segment.base + g->elements_offset);
    CU_ASSERT_TRUE((uint8_t *)(segment_element(&segment, 4) + 1) <=
                   segment.base + g->volumes_offset);
    CU_ASSERT_TRUE((uint8_t *)(segment_volume(&segment, 6) + 1) <= segment.base + g->names_offset);
    CU_ASSERT_TRUE((uint8_t *)segment_link(&segment, 2, 2, FABRICS - 1) + g->link_bytes <=
                   segment.base + g->slots_offset);
    CU_ASSERT_TRUE((uint8_t *)(segment_slots(&segment, 2) + g->slots) <=
                   segment.base + g->buffers_offset);
    CU_ASSERT_TRUE((uint8_t *)(segment_redo(&segment, 2) + COMMANDS_MAX) <=
                   segment.base + g->region_sets_offset);
    CU_ASSERT_PTR_EQUAL(segment_slots(&segment, 2), segment_slots(&segment, 1) + g->slots);
    CU_ASSERT_NOT_EQUAL(segment_link(&segment, 0, 1, 0), segment_link(&segment, 1, 0, 0));
    segment_done(&segment);
}

static void a_new_segment_is_empty_and_cannot_be_resized(void)
{
    struct segment segment = new_segment(&usual);

    CU_ASSERT_STRING_EQUAL(segment_header(&segment)->array, "lab");
    for (uint32_t i = 0; i < 3; i++) {
        /* relaxed: nobody else has it */
        CU_ASSERT_EQUAL(load_relaxed(&segment_seat(&segment, i)->state), SEAT_EMPTY);
        CU_ASSERT_EQUAL(load_relaxed(&segment_slots(&segment, i)[SLOTS_DEFAULT - 1].state), 0);
    }
    CU_ASSERT_EQUAL(ftruncate(segment.fd, 4096), -1);
    CU_ASSERT_EQUAL(ftruncate(segment.fd, (off_t)segment.geometry.bytes * 2), -1);
    CU_ASSERT_EQUAL(segment_commit(&segment, segment.geometry.buffers_offset, 4096), 0);
    segment_done(&segment);
}

static void counts_beyond_the_limits_are_refused(void)
{
    const struct segment_wanted wrong[] = {
        {0, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {CONTROLLERS_MAX + 1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, ELEMENTS_MAX + 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, VOLUMES_MAX + 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 0, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, SLOTS_MAX + 1, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 1, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 24, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, RING_ENTRIES_MAX * 2, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN + 1, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, (uint64_t)BUFFERS_BYTES_MAX + BLOCK_BYTES, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, REGIONS_MIN / 2, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, REGIONS_MIN + 1, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, REGIONS_MAX * 2, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 1 << 17, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, (1 << 20) + 1, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 1 << 27, 0},
        {1, 1, 1, VOLUMES_MAX + 1, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, BLOCK_BYTES + 1, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, CACHE_BYTES_MAX + BLOCK_BYTES, 0, 0, 0},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, TRACE_EVENTS_MIN / 2},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, TRACE_EVENTS_MIN + 1},
        {1, 1, 1, 0, 16, 16, BUFFERS_BYTES_MIN, 0, 0, 0, TRACE_EVENTS_MAX * 2},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct segment segment = {.fd = -7};
        CU_ASSERT_EQUAL(segment_create(&segment, &wrong[i], "lab"), -EINVAL);
        CU_ASSERT_EQUAL(segment.fd, -7);
    }
}

static void the_largest_segment_can_be_made(void)
{
    struct segment_wanted wanted = {.controllers = CONTROLLERS_MAX,
                                    .elements = ELEMENTS_MAX,
                                    .volumes = VOLUMES_MAX,
                                    .slots = SLOTS_MAX,
                                    .ring_entries = RING_ENTRIES_MAX,
                                    .buffers_bytes = BUFFERS_BYTES_DEFAULT};
    struct segment segment = new_segment(&wanted);
    uint64_t last = segment_buffers_offset(&segment, CONTROLLERS_MAX - 1);

    CU_ASSERT_EQUAL(last + BUFFERS_BYTES_DEFAULT, segment.geometry.bytes);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, last, BUFFERS_BYTES_DEFAULT),
                    CONTROLLERS_MAX - 1);
    segment_done(&segment);
}

/* --- ranges of buffers --- */

static void a_range_belongs_to_the_seat_that_holds_all_of_it(void)
{
    struct segment segment = new_segment(&usual);
    const struct segment_geometry *g = &segment.geometry;
    uint64_t pool = g->buffers_bytes;

    for (uint32_t seat = 0; seat < 3; seat++) {
        uint64_t start = segment_buffers_offset(&segment, seat);
        CU_ASSERT_EQUAL(segment_buffers_seat(&segment, start, pool), (int)seat);
        CU_ASSERT_EQUAL(segment_buffers_seat(&segment, start, pool + 1), -1);
        CU_ASSERT_EQUAL(segment_buffers_seat(&segment, start + 1, pool), -1);
        CU_ASSERT_EQUAL(segment_buffers_seat(&segment, start + pool - 1, 1), (int)seat);
        CU_ASSERT_EQUAL(segment_buffers_seat(&segment, start + pool - 1, 2), -1);
    }
    segment_done(&segment);
}

static void a_range_outside_belongs_to_nobody(void)
{
    struct segment segment = new_segment(&usual);
    const struct segment_geometry *g = &segment.geometry;

    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, 0, 4096), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, g->slots_offset, 64), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, g->buffers_offset - 1, 1), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, g->bytes, 0), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, g->bytes - 1, 2), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, g->buffers_offset, UINT64_MAX), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, UINT64_MAX, 1), -1);
    CU_ASSERT_EQUAL(segment_buffers_seat(&segment, UINT64_MAX - 4095, 4096), -1);
    segment_done(&segment);
}

/* --- attaching --- */

static void a_tool_may_read_and_not_write(void)
{
    struct segment segment = new_segment(&usual), attached = {.fd = -1};
    int fd = segment_open_read_only(&segment);

    CU_ASSERT_TRUE_FATAL(fd >= 0);
    CU_ASSERT_PTR_EQUAL(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    CU_ASSERT_EQUAL(write(fd, "", 1), -1);
    CU_ASSERT_EQUAL_FATAL(segment_attach_read_only(&attached, fd), 0);
    CU_ASSERT_EQUAL(memcmp(&attached.geometry, &segment.geometry, sizeof attached.geometry), 0);
    strcpy(segment_volume(&segment, 6)->name, "seen");
    CU_ASSERT_STRING_EQUAL(segment_volume(&attached, 6)->name, "seen");
    segment_done(&attached);
    segment_done(&segment);
}

/* A file whose header was taken from a good segment and changed at one place. */
static int attach_changed(size_t offset, const void *bytes, size_t count, off_t file_bytes)
{
    static const struct segment_wanted small = {.controllers = 1,
                                                .elements = 1,
                                                .volumes = 1,
                                                .slots = 1,
                                                .ring_entries = 2,
                                                .buffers_bytes = BLOCK_BYTES};
    struct segment segment = new_segment(&small), attached = {.fd = -7};
    struct segment_header header = *segment_header(&segment);
    int fd = memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CU_ASSERT_TRUE_FATAL(fd >= 0 && bytes != NULL);
    memcpy((uint8_t *)&header + offset, bytes, count);
    if (file_bytes < 0)
        file_bytes = (off_t)segment.geometry.bytes;
    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, file_bytes), 0);
    CU_ASSERT_EQUAL(pwrite(fd, &header, sizeof header, 0), sizeof header);
    CU_ASSERT_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    segment_done(&segment);
    int status = segment_attach_read_only(&attached, fd);
    if (status == 0)
        segment_done(&attached);
    else
        CU_ASSERT_EQUAL(attached.fd, -7);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1); /* it was ours to close either way */
    return status;
}

static void a_hostile_header_is_refused(void)
{
    const uint64_t huge = UINT64_MAX, odd = 4097;
    const uint32_t ones = UINT32_MAX, zero = 0, three = 3;
    size_t geometry = offsetof(struct segment_header, geometry);

#define CHANGED(field, value)                                                                      \
    attach_changed(geometry + offsetof(struct segment_geometry, field), &(value), sizeof(value), -1)
    CU_ASSERT_EQUAL(attach_changed(0, "anyport", 7, -1), 0); /* nothing was changed */
    CU_ASSERT_EQUAL(attach_changed(0, "anyporT", 7, -1), -EPROTO);
    CU_ASSERT_EQUAL(attach_changed(offsetof(struct segment_header, version), &ones, 4, -1),
                    -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(controllers, zero), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(controllers, ones), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(elements, ones), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(volumes, ones), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(names_buckets, three), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(slots, zero), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(slots, ones), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(ring_entries, three), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(regions, zero), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(regions, three), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(region_shift, ones), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(region_sets_offset, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(buffers_bytes, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(buffers_bytes, odd), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(link_bytes, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(seats_offset, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(volumes_offset, odd), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(slots_offset, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(buffers_offset, huge), -EPROTO);
    CU_ASSERT_EQUAL(CHANGED(bytes, huge), -EPROTO);
#undef CHANGED
}

static void a_file_of_another_size_is_refused(void)
{
    CU_ASSERT_EQUAL(attach_changed(0, "anyport", 7, 4096), -EPROTO);
    CU_ASSERT_EQUAL(attach_changed(0, "anyport", 7, 1 << 30), -EPROTO);
}

static void something_else_is_refused(void)
{
    struct segment attached;
    int ends[2];

    CU_ASSERT_EQUAL(segment_attach_read_only(&attached, -1), -EBADF);
    CU_ASSERT_EQUAL(pipe(ends), 0);
    CU_ASSERT_EQUAL(segment_attach_read_only(&attached, ends[0]), -EPROTO);
    close(ends[1]);
    int fd = memfd_create("empty", MFD_CLOEXEC);
    CU_ASSERT_EQUAL(segment_attach_read_only(&attached, fd), -EPROTO);
    fd = memfd_create("zeroes", MFD_CLOEXEC);
    CU_ASSERT_EQUAL(ftruncate(fd, 1 << 20), 0);
    CU_ASSERT_EQUAL(segment_attach_read_only(&attached, fd), -EPROTO);
}

/* All is right about it, but it could become shorter while it is read. */
static void what_may_shrink_is_refused(void)
{
    static const struct segment_wanted small = {.controllers = 1,
                                                .elements = 1,
                                                .volumes = 1,
                                                .slots = 1,
                                                .ring_entries = 2,
                                                .buffers_bytes = BLOCK_BYTES};
    struct segment segment = new_segment(&small), attached;
    int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING), again = dup(fd);

    CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)segment.geometry.bytes), 0);
    CU_ASSERT_EQUAL(pwrite(fd, segment.base, 4096, 0), 4096);
    CU_ASSERT_EQUAL(segment_attach_read_only(&attached, fd), -EPROTO);
    CU_ASSERT_EQUAL(fcntl(again, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    CU_ASSERT_EQUAL_FATAL(segment_attach_read_only(&attached, again), 0);
    segment_done(&attached);
    segment_done(&segment);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"parts begin on pages, in order, and do not overlap",
         parts_begin_on_pages_in_order_and_do_not_overlap},
        {"the last of each part ends before the next", the_last_of_each_part_ends_before_the_next},
        {"a new segment is empty and cannot be resized",
         a_new_segment_is_empty_and_cannot_be_resized},
        {"counts beyond the limits are refused", counts_beyond_the_limits_are_refused},
        {"the largest segment can be made", the_largest_segment_can_be_made},
        {"a range belongs to the seat that holds all of it",
         a_range_belongs_to_the_seat_that_holds_all_of_it},
        {"a range outside belongs to nobody", a_range_outside_belongs_to_nobody},
        {"a tool may read and not write", a_tool_may_read_and_not_write},
        {"a hostile header is refused", a_hostile_header_is_refused},
        {"a file of another size is refused", a_file_of_another_size_is_refused},
        {"something else is refused", something_else_is_refused},
        {"what may shrink is refused", what_may_shrink_is_refused},
    };
    return UNIT_RUN("segment", tests);
}
