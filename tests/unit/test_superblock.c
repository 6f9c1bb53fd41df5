/*
 * Superblocks: what is read is what was written, or the copy before it, or nothing; and which
 * members follow from them to be stale.
 */
#include "controller/superblock/superblock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/layout/layout.h"
#include "controller/superblock/image.h"
#include "controller/superblock/standing.h"
#include "tests/unit/unit.h"

static uint8_t copies[SUPERBLOCK_BYTES];
static struct superblock read_back; /* large; each test fills it anew */
static uint32_t chosen;

#define MIB UINT64_C(1048576)

static struct superblock_member member_of(uint32_t number)
{
    struct superblock_member member = {.layout = LAYOUT_RAID6,
                                       .chunk_bytes = 65536,
                                       .copies = 1,
                                       .members = 5,
                                       .place = number % 5,
                                       .failed = number % 32,
                                       .offset_bytes = UINT64_C(0x123456789000) + number,
                                       .size_bytes = UINT64_C(1) << 40,
                                       .run = UINT64_C(0x8877665544332211) + number,
                                       .next_run = number,
                                       .rebuilding = number % 32 & 21,
                                       .rebuilt_bytes = (uint64_t)number << 16};

    snprintf(member.volume, sizeof member.volume, "volume-%u", number);
    return member;
}

static const struct superblock *sample(uint64_t sequence, uint32_t members)
{
    static struct superblock superblock;

    memset(&superblock, 0, sizeof superblock);
    superblock.sequence = sequence;
    superblock.members_count = members;
    memset(superblock.array_id, 0xa5, SUPERBLOCK_ID_BYTES);
    memset(superblock.element_id, 0x5a, SUPERBLOCK_ID_BYTES);
    memset(superblock.array, 'a', NAME_BYTES_MAX); /* the longest name there is */
    snprintf(superblock.element, sizeof superblock.element, "disk%u", members);
    for (uint32_t i = 0; i < members; i++)
        superblock.members[i] = member_of(i);
    return &superblock;
}

/* Copy 0 is the older one. */
static void fill_copies(void)
{
    superblock_encode(sample(7, 3), copies);
    superblock_encode(sample(8, 4), copies + SUPERBLOCK_COPY_BYTES);
}

static bool is_sample(uint64_t sequence, uint32_t members)
{
    return memcmp(&read_back, sample(sequence, members), sizeof read_back) == 0;
}

/* --- format --- */

static void what_is_written_is_read(void)
{
    static const uint32_t counts[] = {0, 1, SUPERBLOCK_MEMBERS_MAX};

    for (uint32_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        superblock_encode(sample(i + 1, counts[i]), copies);
        CU_ASSERT_EQUAL(superblock_decode(copies, &read_back), 0);
        CU_ASSERT(is_sample(i + 1, counts[i]));
    }
}

