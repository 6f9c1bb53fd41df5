/*
 * An element: what may be opened, who holds its lock, how its I/O is done, and what its extents
 * are.
 */
#include "io/element.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "io/witness.h"
#include "tests/unit/unit.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static char folder[] = "/tmp/anyport-element-XXXXXX";
static char path_room[2][128];

static const char *path_of(const char *name)
{
    static int turn;

    turn = !turn;
    snprintf(path_room[turn], sizeof path_room[turn], "%s/%s", folder, name);
    return path_room[turn];
}

static void make_file(const char *name, uint64_t bytes)
{
    int fd = open(path_of(name), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);

    CU_ASSERT_TRUE_FATAL(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
}

static int open_with(struct element *element, const char *name, uint64_t bytes, bool read_only)
{
    struct element_wanted wanted = {
        .image = path_of(name), .size_bytes = bytes, .read_only = read_only};
    struct element_error why = {""};
    int error = element_open(element, &wanted, &why);

    CU_ASSERT_EQUAL(error == 0, why.text[0] == '\0'); /* words for each refusal */
    return error;
}

static int create(struct element *element, const char *name, uint64_t bytes)
{
    struct element_wanted wanted = {
        .image = path_of(name), .size_bytes = bytes, .read_only = false};
    struct element_error why;

    return element_create(element, &wanted, &why);
}

static uint64_t file_bytes(const char *name)
{
    struct stat status;

    return stat(path_of(name), &status) == 0 ? (uint64_t)status.st_size : UINT64_MAX;
}

/* --- opening --- */

static void an_image_is_used_as_far_as_said(void)
{
    struct element element;

    make_file("image", 3 * MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "image", 0, false), 0);
    CU_ASSERT_EQUAL(element.size_bytes, 3 * MIB);
    CU_ASSERT_EQUAL(fcntl(element.fd, F_GETFL) & O_NONBLOCK, 0);
    CU_ASSERT_TRUE(fcntl(element.fd, F_GETFD) & FD_CLOEXEC);
    element_close(&element);
    element_close(&element); /* a second time does no harm */
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "image", MIB, false), 0);
    CU_ASSERT_EQUAL(element.size_bytes, MIB);
    element_close(&element);
    CU_ASSERT_EQUAL(open_with(&element, "image", 3 * MIB + 1, false), -EINVAL);
    CU_ASSERT_EQUAL(file_bytes("image"), 3 * MIB);
}

static void what_is_no_image_is_refused(void)
{
    struct element element;

    make_file("empty", 0);
    CU_ASSERT_EQUAL(open_with(&element, "empty", 0, false), -EINVAL);
    CU_ASSERT_EQUAL(open_with(&element, "nowhere", 0, false), -ENOENT);
    CU_ASSERT_EQUAL(open_with(&element, "", 0, true), -EINVAL); /* a folder */
    CU_ASSERT_EQUAL(open_with(&element, "", 0, false), -EISDIR);
    CU_ASSERT_EQUAL(mkfifo(path_of("fifo"), 0600), 0);
    CU_ASSERT_EQUAL(open_with(&element, "fifo", 0, true), -EINVAL); /* and does not hang */
    CU_ASSERT_EQUAL(open_with(&element, "fifo", 0, false), -EINVAL);
    CU_ASSERT_EQUAL(symlink("nowhere", path_of("dangling")), 0);
    CU_ASSERT_EQUAL(open_with(&element, "dangling", 0, false), -ENOENT);
    struct element_wanted null = {.image = "/dev/null", .size_bytes = 0, .read_only = false};
    struct element_error why;
    CU_ASSERT_EQUAL(element_open(&element, &null, &why), -EINVAL);
}

/* --- locks --- */

