/*
 * What a dead controller says that it was writing is done by who is left, and what makes no sense
 * is not. The puppet is the one that dies. (That it works from any step on:
 * tests/crash/crash_redo.c.)
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shm/member_states.h"
#include "shm/redo.h"
#include "shm/reserve.h"
#include "tests/unit/puppet.h"
#include "tests/unit/unit.h"

enum { FILL = 0x5a, RECORD = 7, CHUNK = 8192 };

static struct array_wanted with_a_puppet(enum layout_kind layout)
{
    return (struct array_wanted){.controllers = 3,
                                 .puppets = 1,
                                 .slots = 16,
                                 .ring_entries = 64,
                                 .buffers_bytes = BUFFERS_BYTES_MIN,
                                 .layout = layout,
                                 .chunk_bytes = layout == LAYOUT_MIRROR ? 0 : CHUNK,
                                 .policy = COORDINATION_STRICT};
}

static void ignore(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    (void)context, (void)seat, (void)cookie, (void)generation;
}

/* The beginning of the virtual volume. */
static void reserve_as_puppet(struct array *array)
{
    struct coordination table;
    struct reservation reservation = {
        .volume = array_virtual(array), .length_bytes = CHUNK, .exclusive = true};

    coordination_init(&table, &array->segment, PUPPET, EPOCH, ignore, NULL,
                      &segment_seat(&array->segment, PUPPET)->coordination);
    CU_ASSERT_EQUAL(reserve_start(&table, &reservation, 0), RESERVE_GRANTED);
}

/* Buffers of the puppet, full of FILL. */
static uint64_t payload_of_puppet(struct array *array)
{
    uint64_t offset_bytes = segment_buffers_offset(&array->segment, PUPPET);

    CU_ASSERT_EQUAL(segment_commit(&array->segment, offset_bytes, 4 * CHUNK), 0);
    memset(array->segment.base + offset_bytes, FILL, 4 * CHUNK);
    return offset_bytes;
}

static struct redo_command a_write(struct array *array)
{
    return (struct redo_command){.length_bytes = CHUNK,
                                 .payload_offset_bytes = payload_of_puppet(array),
                                 .volume = array_virtual(array),
                                 .op = COMMAND_WRITE};
}

/* The puppet says it, and dies. */
static struct redo_record *die_at(struct array *array, enum redo_phase phase,
                                  const struct redo_command *command,
                                  const struct redo_slice *slice)
{
    struct redo_record *record = segment_redo(&array->segment, PUPPET) + RECORD;

    record->command = *command;
    if (slice != NULL)
        record->slice = *slice;
    redo_set(record, (struct redo_state){.phase = (uint8_t)phase, .seat = PUPPET, .epoch = EPOCH});
    array_set_seat(array, PUPPET, SEAT_DEAD);
    return record;
}

static bool all_is_recovered(struct array *array)
{
    return !redo_pending(&array->segment, PUPPET);
}

static uint8_t byte_on(const struct array *array, uint32_t element, off_t at)
{
    uint8_t byte = 0xff;

    CU_ASSERT_EQUAL(pread(array->images[element], &byte, 1, at), 1);
    return byte;
}

static int32_t read_status(struct array *array, uint8_t fill, bool *ret_wrong)
{
    uint32_t job = host_submit(
        array, 0,
        (struct job){
            .op = COMMAND_READ, .fill = fill, .volume = array_virtual(array), .bytes = CHUNK});

    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    *ret_wrong = array->hosts[0]->jobs[job].wrong;
    return array->hosts[0]->jobs[job].status;
}

/* --- what is done --- */

