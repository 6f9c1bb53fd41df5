/*
 * The journal's format: what was written is read as it was; what is torn at any byte, changed in
 * any bit, of another generation or at another place is no batch; and in files the batches that
 * count are found, in order, wherever the ring began.
 */
#include "controller/journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/journals.h"
#include "tests/unit/unit.h"

enum { GENERATION = 4711, COLUMN = 3000, BATCH_ROOM = 64 << 10 };

static const struct journal_record records[] = {
    {.tag = 1, .member_offset_bytes = 512, .length_bytes = COLUMN, .members = 5, .zeroes = 0},
    {.tag = 2, .member_offset_bytes = 1 << 30, .length_bytes = 512, .members = 7, .zeroes = 2},
    {.tag = 3, .member_offset_bytes = 0, .length_bytes = 4096, .members = 6, .zeroes = 6},
};
enum { RECORDS = sizeof records / sizeof records[0] };

static void fill_payload(uint8_t *at, uint64_t bytes, uint32_t seed)
{
    for (uint64_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(i * 7 + seed);
}

/* Returns its bytes. */
static uint32_t make_batch(uint8_t *memory, const struct journal_batch_name *name)
{
    uint64_t payload_bytes = 0;

    memset(memory, 0xa5, BATCH_ROOM);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint64_t bytes = journal_record_payload_bytes(&records[i]);
        journal_batch_put(memory, i, &records[i]);
        fill_payload(memory + journal_batch_payload_at(RECORDS) + payload_bytes, bytes, i);
        payload_bytes += bytes;
    }
    return journal_batch_seal(memory, RECORDS, payload_bytes, name);
}

static const struct journal_batch_name name = {
    .generation = GENERATION, .sequence = 17, .previous = 12, .place_bytes = 8 * BLOCK_BYTES};

static int decode(const uint8_t *memory, struct journal_batch *ret_batch)
{
    uint32_t bytes = journal_batch_look(memory, GENERATION, name.place_bytes);

    return bytes == 0
               ? -ENOENT
               : journal_batch_decode(memory, bytes, GENERATION, name.place_bytes, ret_batch);
}

static void a_batch_is_read_as_it_was_written(void)
{
    uint8_t *memory = malloc(BATCH_ROOM), expected[2 * COLUMN];
    uint32_t bytes = make_batch(memory, &name);
    struct journal_batch batch;

    CU_ASSERT_EQUAL(bytes % BLOCK_BYTES, 0);
    CU_ASSERT_EQUAL_FATAL(decode(memory, &batch), 0);
    CU_ASSERT_EQUAL(batch.name.sequence, 17);
    CU_ASSERT_EQUAL(batch.name.previous, 12);
    CU_ASSERT_EQUAL(batch.bytes, bytes);
    CU_ASSERT_EQUAL_FATAL(batch.records, RECORDS);
    for (uint32_t i = 0; i < RECORDS; i++) {
        const uint8_t *payload;
        const struct journal_record record = journal_batch_record(&batch, i, &payload);
        uint64_t payload_bytes = journal_record_payload_bytes(&record);
        CU_ASSERT_EQUAL(memcmp(&record, &records[i], sizeof record), 0);
        fill_payload(expected, payload_bytes, i);
        CU_ASSERT_EQUAL(memcmp(payload, expected, payload_bytes), 0);
    }
    free(memory);
}

/* What was there before may be anything; here zeroes, and what an earlier batch left. */
static void a_batch_torn_at_any_byte_is_none(void)
{
    uint8_t *whole = malloc(BATCH_ROOM), *torn = malloc(BATCH_ROOM);
    uint32_t bytes = make_batch(whole, &name);
    struct journal_batch batch;
    uint32_t taken = 0;

    for (uint32_t before = 0; before < 2; before++) {
        for (uint32_t at = 0; at < bytes; at++) {
            memset(torn, before == 0 ? 0 : 0x5a, BATCH_ROOM);
            memcpy(torn, whole, at);
            /* The last bytes are zeroes: without them it is whole already. */
            if (memcmp(torn, whole, bytes) != 0)
                taken += decode(torn, &batch) == 0;
        }
    }
    CU_ASSERT_EQUAL(taken, 0);
    free(whole);
    free(torn);
}