static void an_image_is_served_once_by_any_path(void)
{
    struct element element, second;

    make_file("locked", MIB);
    CU_ASSERT_EQUAL(symlink("locked", path_of("symbolic")), 0);
    CU_ASSERT_EQUAL(link(path_of("locked"), path_of("hard")), 0);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "locked", 0, false), 0);
    CU_ASSERT_EQUAL(open_with(&second, "locked", 0, false), -EBUSY);
    CU_ASSERT_EQUAL(open_with(&second, "symbolic", 0, false), -EBUSY);
    CU_ASSERT_EQUAL(open_with(&second, "hard", 0, false), -EBUSY);
    CU_ASSERT_EQUAL(open_with(&second, "locked", 0, true), -EBUSY);
    element_close(&element);
    CU_ASSERT_EQUAL(open_with(&second, "hard", 0, false), 0);
    element_close(&second);
}

static void readers_share_an_image(void)
{
    struct element one, other, writer;

    make_file("shared", MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&one, "shared", 0, true), 0);
    CU_ASSERT_EQUAL_FATAL(open_with(&other, "shared", 0, true), 0);
    CU_ASSERT_EQUAL(open_with(&writer, "shared", 0, false), -EBUSY);
    element_close(&one);
    element_close(&other);
}

static void the_lock_stays_with_the_loop(void)
{
    struct element element, second;
    const char *missing;
    struct loop *loop;

    make_file("held", MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "held", 0, false), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &missing), 0);
    CU_ASSERT_EQUAL(element_attach(&element, loop), 0);
    element_close(&element);
    CU_ASSERT_EQUAL(open_with(&second, "held", 0, false), -EBUSY);
    loop_free(loop);
}

/* --- witnesses --- */

static struct witness witness_of(const struct element *element)
{
    struct witness witness;

    CU_ASSERT_EQUAL_FATAL(witness_open(&witness, element->fd, element->mark_byte), 0);
    return witness;
}

static void a_witness_sees_through_a_replaced_path(void)
{
    struct element element;

    make_file("witnessed", MIB);
    make_file("other", MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "witnessed", 0, false), 0);
    struct witness witness = witness_of(&element);
    CU_ASSERT_EQUAL(rename(path_of("other"), path_of("witnessed")), 0);
    CU_ASSERT_FALSE(witness_saw_end(&witness));
    element_close(&element);
    CU_ASSERT_TRUE(witness_saw_end(&witness));
    witness_close(&witness);
    CU_ASSERT_FALSE(witness_saw_end(&witness));
}

static void a_witness_tells_one_reader_from_another(void)
{
    struct element one, other, writer;

    make_file("read", MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&one, "read", 0, true), 0);
    CU_ASSERT_EQUAL_FATAL(open_with(&other, "read", 0, true), 0);
    struct witness witness = witness_of(&one), second = witness_of(&other);
    element_close(&one);
    CU_ASSERT_TRUE(witness_saw_end(&witness));
    CU_ASSERT_FALSE(witness_saw_end(&second));
    element_close(&other);
    CU_ASSERT_TRUE(witness_saw_end(&second));
    /* And witnesses hold up nobody. */
    CU_ASSERT_EQUAL(open_with(&writer, "read", 0, false), 0);
    element_close(&writer);
    witness_close(&witness);
    witness_close(&second);
}

static void a_witness_waits_for_the_loop(void)
{
    struct element element;
    const char *missing;
    struct loop *loop;

    make_file("looped", MIB);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "looped", 0, false), 0);
    struct witness witness = witness_of(&element);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &missing), 0);
    CU_ASSERT_EQUAL(element_attach(&element, loop), 0);
    element_close(&element);
    CU_ASSERT_FALSE(witness_saw_end(&witness));
    loop_free(loop);
    for (int looks = 0; looks < 2000 && !witness_saw_end(&witness); looks++)
        (void)usleep(5000); /* the kernel takes a ring apart in its own time */
    CU_ASSERT_TRUE(witness_saw_end(&witness));
    witness_close(&witness);
}

/* --- creating --- */