/* Images outlive programs: these bytes may not change without a new version. */
static void the_bytes_are_those_that_are_drawn(void)
{
    static const uint8_t crc32c_of_digits[] = "123456789"; /* 0xe3069283, in every book */

    superblock_encode(sample(0x0807060504030201, 2), copies);
    CU_ASSERT_EQUAL(memcmp(copies, "anyportS\1\0\0\0", 12), 0);
    CU_ASSERT_EQUAL(memcmp(copies + 16, "\1\2\3\4\5\6\7\10\2\0\0\0", 12), 0);
    CU_ASSERT(copies[32] == 0xa5 && copies[48] == 0x5a && copies[64] == 'a');
    CU_ASSERT_STRING_EQUAL((char *)copies + 128, "disk2");
    CU_ASSERT_STRING_EQUAL((char *)copies + 256 + 128, "volume-1");
    CU_ASSERT(copies[256 + 128 + 64] == LAYOUT_RAID6 && copies[256 + 128 + 80] == 1 &&
              copies[256 + 128 + 84] == 1);
    CU_ASSERT_EQUAL(memcmp(copies + 256 + 128 + 104, "\x12\x22\x33\x44\x55\x66\x77\x88\1", 9), 0);
    /* The CRC as anybody else would compute it, bit by bit. */
    uint32_t crc = UINT32_MAX, known = UINT32_MAX, stored;
    memcpy(&stored, copies + 12, sizeof stored);
    memset(copies + 12, 0, sizeof stored);
    for (uint32_t i = 0; i < SUPERBLOCK_COPY_BYTES; i++) {
        crc ^= copies[i];
        for (uint32_t bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    for (uint32_t i = 0; i < 9; i++) {
        known ^= crc32c_of_digits[i];
        for (uint32_t bit = 0; bit < 8; bit++)
            known = known >> 1 ^ (known & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    CU_ASSERT_EQUAL(~known, UINT32_C(0xe3069283));
    CU_ASSERT_EQUAL(~crc, stored);
}

static void the_newer_copy_is_taken_wherever_it_stands(void)
{
    fill_copies();
    CU_ASSERT_EQUAL(superblock_choose(copies, &read_back, &chosen), 0);
    CU_ASSERT(chosen == 1 && is_sample(8, 4));
    superblock_encode(sample(9, 5), copies);
    CU_ASSERT_EQUAL(superblock_choose(copies, &read_back, &chosen), 0);
    CU_ASSERT(chosen == 0 && is_sample(9, 5));
}

/* Each byte of either copy, with one bit or all of them changed. */
static void with_any_byte_changed_the_other_copy_is_taken(void)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    uint32_t wrong = 0;

    fill_copies();
    for (uint32_t at = 0; at < SUPERBLOCK_BYTES; at++) {
        uint8_t change = changes[at % sizeof changes];
        bool newer = at >= SUPERBLOCK_COPY_BYTES;
        copies[at] ^= change;
        if (superblock_choose(copies, &read_back, &chosen) != 0 ||
            read_back.sequence != (newer ? 7u : 8u) || chosen != !newer)
            wrong++;
        copies[at] ^= change;
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

/* With both damaged there is none, and it is not said that there never was one. */
static void with_both_damaged_it_is_refused(void)
{
    uint32_t wrong = 0;

    fill_copies();
    copies[SUPERBLOCK_COPY_BYTES + 300] ^= 4;
    for (uint32_t at = 0; at < SUPERBLOCK_COPY_BYTES; at += at < 512 ? 1 : 61) {
        copies[at] ^= 0x10;
        wrong += superblock_choose(copies, &read_back, &chosen) != -EBADMSG;
        copies[at] ^= 0x10;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    memset(copies, 0, sizeof copies);
    CU_ASSERT_EQUAL(superblock_choose(copies, &read_back, &chosen), -ENOENT);
    memset(copies, 'x', sizeof copies);
    CU_ASSERT_EQUAL(superblock_choose(copies, &read_back, &chosen), -ENOENT);
}

/* A writing that stopped at any sector, from either end: the copy before it is taken. */
static void a_torn_writing_leaves_the_copy_before(void)
{
    static uint8_t older[SUPERBLOCK_COPY_BYTES], newer[SUPERBLOCK_COPY_BYTES];
    uint32_t wrong = 0;

    superblock_encode(sample(7, 200), older);
    superblock_encode(sample(9, 254), newer);
    superblock_encode(sample(8, 3), copies + SUPERBLOCK_COPY_BYTES);
    /* Until the last sector that differs from the older content was written. */
    for (uint32_t sector = 1; sector < (256 + 254 * 128) / 512; sector++) {
        memcpy(copies, older, sizeof older);
        memcpy(copies, newer, sector * 512);
        wrong += superblock_choose(copies, &read_back, &chosen) != 0 || !is_sample(8, 3);
        memcpy(copies, newer, sizeof newer);
        memcpy(copies, older, sector * 512);
        wrong += superblock_choose(copies, &read_back, &chosen) != 0 || !is_sample(8, 3);
    }
    CU_ASSERT_EQUAL(wrong, 0);
    memcpy(copies, newer, sizeof newer);
    CU_ASSERT_EQUAL(superblock_choose(copies, &read_back, &chosen), 0);
    CU_ASSERT(is_sample(9, 254));
}

static void what_makes_no_sense_is_damaged(void)
{
    struct superblock *strange = malloc(sizeof *strange);

    CU_ASSERT_PTR_NOT_NULL_FATAL(strange);
    for (uint32_t kind = 0; kind < 6; kind++) {
        *strange = *sample(3, 2);
        struct superblock_member *member = &strange->members[1];
        member->layout = kind == 0 ? LAYOUT_KINDS : member->layout;
        member->members = kind == 1 ? MEMBERS_MAX + 1 : member->members;
        member->place = kind == 2 ? member->members : member->place;
        member->failed = kind == 3 ? 1u << member->members : member->failed;
        member->size_bytes = kind == 4 ? ELEMENT_BYTES_MAX : member->size_bytes;
        if (kind == 5)
            member->volume[0] = 0;
        superblock_encode(strange, copies);
        CU_ASSERT_EQUAL(superblock_decode(copies, &read_back), -EBADMSG);
    }
    free(strange);
}

/* --- standing --- */

enum { MEMBERS = 4 };

struct stand {
    uint64_t run, next_run;
    uint32_t failed, rebuilding;
    uint64_t rebuilt_bytes;
};

/* A run of 99: the member has no record. */
static struct standing stand(const struct stand *all)
{
    static struct superblock_member members[MEMBERS];
    const struct superblock_member *records[MEMBERS];

    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i] = member_of(i);
        members[i].run = all[i].run;
        members[i].next_run = all[i].next_run;
        members[i].failed = all[i].failed;
        members[i].rebuilding = all[i].rebuilding;
        members[i].rebuilt_bytes = all[i].rebuilt_bytes;
        records[i] = all[i].run == 99 ? NULL : &members[i];
    }
    return standing_of(records, MEMBERS);
}

static void who_is_stale_follows_from_runs_and_masks(void)
{
    static const struct {
        struct stand all[MEMBERS];
        uint32_t stale;
        uint64_t run;
    } cases[] = {
        {{{5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}}, 0, 5},
        /* named by the others; and by one of them, the array having been killed while it marked */
        {{{5, 0, 2, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 2, 0, 0}, {5, 0, 2, 0, 0}}, 2, 5},
        {{{5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 2, 0, 0}, {5, 0, 0, 0, 0}}, 2, 5},
        /* one after the other */
        {{{5, 0, 2, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 10, 0, 0}, {5, 0, 2, 0, 0}}, 10, 5},
        /* it calls itself failed, which nobody else was there to hear of */
        {{{5, 0, 0, 0, 0}, {5, 0, 2, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}}, 2, 5},
        /* an image from a backup; what it called failed then does not count */
        {{{5, 0, 0, 0, 0}, {4, 0, 8, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}}, 2, 5},
        /* not known */
        {{{5, 0, 0, 0, 0}, {99, 0, 0, 0, 0}, {5, 0, 1, 0, 0}, {5, 0, 1, 0, 0}}, 3, 5},
        /* a start that was killed while it announced, and while it entered */
        {{{5, 6, 0, 0, 0}, {5, 6, 0, 0, 0}, {5, 0, 0, 0, 0}, {5, 0, 0, 0, 0}}, 0, 5},
        {{{6, 0, 0, 0, 0}, {5, 6, 0, 0, 0}, {6, 0, 0, 0, 0}, {5, 6, 0, 0, 0}}, 0, 6},
        {{{6, 0, 2, 0, 0}, {5, 6, 2, 0, 0}, {5, 6, 2, 0, 0}, {5, 6, 2, 0, 0}}, 2, 6},
        /* the same, and one that was not there when it was announced */
        {{{6, 0, 0, 0, 0}, {5, 6, 0, 0, 0}, {5, 0, 0, 0, 0}, {6, 0, 0, 0, 0}}, 4, 6},
    };

    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct standing found = stand(cases[i].all);
        CU_ASSERT_EQUAL(found.stale, cases[i].stale);
        CU_ASSERT_EQUAL(found.run, cases[i].run);
        CU_ASSERT_FALSE(found.is_new);
    }
}

static void a_volume_that_nobody_was_served_is_new(void)
{
    static const struct stand none[MEMBERS] = {
        {99, 0, 0, 0, 0}, {99, 0, 0, 0, 0}, {99, 0, 0, 0, 0}, {99, 0, 0, 0, 0}};
    static const struct stand some[MEMBERS] = {
        {0, 1, 0, 0, 0}, {99, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {99, 0, 0, 0, 0}};
    static const struct stand begun[MEMBERS] = {
        {1, 0, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 1, 0, 0, 0}, {0, 1, 0, 0, 0}};

    CU_ASSERT(stand(none).is_new && stand(none).stale == 0 && stand(none).silent == 15);
    CU_ASSERT(stand(some).is_new && stand(some).stale == 0 && stand(some).silent == 10);
    CU_ASSERT(!stand(begun).is_new && stand(begun).stale == 0);
}

/* --- tails --- */

static void a_tail_is_read_as_it_was_written(void)
{
    struct superblock *superblock = calloc(1, sizeof *superblock);

    CU_ASSERT_FATAL(superblock != NULL);
    *superblock = *sample(3, 2);
    superblock->tail = tail_of(300 * MIB, true);
    superblock_encode(superblock, copies);
    CU_ASSERT_EQUAL(memcmp(copies, "anyportS\2\0\0\0", 12), 0);
    /* 300 KiB of checksums and a block of intents; the region's shift is 20 */
    CU_ASSERT_EQUAL(memcmp(copies + 192,
                           "\0\xc0\5\0\0\0\0\0" /* 376832 */
                           "\0\0\0\0\0\0\0\0\0\xb0\4\0\0\0\0\0"
                           "\0\xb0\4\0\0\0\0\0\0\x10\0\0\x14\0\0\0",
                           40),
                    0);
    CU_ASSERT_EQUAL(superblock_decode(copies, &read_back), 0);
    CU_ASSERT_EQUAL(memcmp(&read_back, superblock, sizeof read_back), 0);
    free(superblock);
}

static void a_tail_holds_what_is_kept_of_the_element(void)
{
    static const uint64_t sizes[] = {
        4096,         MIB,          4032 * MIB, 4032 * MIB + 4096,
        129024 * MIB, 129025 * MIB, MIB * MIB,  ELEMENT_BYTES_MAX - 4096};

    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (uint32_t checksums = 0; checksums < 2; checksums++) {
            if (checksums && sizes[i] > CHECKSUMMED_BYTES_MAX)
                continue;
            struct tail tail = tail_of(sizes[i], checksums);
            CU_ASSERT(tail_valid(&tail) && tail_covers(&tail, sizes[i]));
            CU_ASSERT(tail.intents_bytes <= INTENTS_BYTES_MAX);
            CU_ASSERT((tail.checksums_bytes != 0) == (checksums != 0));
            CU_ASSERT_EQUAL(tail_bytes(&tail), tail.bytes);
            uint64_t behind = (uint64_t)tail.intents_bytes / 512 * 4032 << tail.region_shift;
            CU_ASSERT(!tail_covers(&tail, behind + 4096) || behind >= ELEMENT_BYTES_MAX);
        }
    }
    CU_ASSERT_EQUAL(tail_of(4096, false).region_shift, 20);
    CU_ASSERT_EQUAL(tail_of(129024 * MIB, false).region_shift, 20);
    CU_ASSERT_EQUAL(tail_of(129025 * MIB, false).region_shift, 21);
}

/* Each of them would lead a reader or a writer somewhere else. */
static void a_tail_that_does_not_fit_is_damage(void)
{
    const struct tail good = tail_of(64 * MIB, true);
    struct superblock *superblock = calloc(1, sizeof *superblock);
    struct tail bad[9];

    CU_ASSERT_FATAL(superblock != NULL);
    for (uint32_t i = 0; i < 9; i++)
        bad[i] = good;
    bad[0].bytes -= BLOCK_BYTES;
    bad[1].intents_offset_bytes -= BLOCK_BYTES;
    bad[2].intents_offset_bytes = UINT64_MAX - BLOCK_BYTES + 1;
    bad[3].checksums_bytes = UINT64_C(1) << 40;
    bad[4].intents_bytes = INTENTS_BYTES_MAX + BLOCK_BYTES;
    bad[5].region_shift = INTENT_REGION_SHIFT_MIN - 1;
    bad[6].region_shift = INTENT_REGION_SHIFT_MAX + 1;
    bad[7].checksums_bytes -= 1;
    bad[8].intents_bytes = 0; /* checksums without anything that says which are right */
    for (uint32_t i = 0; i < 9; i++) {
        *superblock = *sample(3, 2);
        superblock->tail = bad[i];
        superblock_encode(superblock, copies);
        CU_ASSERT_EQUAL(superblock_decode(copies, &read_back), -EBADMSG);
    }
    free(superblock);
}

/* --- of an image --- */

static void an_image_keeps_the_newest_that_was_written(void)
{
    char path[] = "/tmp/anyport-superblock-XXXXXX";
    struct superblock_of_image *one = calloc(1, sizeof *one), *other = calloc(1, sizeof *other);
    int fd = mkstemp(path);
    struct element_error why;
    struct element element;
    const struct element_wanted wanted = {.image = path};

    CU_ASSERT_FATAL(one != NULL && other != NULL && fd >= 0 && ftruncate(fd, 1 << 20) == 0);
    CU_ASSERT_EQUAL_FATAL(element_open(&element, &wanted, &why), 0);
    CU_ASSERT_EQUAL(superblock_read(&element, other), -ENOENT);
    CU_ASSERT_EQUAL(element_keep_tail(&element, 0, SUPERBLOCK_BYTES, &why), 0);
    CU_ASSERT_EQUAL(element.size_bytes, (1 << 20) - SUPERBLOCK_BYTES);
    one->content = *sample(0, 2);
    CU_ASSERT_EQUAL(superblock_create(&element, one), 0);
    for (uint32_t i = 0; i < 5; i++) {
        one->content.members[0].failed = i;
        CU_ASSERT_EQUAL(superblock_write(&element, one), 0);
        CU_ASSERT_EQUAL(superblock_read(&element, other), 0);
        CU_ASSERT_EQUAL(memcmp(&one->content, &other->content, sizeof one->content), 0);
        CU_ASSERT_EQUAL(one->copy, other->copy);
        /* The one before is still there, should this one not be. */
        uint8_t gone = 0;
        CU_ASSERT_EQUAL(
            pwrite(fd, &gone, 1,
                   (1 << 20) - SUPERBLOCK_BYTES + (off_t)(one->copy * SUPERBLOCK_COPY_BYTES)),
            1);
        CU_ASSERT_EQUAL(superblock_read(&element, other), 0);
        CU_ASSERT_EQUAL(other->content.sequence, one->content.sequence - 1);
        CU_ASSERT_EQUAL(superblock_write(&element, one), 0);
    }
    CU_ASSERT_EQUAL(element_check_size(&element), 0);
    CU_ASSERT_EQUAL(ftruncate(fd, (1 << 20) - 1), 0);
    CU_ASSERT_EQUAL(element_check_size(&element), -EIO);
    element_close(&element);
    close(fd);
    unlink(path);
    free(one);
    free(other);
}

/* Each line is a step of a rebuild of member 1 at which everything may have been killed. */
static void who_goes_on_being_rebuilt_follows_from_all_records(void)
{
    static const struct {
        struct stand all[MEMBERS];
        uint32_t stale, rebuilding;
        uint64_t rebuilt_bytes;
    } cases[] = {
        /* a new image, of no run; then the next run is announced, and entered */
        {{{5, 0, 2, 0, 0}, {0, 0, 2, 0, 0}, {5, 0, 2, 0, 0}, {5, 0, 2, 0, 0}}, 2, 0, 0},
        {{{5, 6, 2, 2, 0}, {0, 0, 2, 0, 0}, {5, 6, 2, 2, 0}, {5, 0, 2, 0, 0}}, 2, 0, 0},
        {{{5, 6, 2, 2, 0}, {5, 6, 2, 2, 0}, {5, 6, 2, 2, 0}, {5, 6, 2, 2, 0}}, 2, 2, 0},
        {{{6, 0, 2, 2, 0}, {5, 6, 2, 2, 0}, {5, 6, 2, 2, 0}, {5, 6, 2, 2, 0}}, 2, 2, 0},
        {{{6, 0, 2, 2, 0}, {6, 0, 2, 2, 0}, {6, 0, 2, 2, 0}, {6, 0, 2, 2, 0}}, 2, 2, 0},
        /* positions are marked one after the other: the least holds */
        {{{6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}, {6, 0, 2, 2, 4}, {6, 0, 2, 2, 4}}, 2, 2, 4},
        {{{6, 0, 2, 2, 9}, {6, 0, 2, 2, 4}, {6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}}, 2, 2, 4},
        /* it missed a write, of which some know already */
        {{{6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}, {6, 0, 2, 0, 0}, {6, 0, 2, 2, 9}}, 2, 0, 0},
        {{{6, 0, 2, 0, 0}, {6, 0, 2, 2, 9}, {6, 0, 2, 0, 0}, {6, 0, 2, 0, 0}}, 2, 0, 0},
        /* what another one that has failed says of it does not count */
        {{{6, 0, 6, 2, 9}, {6, 0, 6, 2, 9}, {6, 0, 2, 0, 0}, {6, 0, 6, 2, 9}}, 6, 2, 9},
        /* the image of before, and one whose rebuild was broken off before this one */
        {{{6, 0, 2, 2, 9}, {5, 0, 0, 0, 0}, {6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}}, 2, 0, 0},
        {{{8, 0, 2, 2, 9}, {6, 0, 2, 2, 50}, {8, 0, 2, 2, 9}, {8, 0, 2, 2, 9}}, 2, 0, 0},
        /* its own record does not know of it; it has none */
        {{{6, 0, 2, 2, 9}, {6, 0, 2, 0, 0}, {6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}}, 2, 0, 0},
        {{{6, 0, 2, 2, 9}, {99, 0, 0, 0, 0}, {6, 0, 2, 2, 9}, {6, 0, 2, 2, 9}}, 2, 0, 0},
        /* two at once; one of them fails again */
        {{{6, 0, 6, 6, 9}, {6, 0, 6, 6, 9}, {6, 0, 6, 6, 9}, {6, 0, 6, 6, 7}}, 6, 6, 7},
        {{{6, 0, 6, 4, 9}, {6, 0, 6, 6, 3}, {6, 0, 6, 4, 9}, {6, 0, 6, 4, 9}}, 6, 4, 9},
        /* the end is announced, and entered in some */
        {{{6, 7, 2, 2, 99}, {6, 7, 2, 2, 99}, {6, 0, 2, 2, 99}, {6, 7, 2, 2, 99}}, 2, 2, 99},
        {{{7, 0, 0, 0, 0}, {6, 7, 2, 2, 99}, {6, 7, 2, 2, 99}, {6, 7, 2, 2, 99}}, 0, 0, 0},
        {{{7, 0, 0, 0, 0}, {7, 0, 0, 0, 0}, {7, 0, 0, 0, 0}, {6, 7, 2, 2, 99}}, 0, 0, 0},
        /* and in just that moment it misses a write */
        {{{7, 0, 2, 0, 0}, {6, 7, 2, 2, 99}, {7, 0, 0, 0, 0}, {6, 7, 2, 2, 99}}, 2, 0, 0},
    };

    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct standing found = stand(cases[i].all);
        CU_ASSERT_EQUAL(found.stale, cases[i].stale);
        CU_ASSERT_EQUAL(found.rebuilding, cases[i].rebuilding);
        CU_ASSERT_EQUAL(found.rebuilt_bytes, cases[i].rebuilt_bytes);
        if (found.stale != cases[i].stale || found.rebuilding != cases[i].rebuilding ||
            found.rebuilt_bytes != cases[i].rebuilt_bytes)
            fprintf(stderr, "case %u: stale %x, rebuilding %x from %lu\n", i, found.stale,
                    found.rebuilding, (unsigned long)found.rebuilt_bytes);
    }
}

static void how_far_a_rebuild_is_is_kept_rounded_down(void)
{
    CU_ASSERT_EQUAL(superblock_rebuilt_unit(1), 64 << 10);
    CU_ASSERT_EQUAL(superblock_rebuilt_unit((uint64_t)1 << 47), 64 << 10);
    CU_ASSERT_EQUAL(superblock_rebuilt_unit((uint64_t)1 << 48), 128 << 10);
    CU_ASSERT_TRUE(ELEMENT_BYTES_MAX / superblock_rebuilt_unit(ELEMENT_BYTES_MAX) <= UINT32_MAX);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"what is written is read", what_is_written_is_read},
        {"the bytes are those that are drawn", the_bytes_are_those_that_are_drawn},
        {"the newer copy is taken wherever it stands", the_newer_copy_is_taken_wherever_it_stands},
        {"with any byte changed the other copy is taken",
         with_any_byte_changed_the_other_copy_is_taken},
        {"with both damaged it is refused", with_both_damaged_it_is_refused},
        {"a torn writing leaves the copy before", a_torn_writing_leaves_the_copy_before},
        {"what makes no sense is damaged", what_makes_no_sense_is_damaged},
        {"who is stale follows from runs and masks", who_is_stale_follows_from_runs_and_masks},
        {"who goes on being rebuilt follows from all records",
         who_goes_on_being_rebuilt_follows_from_all_records},
        {"how far a rebuild is is kept rounded down", how_far_a_rebuild_is_is_kept_rounded_down},
        {"a volume that nobody was served is new", a_volume_that_nobody_was_served_is_new},
        {"a tail is read as it was written", a_tail_is_read_as_it_was_written},
        {"a tail holds what is kept of the element", a_tail_holds_what_is_kept_of_the_element},
        {"a tail that does not fit is damage", a_tail_that_does_not_fit_is_damage},
        {"an image keeps the newest that was written", an_image_keeps_the_newest_that_was_written},
    };
    return UNIT_RUN("superblock", tests);
}