static void a_batch_with_any_bit_changed_is_none(void)
{
    uint8_t *memory = malloc(BATCH_ROOM);
    uint32_t bytes = make_batch(memory, &name), taken = 0;
    struct journal_batch batch;

    for (uint32_t bit = 0; bit < 8 * bytes; bit++) {
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        taken += decode(memory, &batch) == 0;
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CU_ASSERT_EQUAL(taken, 0);
    CU_ASSERT_EQUAL(decode(memory, &batch), 0);
    free(memory);
}

static void a_batch_of_elsewhere_or_of_another_start_is_none(void)
{
    uint8_t *memory = malloc(BATCH_ROOM);
    uint32_t bytes = make_batch(memory, &name);

    CU_ASSERT_EQUAL(journal_batch_look(memory, GENERATION, name.place_bytes), bytes);
    CU_ASSERT_EQUAL(journal_batch_look(memory, GENERATION + 1, name.place_bytes), 0);
    CU_ASSERT_EQUAL(journal_batch_look(memory, GENERATION, 0), 0);
    free(memory);
}

/* --- headers --- */

static struct journal_header a_header(uint64_t sequence)
{
    struct journal_header header = {.sequence = sequence,
                                    .generation = GENERATION,
                                    .previous = 4000,
                                    .replay_from = sequence * 100,
                                    .ring_bytes = JOURNAL_BYTES_MIN - JOURNAL_HEADERS_BYTES,
                                    .seat = 1,
                                    .controllers = 2,
                                    .array = "lab"};

    memset(header.array_id, 7, sizeof header.array_id);
    return header;
}

static void of_two_headers_the_newer_good_one_counts(void)
{
    uint8_t copies[JOURNAL_HEADERS_BYTES] = {0};
    struct journal_header header;

    CU_ASSERT_EQUAL(journal_header_choose(copies, &header), -ENODATA);
    for (uint64_t sequence = 4; sequence < 6; sequence++) {
        const struct journal_header one = a_header(sequence);
        journal_header_encode(&one, copies + sequence % 2 * BLOCK_BYTES);
    }
    CU_ASSERT_EQUAL_FATAL(journal_header_choose(copies, &header), 0);
    CU_ASSERT_EQUAL(header.sequence, 5);
    CU_ASSERT_EQUAL(header.replay_from, 500);
    CU_ASSERT_EQUAL(header.previous, 4000);
    CU_ASSERT_STRING_EQUAL(header.array, "lab");
    copies[BLOCK_BYTES + 50] ^= 1; /* the writing of the newer one was torn */
    CU_ASSERT_EQUAL_FATAL(journal_header_choose(copies, &header), 0);
    CU_ASSERT_EQUAL(header.sequence, 4);
    copies[50] ^= 1;
    CU_ASSERT_EQUAL(journal_header_choose(copies, &header), -EBADMSG);
    memset(copies, 'x', sizeof copies);
    CU_ASSERT_EQUAL(journal_header_choose(copies, &header), -ENOENT);
}

static void a_header_names_what_is_lost_and_then_all(void)
{
    uint8_t copies[JOURNAL_HEADERS_BYTES] = {0};
    struct journal_header header = a_header(1), found;

    for (uint64_t tag = 1; tag <= JOURNAL_LOST_MAX; tag++) {
        journal_header_add_lost(&header, tag);
        journal_header_add_lost(&header, tag); /* once is enough */
    }
    journal_header_encode(&header, copies + BLOCK_BYTES);
    CU_ASSERT_EQUAL_FATAL(journal_header_choose(copies, &found), 0);
    CU_ASSERT(journal_header_is_lost(&found, 1) &&
              journal_header_is_lost(&found, JOURNAL_LOST_MAX));
    CU_ASSERT_FALSE(journal_header_is_lost(&found, JOURNAL_LOST_MAX + 1));
    journal_header_add_lost(&found, JOURNAL_LOST_MAX + 1);
    CU_ASSERT(journal_header_is_lost(&found, 12345));
}

/* --- files --- */

enum { RING_BLOCKS = 64 };

static struct journals *a_file(void)
{
    struct journals *journals = calloc(1, sizeof *journals);
    char path[] = "/tmp/anyport-test-journal-XXXXXX";

    journals->files[0].fd = mkstemp(path);
    CU_ASSERT_FATAL(journals->files[0].fd >= 0);
    unlink(path);
    journals->looked_at = 1;
    journals->has[0] = true;
    journals->last = GENERATION;
    journals->replay_from = 1;
    journals->headers[0] = a_header(1);
    journals->headers[0].ring_bytes = RING_BLOCKS * BLOCK_BYTES;
    CU_ASSERT_EQUAL_FATAL(
        ftruncate(journals->files[0].fd, JOURNAL_HEADERS_BYTES + RING_BLOCKS * BLOCK_BYTES), 0);
    return journals;
}

static void give_back(struct journals *journals)
{
    close(journals->files[0].fd);
    journals_free(journals);
}

/* Writes the first `bytes` of a batch (0: all); returns how long it is. */
static uint32_t put(const struct journals *journals, uint64_t block, uint64_t sequence,
                    uint64_t previous, uint32_t bytes)
{
    const struct journal_batch_name one = {.generation = GENERATION,
                                           .sequence = sequence,
                                           .previous = previous,
                                           .place_bytes = block * BLOCK_BYTES};
    uint8_t *memory = malloc(BATCH_ROOM);
    uint32_t all = make_batch(memory, &one);
    uint32_t wanted = bytes == 0 ? all : bytes;

    CU_ASSERT_EQUAL_FATAL(pwrite(journals->files[0].fd, memory, wanted,
                                 (off_t)(JOURNAL_HEADERS_BYTES + block * BLOCK_BYTES)),
                          wanted);
    free(memory);
    return all;
}

static void batches_are_found_in_order_where_the_ring_wrapped(void)
{
    struct journals *journals = a_file();
    uint32_t blocks = put(journals, 0, 30, 20, 0) / BLOCK_BYTES;

    put(journals, blocks, 10, 0, 0);
    put(journals, RING_BLOCKS - blocks, 20, 10, 0);
    CU_ASSERT_EQUAL_FATAL(journals_scan(journals), 0);
    CU_ASSERT_EQUAL_FATAL(journals->found_count, 3);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(journals->found[i].sequence, 10 * (i + 1));
    give_back(journals);
}

static void what_is_void_or_torn_does_not_count(void)
{
    struct journals *journals = a_file();
    uint32_t blocks = put(journals, 0, 10, 0, 0) / BLOCK_BYTES;

    put(journals, blocks, 20, 10, 0);
    put(journals, 2 * blocks, 30, 20, BLOCK_BYTES); /* the power went */
    journals->replay_from = 11;
    CU_ASSERT_EQUAL_FATAL(journals_scan(journals), 0);
    CU_ASSERT_EQUAL_FATAL(journals->found_count, 1);
    CU_ASSERT_EQUAL(journals->found[0].sequence, 20);
    give_back(journals);
}

/* A batch that looks like one within the payload of another is passed over with it. */
static void payload_is_not_taken_for_a_batch(void)
{
    struct journals *journals = a_file();
    uint8_t *memory = malloc(BATCH_ROOM), *inner = malloc(BATCH_ROOM);
    const struct journal_batch_name outer = {.generation = GENERATION, .sequence = 10};
    const struct journal_batch_name within = {
        .generation = GENERATION, .sequence = 99, .place_bytes = BLOCK_BYTES};
    struct journal_record record = {.tag = 1, .length_bytes = 8 * BLOCK_BYTES, .members = 1};
    uint32_t payload_at = journal_batch_payload_at(1);
    uint32_t bytes = make_batch(inner, &within);

    journal_batch_put(memory, 0, &record);
    memset(memory + payload_at, 1, record.length_bytes);
    memcpy(memory + BLOCK_BYTES, inner, bytes);
    bytes = journal_batch_seal(memory, 1, record.length_bytes, &outer);
    CU_ASSERT_EQUAL_FATAL(
        pwrite(journals->files[0].fd, memory, bytes, (off_t)JOURNAL_HEADERS_BYTES), bytes);
    CU_ASSERT_EQUAL_FATAL(journals_scan(journals), 0);
    CU_ASSERT_EQUAL_FATAL(journals->found_count, 1);
    CU_ASSERT_EQUAL(journals->found[0].sequence, 10);
    free(memory);
    free(inner);
    give_back(journals);
}

static void a_batch_that_is_missing_in_between_is_damage(void)
{
    struct journals *journals = a_file();
    uint32_t blocks = put(journals, 0, 10, 0, 0) / BLOCK_BYTES;

    put(journals, blocks, 20, 10, BLOCK_BYTES);
    put(journals, 2 * blocks, 30, 20, 0);
    CU_ASSERT_EQUAL(journals_scan(journals), -EUCLEAN);
    give_back(journals);
}

static void tags_tell_volumes_apart(void)
{
    uint64_t tag = journal_tag_volume("r", LAYOUT_RAID5, 65536, 3);

    CU_ASSERT_NOT_EQUAL(tag, journal_tag_volume("s", LAYOUT_RAID5, 65536, 3));
    CU_ASSERT_NOT_EQUAL(tag, journal_tag_volume("r", LAYOUT_RAID6, 65536, 3));
    CU_ASSERT_NOT_EQUAL(tag, journal_tag_volume("r", LAYOUT_RAID5, 4096, 3));
    CU_ASSERT_NOT_EQUAL(journal_tag_member(tag, "d0", 0), journal_tag_member(tag, "d0", 4096));
    CU_ASSERT_NOT_EQUAL(journal_tag_member(journal_tag_member(tag, "a", 0), "b", 0),
                        journal_tag_member(journal_tag_member(tag, "b", 0), "a", 0));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a batch is read as it was written", a_batch_is_read_as_it_was_written},
        {"a batch torn at any byte is none", a_batch_torn_at_any_byte_is_none},
        {"a batch with any bit changed is none", a_batch_with_any_bit_changed_is_none},
        {"a batch of elsewhere or of another start is none",
         a_batch_of_elsewhere_or_of_another_start_is_none},
        {"of two headers the newer good one counts", of_two_headers_the_newer_good_one_counts},
        {"a header names what is lost and then all", a_header_names_what_is_lost_and_then_all},
        {"batches are found in order where the ring wrapped",
         batches_are_found_in_order_where_the_ring_wrapped},
        {"what is void or torn does not count", what_is_void_or_torn_does_not_count},
        {"payload is not taken for a batch", payload_is_not_taken_for_a_batch},
        {"a batch that is missing in between is damage",
         a_batch_that_is_missing_in_between_is_damage},
        {"tags tell volumes apart", tags_tell_volumes_apart},
    };
    return UNIT_RUN("journal_record", tests);
}