static void a_new_image_is_sparse_and_never_replaces_one(void)
{
    struct element element, second;
    struct stat status;

    CU_ASSERT_EQUAL_FATAL(create(&element, "new", GIB), 0);
    CU_ASSERT_EQUAL(fstat(element.fd, &status), 0);
    CU_ASSERT_EQUAL(status.st_size, GIB);
    CU_ASSERT_TRUE(status.st_blocks < 1024);
    CU_ASSERT_EQUAL(create(&second, "new", MIB), -EEXIST);
    CU_ASSERT_EQUAL(file_bytes("new"), GIB);
    element_close(&element);
    CU_ASSERT_EQUAL(symlink("elsewhere", path_of("to-nowhere")), 0);
    CU_ASSERT_EQUAL(create(&second, "to-nowhere", MIB), -ENOENT);
    CU_ASSERT_EQUAL(file_bytes("elsewhere"), UINT64_MAX);
}

static void what_cannot_be_created_leaves_nothing(void)
{
    struct element element;
    struct element_wanted read_only = {
        .image = path_of("never"), .size_bytes = MIB, .read_only = true};
    struct element_error why;

    CU_ASSERT_EQUAL(create(&element, "never", 0), -ENOENT);
    CU_ASSERT_EQUAL(element_check_creatable(&read_only, &why), -ENOENT);
    CU_ASSERT_EQUAL(create(&element, "no/folder", MIB), -ENOENT);
    CU_ASSERT_EQUAL(create(&element, "never", UINT64_C(1) << 62), -EFBIG);
    CU_ASSERT_EQUAL(file_bytes("never"), UINT64_MAX);
}

/* --- modes --- */

static bool in_memory(const char *where)
{
    struct statfs status;

    return statfs(where, &status) == 0 && status.f_type == TMPFS_MAGIC;
}

static void the_mode_follows_the_file_system_and_the_size(void)
{
    struct element element;
    struct element_error why;
    char path[64];

    make_file("odd", MIB + 512);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "odd", 0, false), 0);
    if (!in_memory(folder)) {
        CU_ASSERT_EQUAL(element.mode, ELEMENT_MODE_BUFFERED);
        CU_ASSERT_EQUAL(fcntl(element.fd, F_GETFL) & O_DIRECT, 0);
    }
    element_close(&element);
    CU_ASSERT_EQUAL_FATAL(open_with(&element, "odd", MIB, false), 0);
    printf("%s is %s\n", folder, element_mode_name(element.mode));
    CU_ASSERT_EQUAL(element.mode == ELEMENT_MODE_DIRECT,
                    (fcntl(element.fd, F_GETFL) & O_DIRECT) != 0);
    element_close(&element);
    int fd = memfd_create("image", MFD_CLOEXEC);
    CU_ASSERT_EQUAL(ftruncate(fd, MIB), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct element_wanted wanted = {.image = path, .size_bytes = 0, .read_only = false};
    CU_ASSERT_EQUAL_FATAL(element_open(&element, &wanted, &why), 0);
    CU_ASSERT_EQUAL(element.mode, ELEMENT_MODE_INLINE);
    element_close(&element);
    close(fd);
}

/* --- I/O --- */

struct outcome {
    struct completion completion;
    int fired, result;
};

static void note(struct completion *completion, int result)
{
    struct outcome *outcome = (struct outcome *)(void *)completion;

    outcome->fired++;
    outcome->result = result;
}

static int64_t ended(struct loop *loop, struct outcome *outcome, int64_t result)
{
    while (result == -EINPROGRESS && outcome->fired == 0)
        loop_turn(loop, LOOP_FOREVER);
    return result == -EINPROGRESS ? outcome->result : result;
}

static struct loop *loop;
static uint8_t *memory; /* one MiB, aligned */

static void begin_io(struct element *element, const char *name, uint64_t bytes)
{
    const char *missing;

    make_file(name, bytes);
    memory = aligned_alloc(4096, MIB);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &missing), 0);
    CU_ASSERT_EQUAL_FATAL(open_with(element, name, 0, false), 0);
    CU_ASSERT_EQUAL_FATAL(element_attach(element, loop), 0);
}