/* Its own member, which nobody can write any more, fails by it. */
static void all_copies_that_are_left_are_written(void)
{
    const struct array_wanted wanted = with_a_puppet(LAYOUT_MIRROR);
    struct array *array = array_start(&wanted);
    const struct redo_command command = a_write(array);
    bool wrong;

    reserve_as_puppet(array);
    struct redo_record *record = die_at(array, REDO_BEGUN, &command, NULL);
    CU_ASSERT_EQUAL(read_status(array, FILL, &wrong), 0); /* held until it is done */
    CU_ASSERT_FALSE(wrong);
    CU_ASSERT_EQUAL(redo_look(record).phase, REDO_FREE);
    CU_ASSERT_EQUAL(byte_on(array, 0, 0), FILL);
    CU_ASSERT_EQUAL(byte_on(array, 1, CHUNK - 1), FILL);
    CU_ASSERT_EQUAL(byte_on(array, 1, CHUNK), 0);
    CU_ASSERT_EQUAL(member_states_now(array_virtual_record(array)).failed, 1u << PUPPET);
    CU_ASSERT_FALSE(redo_pending(&array->segment, PUPPET));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Row 0: column 0 on member 0, column 1 on member 1, parity on the puppet's. What it said of parity
 * is written as it stands, whatever the data are. */
static void a_slice_is_written_as_it_was_said(void)
{
    enum { ROW = 1, P_MEMBER = 1 };
    const struct array_wanted wanted = with_a_puppet(LAYOUT_RAID5);
    struct array *array = array_start(&wanted);
    struct redo_command command = a_write(array);
    uint64_t parity = command.payload_offset_bytes + 2 * CHUNK;
    const struct redo_slice slice = {.row = ROW,
                                     .member_offset_bytes = ROW * CHUNK,
                                     .length_bytes = CHUNK,
                                     .columns = 2,
                                     .p_offset_bytes = parity};

    memset(array->segment.base + parity, 0x33, CHUNK);
    command.offset_bytes = (ROW * 2 + 1) * CHUNK; /* column 1, which member 0 has */
    struct redo_record *record = die_at(array, REDO_SLICE, &command, &slice);
    CU_ASSERT_TRUE_FATAL(array_wait_until(array, all_is_recovered));
    CU_ASSERT_EQUAL(redo_look(record).phase, REDO_FREE);
    CU_ASSERT_EQUAL(byte_on(array, 0, ROW * CHUNK), FILL);
    CU_ASSERT_EQUAL(byte_on(array, P_MEMBER, ROW * CHUNK), 0x33);
    CU_ASSERT_EQUAL(byte_on(array, P_MEMBER, (ROW + 1) * CHUNK), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- what is not --- */

static void nothing_is_written(enum layout_kind layout, enum redo_phase phase,
                               void (*damage)(struct array *, struct redo_command *,
                                              struct redo_slice *))
{
    const struct array_wanted wanted = with_a_puppet(layout);
    struct array *array = array_start(&wanted);
    struct redo_command command = a_write(array);
    struct redo_slice slice = {.length_bytes = CHUNK, .columns = 1};
    bool wrong;

    damage(array, &command, &slice);
    reserve_as_puppet(array);
    struct redo_record *record = die_at(array, phase, &command, &slice);
    CU_ASSERT_EQUAL(read_status(array, 0, &wrong), 0); /* what it had reserved is given up */
    CU_ASSERT_FALSE(wrong);
    CU_ASSERT_EQUAL(redo_look(record).phase, REDO_FREE);
    CU_ASSERT_EQUAL(byte_on(array, 0, 0), 0);
    CU_ASSERT_EQUAL(byte_on(array, 1, 0), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

#define DAMAGE(name, change)                                                                       \
    static void name(struct array *array, struct redo_command *command, struct redo_slice *slice)  \
    {                                                                                              \
        (void)array, (void)command, (void)slice;                                                   \
        change;                                                                                    \
    }

DAMAGE(no_such_volume, command->volume = 1000)
DAMAGE(a_plain_volume, command->volume = 0)
DAMAGE(behind_the_end, command->offset_bytes = UINT64_MAX - 100)
DAMAGE(too_long, command->length_bytes = (uint64_t)1 << 40)
DAMAGE(nothing_long, command->length_bytes = 0)
DAMAGE(a_read, command->op = COMMAND_READ)
DAMAGE(no_such_flag, command->flags = 0x80)
DAMAGE(payload_outside, command->payload_offset_bytes = 4096)
DAMAGE(payload_of_another,
       command->payload_offset_bytes = segment_buffers_offset(&array->segment, 0))
DAMAGE(payload_askew, command->payload_offset_bytes += 1)
DAMAGE(no_such_row, slice->row = UINT64_MAX)
DAMAGE(another_row, slice->member_offset_bytes = CHUNK)
DAMAGE(long_slice, slice->length_bytes = 1 << 30)
DAMAGE(no_columns, slice->columns = 0)
DAMAGE(no_such_column, slice->columns = 4)
DAMAGE(a_column_outside, slice->columns = 3)
DAMAGE(parity_outside, slice->p_offset_bytes = 4096)
DAMAGE(parity_of_one_alive, slice->p_offset_bytes = segment_buffers_offset(&array->segment, 1))

static void a_command_that_makes_no_sense_is_dropped(void)
{
    void (*const damages[])(struct array *, struct redo_command *, struct redo_slice *) = {
        no_such_volume, a_plain_volume, behind_the_end,  too_long,           nothing_long,
        a_read,         no_such_flag,   payload_outside, payload_of_another, payload_askew};

    for (uint32_t i = 0; i < sizeof damages / sizeof damages[0]; i++)
        nothing_is_written(LAYOUT_MIRROR, REDO_BEGUN, damages[i]);
}

static void a_slice_that_makes_no_sense_is_dropped(void)
{
    void (*const damages[])(struct array *, struct redo_command *, struct redo_slice *) = {
        no_such_row,    another_row,      long_slice,     no_columns,
        no_such_column, a_column_outside, parity_outside, parity_of_one_alive};

    for (uint32_t i = 0; i < sizeof damages / sizeof damages[0]; i++)
        nothing_is_written(LAYOUT_RAID5, REDO_SLICE, damages[i]);
}

/* --- what must not be used again meanwhile --- */

static void memory_is_needed_while_anything_names_it(void)
{
    const struct array_wanted wanted = with_a_puppet(LAYOUT_RAID5);
    struct array *array = array_start(&wanted);
    const struct segment *segment = &array->segment;
    struct redo_record *record = segment_redo(segment, PUPPET) + RECORD;

    CU_ASSERT_FALSE(redo_pending(segment, PUPPET));
    record->command.volume = array_virtual(array);
    redo_set(record, (struct redo_state){.phase = REDO_BEGUN, .seat = 1, .epoch = EPOCH});
    CU_ASSERT_TRUE(redo_pending(segment, PUPPET)); /* its payload */
    CU_ASSERT_TRUE(redo_pending(segment, 1));      /* whose it is now */
    CU_ASSERT_FALSE(redo_pending(segment, 0));
    record->slice.q_offset_bytes = segment_buffers_offset(segment, 0) + 8192;
    CU_ASSERT_FALSE(redo_pending(segment, 0));
    redo_set(record, (struct redo_state){.phase = REDO_SLICE, .seat = 1, .epoch = EPOCH});
    CU_ASSERT_TRUE(redo_pending(segment, 0));                               /* its parity */
    CU_ASSERT_FALSE(redo_pending_of_volume(segment, array_virtual(array))); /* they live */
    redo_set(record, (struct redo_state){.phase = REDO_FREE});
    CU_ASSERT_FALSE(redo_pending(segment, 0) || redo_pending(segment, PUPPET));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* One of them gets it. */
static void a_record_is_claimed_once(void)
{
    struct redo_record record = {0};
    const struct redo_state dead = {.phase = REDO_SLICE, .seat = 3, .epoch = 9};

    redo_set(&record, dead);
    CU_ASSERT_TRUE(redo_claim(&record, dead, 1, 5));
    CU_ASSERT_FALSE(redo_claim(&record, dead, 2, 5));
    CU_ASSERT_EQUAL(redo_look(&record).phase, REDO_SLICE);
    CU_ASSERT_EQUAL(redo_look(&record).seat, 1);
    CU_ASSERT_EQUAL(redo_look(&record).epoch, 5);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"all copies that are left are written", all_copies_that_are_left_are_written},
        {"a slice is written as it was said", a_slice_is_written_as_it_was_said},
        {"a command that makes no sense is dropped", a_command_that_makes_no_sense_is_dropped},
        {"a slice that makes no sense is dropped", a_slice_that_makes_no_sense_is_dropped},
        {"memory is needed while anything names it", memory_is_needed_while_anything_names_it},
        {"a record is claimed once", a_record_is_claimed_once},
    };
    return UNIT_RUN("path_redo", tests);
}