static void end_io(struct element *element)
{
    element_close(element);
    loop_free(loop);
    free(memory);
}

static int64_t write_at(struct element *element, uint64_t offset, uint32_t bytes, int fill)
{
    struct outcome outcome = {.completion.fire = note};
    struct loop_io io = {
        .buffer = LOOP_NO_BUFFER, .memory = memory, .bytes = bytes, .offset_bytes = offset};

    memset(memory, fill, bytes);
    return ended(loop, &outcome, element_write(element, loop, io, &outcome.completion));
}

static int64_t read_at(struct element *element, uint64_t offset, uint32_t bytes)
{
    struct outcome outcome = {.completion.fire = note};
    struct loop_io io = {
        .buffer = LOOP_NO_BUFFER, .memory = memory, .bytes = bytes, .offset_bytes = offset};

    memset(memory, 0xee, bytes);
    return ended(loop, &outcome, element_read(element, loop, io, &outcome.completion));
}

static bool memory_is(uint32_t bytes, uint8_t fill)
{
    return memory[0] == fill && memcmp(memory, memory + 1, bytes - 1) == 0;
}

static void what_is_written_is_read_until_it_is_punched(void)
{
    struct outcome punched = {.completion.fire = note}, zeroed = punched, synced = punched;
    struct element element;

    begin_io(&element, "io", 4 * MIB);
    CU_ASSERT_EQUAL(write_at(&element, MIB, MIB, 5), MIB);
    CU_ASSERT_EQUAL(read_at(&element, MIB, MIB), MIB);
    CU_ASSERT_TRUE(memory_is(MIB, 5));
    int64_t result = element_punch(&element, loop, MIB, 8192, &punched.completion);
    CU_ASSERT_EQUAL(ended(loop, &punched, result), 0);
    CU_ASSERT_EQUAL(read_at(&element, MIB, 8192), 8192);
    CU_ASSERT_TRUE(memory_is(8192, 0));
    result = element_zero(&element, loop, MIB + 8192 + 100, 500, &zeroed.completion);
    result = ended(loop, &zeroed, result);
    CU_ASSERT_TRUE(result == 0 || result == -EOPNOTSUPP);
    CU_ASSERT_EQUAL(read_at(&element, MIB + 8192, 4096), 4096);
    CU_ASSERT_TRUE(memory[99] == 5 && memory[600] == 5);
    CU_ASSERT_TRUE(memory[100] == (result == 0 ? 0 : 5));
    result = element_sync(&element, loop, &synced.completion);
    CU_ASSERT_EQUAL(ended(loop, &synced, result), 0);
    CU_ASSERT_EQUAL(element_sync_now(&element), 0);
    CU_ASSERT_EQUAL(file_bytes("io"), 4 * MIB);
    end_io(&element);
}

static void a_truncated_image_is_noticed(void)
{
    struct element element;

    begin_io(&element, "cut", MIB);
    CU_ASSERT_EQUAL(element_check_size(&element), 0);
    CU_ASSERT_EQUAL(truncate(path_of("cut"), 4096), 0);
    CU_ASSERT_EQUAL(element_check_size(&element), -EIO);
    CU_ASSERT_EQUAL(read_at(&element, 8192, 4096), 0);
    struct extent extent;
    CU_ASSERT_EQUAL(element_extents(&element, 0, 4096, &extent, 1), -EIO);
    CU_ASSERT_EQUAL(truncate(path_of("cut"), 2 * MIB), 0); /* longer does no harm */
    CU_ASSERT_EQUAL(element_check_size(&element), 0);
    end_io(&element);
}

/* --- extents --- */

static void check_cover(const struct extent *extents, int count, uint64_t bytes)
{
    uint64_t sum = 0;

    for (int i = 0; i < count; i++) {
        CU_ASSERT_TRUE(extents[i].length_bytes > 0);
        CU_ASSERT_TRUE(i == 0 || extents[i].hole != extents[i - 1].hole);
        sum += extents[i].length_bytes;
    }
    CU_ASSERT_EQUAL(sum, bytes);
}

static void extents_of_a_sparse_image(void)
{
    struct extent extents[16];
    struct element element;

    begin_io(&element, "sparse", 4 * MIB);
    CU_ASSERT_EQUAL(element_extents(&element, 0, 4 * MIB, extents, 16), 1);
    CU_ASSERT_TRUE(extents[0].hole && extents[0].length_bytes == 4 * MIB);
    for (uint64_t at = 0; at < 4 * MIB; at += MIB)
        CU_ASSERT_EQUAL(write_at(&element, at, 65536, 1), 65536);
    int count = element_extents(&element, 0, 4 * MIB, extents, 16);
    check_cover(extents, (int)count, 4 * MIB);
    CU_ASSERT_EQUAL(count, 8);
    CU_ASSERT_TRUE(extents[0].hole == 0);
    count = element_extents(&element, 65536 + 1, MIB, extents, 16);
    check_cover(extents, count, MIB);
    CU_ASSERT_TRUE(extents[0].hole != 0);
    CU_ASSERT_EQUAL(element_extents(&element, 0, 4 * MIB, extents, 3), 3);
    CU_ASSERT_EQUAL(element_extents(&element, 100, 1, extents, 16), 1);
    CU_ASSERT_TRUE(!extents[0].hole && extents[0].length_bytes == 1);
    CU_ASSERT_EQUAL(element_extents(&element, 4 * MIB - 1, 1, extents, 16), 1);
    CU_ASSERT_TRUE(extents[0].hole != 0);
    end_io(&element);
}

static void extents_of_more_than_4_gib_keep_their_length(void)
{
    struct extent extents[4];
    struct element element;

    begin_io(&element, "huge", 20 * GIB);
    CU_ASSERT_EQUAL(write_at(&element, 10 * GIB, 4096, 1), 4096);
    CU_ASSERT_EQUAL(element_extents(&element, 0, 20 * GIB, extents, 4), 3);
    CU_ASSERT_EQUAL(extents[0].length_bytes, 10 * GIB);
    CU_ASSERT_EQUAL(extents[1].length_bytes, 4096);
    CU_ASSERT_EQUAL(extents[2].length_bytes, 10 * GIB - 4096);
    CU_ASSERT_EQUAL(read_at(&element, 10 * GIB, 4096), 4096);
    CU_ASSERT_TRUE(memory_is(4096, 1));
    end_io(&element);
}

static void remove_folder(void)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        printf("%s stays\n", folder);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"an image is used as far as said", an_image_is_used_as_far_as_said},
        {"what is no image is refused", what_is_no_image_is_refused},
        {"an image is served once by any path", an_image_is_served_once_by_any_path},
        {"readers share an image", readers_share_an_image},
        {"the lock stays with the loop", the_lock_stays_with_the_loop},
        {"a witness sees through a replaced path", a_witness_sees_through_a_replaced_path},
        {"a witness tells one reader from another", a_witness_tells_one_reader_from_another},
        {"a witness waits for the loop", a_witness_waits_for_the_loop},
        {"a new image is sparse and never replaces one",
         a_new_image_is_sparse_and_never_replaces_one},
        {"what cannot be created leaves nothing", what_cannot_be_created_leaves_nothing},
        {"the mode follows the file system and the size",
         the_mode_follows_the_file_system_and_the_size},
        {"what is written is read until it is punched",
         what_is_written_is_read_until_it_is_punched},
        {"a truncated image is noticed", a_truncated_image_is_noticed},
        {"extents of a sparse image", extents_of_a_sparse_image},
        {"extents of more than 4 GiB keep their length",
         extents_of_more_than_4_gib_keep_their_length},
    };

    if (mkdtemp(folder) == NULL)
        return 1;
    int status = UNIT_RUN("element", tests);
    remove_folder();
    return status;
}
