#include "io/element.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/compat.h"
#include "io/witness.h"

enum { LOCK_WAIT_MS = 500, LOCK_PAUSE_MS = 10 };

__attribute__((format(printf, 3, 4))) static int refuse(struct element_error *ret_error, int error,
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(ret_error->text, sizeof ret_error->text, format, arguments);
    va_end(arguments);
    return error;
}

/* --- opening --- */

static int open_image(const struct element_wanted *wanted, int flags,
                      struct element_error *ret_error)
{
    /* O_NONBLOCK so that a fifo in the image's place cannot hold us up; it is cleared afterwards,
     * because io_uring takes it as a wish to fail rather than wait. */
    int access = wanted->read_only ? O_RDONLY : O_RDWR;
    int fd = open(wanted->image, access | flags | O_CLOEXEC | O_NONBLOCK, 0666);

    if (fd < 0)
        return refuse(ret_error, -errno, "cannot open it for %s: %s",
                      wanted->read_only ? "reading" : "reading and writing", strerror(errno));
    if (fcntl(fd, F_SETFL, access) < 0) {
        int error = refuse(ret_error, -errno, "cannot set its flags: %s", strerror(errno));
        close(fd);
        return error;
    }
    return fd;
}

static int image_size(int fd, const struct stat *status, uint64_t *ret_bytes,
                      struct element_error *ret_error)
{
    if (S_ISREG(status->st_mode)) {
        *ret_bytes = (uint64_t)status->st_size;
        return 0;
    }
    if (!S_ISBLK(status->st_mode))
        return refuse(ret_error, -EINVAL,
                      "it is neither a regular file nor a block device; allowed: one of these");
    if (ioctl(fd, BLKGETSIZE64, ret_bytes) < 0)
        return refuse(ret_error, -errno, "cannot read the device's size: %s", strerror(errno));
    return 0;
}

/* What is used of an image of which so many bytes can be. */
static int choose_size(struct element *element, uint64_t usable_bytes, uint64_t wanted_bytes,
                       struct element_error *ret_error)
{
    uint64_t size_bytes = wanted_bytes != 0 ? wanted_bytes : usable_bytes;

    if (size_bytes == 0)
        return refuse(ret_error, -EINVAL, "it is empty; allowed: 1 byte or more");
    if (size_bytes > usable_bytes)
        return refuse(ret_error, -EINVAL,
                      "it has %" PRIu64 " bytes, size says %" PRIu64
                      "; allowed: at most what it has (leave size out to use all of it)",
                      usable_bytes, wanted_bytes);
    element->size_bytes = size_bytes;
    return 0;
}

/* flock, not a record lock: it belongs to the open file description, so a second opening in any
 * process and by any path or link meets it, and it lives as long as the io_uring uses the file. An
 * owner that was just killed keeps it until the I/O it had submitted has landed, a fraction of a
 * second: that is waited for. */
static int lock_image(int fd, bool read_only, struct element_error *ret_error)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * 1000000};

    for (int waited_ms = 0;; waited_ms += LOCK_PAUSE_MS) {
        if (flock(fd, (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return refuse(ret_error, -errno, "cannot lock it: %s", strerror(errno));
        if (waited_ms >= LOCK_WAIT_MS)
            return refuse(ret_error, -EBUSY,
                          "another element or another process serves it (it is locked)");
        (void)nanosleep(&pause, NULL);
    }
}

static int mark_image(struct element *element, struct element_error *ret_error)
{
    int error = witness_mark(element->fd, &element->mark_byte);

    return error == 0
               ? 0
               : refuse(ret_error, error, "cannot set a record lock on it: %s", strerror(-error));
}

static bool lives_in_memory(int fd)
{
    struct statfs file_system;

    return fstatfs(fd, &file_system) == 0 &&
           (file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC);
}

/* O_DIRECT with blocks of ELEMENT_BLOCK_BYTES: the kernel says what it wants (statx), and where it
 * does not say, one read tells. */
static bool direct_works(int fd)
{
    struct compat_statx status = {0};
    void *block;

    if (compat_statx(fd, STATX_DIOALIGN, &status) == 0 && status.dio_offset_align != 0)
        return status.dio_offset_align <= ELEMENT_BLOCK_BYTES &&
               status.dio_mem_align <= ELEMENT_BLOCK_BYTES;
    if (posix_memalign(&block, ELEMENT_BLOCK_BYTES, ELEMENT_BLOCK_BYTES) != 0)
        return false;
    ssize_t got = pread(fd, block, ELEMENT_BLOCK_BYTES, 0);
    free(block);
    return got >= 0;
}

static void choose_mode(struct element *element)
{
    int flags = fcntl(element->fd, F_GETFL) & ~O_DIRECT;

    (void)fcntl(element->fd, F_SETFL, flags); /* it may have been chosen for another size before */
    element->mode = ELEMENT_MODE_BUFFERED;
    if (!element->device && lives_in_memory(element->fd)) {
        element->mode = ELEMENT_MODE_INLINE;
        return;
    }
    if ((element->size_bytes | element->tail_offset_bytes) % ELEMENT_BLOCK_BYTES != 0)
        return;
    if (fcntl(element->fd, F_SETFL, flags | O_DIRECT) < 0)
        return;
    if (direct_works(element->fd))
        element->mode = ELEMENT_MODE_DIRECT;
    else
        (void)fcntl(element->fd, F_SETFL, flags);
}

static uint64_t whole_bytes(const struct element_wanted *wanted)
{
    return wanted->size_bytes + wanted->tail_bytes;
}

static int open_with(struct element *ret_element, const struct element_wanted *wanted, int flags,
                     bool grow, struct element_error *ret_error)
{
    struct element element = {.file = -1, .read_only = wanted->read_only};
    struct stat status;
    uint64_t image_bytes = 0;
    int error;

    element.fd = open_image(wanted, flags, ret_error);
    if (element.fd < 0)
        return element.fd;
    error = lock_image(element.fd, wanted->read_only, ret_error);
    if (error == 0)
        error = mark_image(&element, ret_error);
    if (error == 0 && grow && ftruncate(element.fd, (off_t)whole_bytes(wanted)) < 0)
        error = refuse(ret_error, -errno, "cannot make it %" PRIu64 " bytes long: %s",
                       whole_bytes(wanted), strerror(errno));
    if (error == 0 && fstat(element.fd, &status) < 0)
        error = refuse(ret_error, -errno, "cannot look at it: %s", strerror(errno));
    if (error == 0)
        error = image_size(element.fd, &status, &image_bytes, ret_error);
    if (error == 0) {
        element.image_bytes = image_bytes;
        error = choose_size(&element, image_bytes, wanted->size_bytes, ret_error);
    }
    if (error != 0) {
        close(element.fd);
        return error;
    }
    element.device = S_ISBLK(status.st_mode);
    choose_mode(&element);
    *ret_element = element;
    return 0;
}

int element_open(struct element *ret_element, const struct element_wanted *wanted,
                 struct element_error *ret_error)
{
    return open_with(ret_element, wanted, 0, false, ret_error);
}

int element_open_again(struct element *ret_element, const struct witness *witness,
                       const struct element_wanted *wanted, struct element_error *ret_error)
{
    struct element_wanted again = *wanted;
    char path[40];

    if (witness->fd < 0)
        return refuse(ret_error, -ENOENT, "there is no descriptor of it");
    if (!witness_saw_end(witness))
        return refuse(ret_error, -EAGAIN, "the I/O of its last owner has not ended");
    snprintf(path, sizeof path, "/proc/self/fd/%d", witness->fd);
    again.image = path;
    return element_open(ret_element, &again, ret_error);
}

int element_check_creatable(const struct element_wanted *wanted, struct element_error *ret_error)
{
    struct statvfs file_system;
    struct stat status;
    char path[4096];

    /* Opening follows it and finds nothing, creating would find it in the way. */
    if (lstat(wanted->image, &status) == 0 && S_ISLNK(status.st_mode))
        return refuse(ret_error, -ENOENT, "it is a symbolic link to something that does not exist");
    if (wanted->size_bytes == 0)
        return refuse(ret_error, -ENOENT,
                      "it does not exist, and without a size it cannot be created");
    if (wanted->read_only)
        return refuse(ret_error, -ENOENT,
                      "it does not exist, and read-only elements are not created");
    if ((size_t)snprintf(path, sizeof path, "%s", wanted->image) >= sizeof path)
        return refuse(ret_error, -ENAMETOOLONG, "its path is too long; allowed: %zu bytes",
                      sizeof path - 1);
    const char *folder = dirname(path);
    if (access(folder, W_OK | X_OK) < 0)
        return refuse(ret_error, -errno, "it does not exist and cannot be created in %.150s: %s",
                      folder, strerror(errno));
    if (statvfs(folder, &file_system) < 0)
        return refuse(ret_error, -errno, "cannot look at the file system of %.150s: %s", folder,
                      strerror(errno));
    uint64_t room = (uint64_t)file_system.f_blocks * file_system.f_frsize;
    if (room != 0 && whole_bytes(wanted) > room)
        return refuse(ret_error, -EFBIG,
                      "size is %" PRIu64 " bytes, its file system has %" PRIu64
                      " in all; allowed: at most that",
                      whole_bytes(wanted), room);
    return 0;
}

/* A file system that cannot do it is no worse off than with any sparse file. */
static int take_space_of_tail(const struct element *element, struct element_error *ret_error)
{
    if (fallocate(element->fd, 0, (off_t)element->tail_offset_bytes, element->tail_bytes) == 0 ||
        errno != ENOSPC)
        return 0;
    return refuse(ret_error, -ENOSPC,
                  "there is no space for the %" PRIu32
                  " bytes that the array keeps behind its data",
                  element->tail_bytes);
}

int element_create(struct element *ret_element, const struct element_wanted *wanted,
                   struct element_error *ret_error)
{
    int error = element_check_creatable(wanted, ret_error);

    if (error != 0)
        return error;
    error = open_with(ret_element, wanted, O_CREAT | O_EXCL, true, ret_error);
    if (error == 0 && wanted->tail_bytes != 0)
        error = element_keep_tail(ret_element, wanted->size_bytes, wanted->tail_bytes, ret_error);
    if (error == 0 && wanted->tail_bytes != 0)
        error = take_space_of_tail(ret_element, ret_error);
    /* EEXIST and EBUSY: it is somebody else's, made between the look and the creation. */
    if (error != 0 && error != -EEXIST && error != -EBUSY)
        (void)unlink(wanted->image);
    return error;
}

int element_keep_tail(struct element *element, uint64_t wanted_bytes, uint32_t tail_bytes,
                      struct element_error *ret_error)
{
    if (element->image_bytes <= tail_bytes)
        return refuse(ret_error, -EINVAL,
                      "it has %" PRIu64 " bytes; allowed: more than the %" PRIu32
                      " of its superblock",
                      element->image_bytes, tail_bytes);
    int error = choose_size(element, element->image_bytes - tail_bytes, wanted_bytes, ret_error);
    if (error != 0)
        return error;
    element->tail_bytes = tail_bytes;
    element->tail_offset_bytes = element->image_bytes - tail_bytes;
    choose_mode(element);
    return 0;
}

void element_unlock(const struct element *element)
{
    (void)flock(element->fd, LOCK_UN);
}

void element_close(struct element *element)
{
    if (element->fd >= 0)
        close(element->fd);
    element->fd = -1;
}

int element_attach(struct element *element, struct loop *loop)
{
    int file = loop_register_file(loop, element->fd);

    if (file < 0)
        return file;
    element->file = file;
    return 0;
}

void element_release(struct element *element, struct loop *loop)
{
    if (element->fd < 0)
        return;
    (void)loop_change_file(loop, element->file, -1);
    element_close(element);
}

int element_replace(struct element *element, const struct element *fresh, struct loop *loop)
{
    int file = element->file;
    int error = file >= 0 ? loop_change_file(loop, file, fresh->fd) : 0;

    if (file < 0) /* there never was one */
        error = file = loop_register_file(loop, fresh->fd);
    if (error < 0)
        return error;
    *element = *fresh;
    element->file = file;
    return 0;
}

const char *element_mode_name(enum element_mode mode)
{
    switch (mode) {
    case ELEMENT_MODE_DIRECT:
        return "direct";
    case ELEMENT_MODE_BUFFERED:
        return "buffered";
    case ELEMENT_MODE_INLINE:
        return "inline";
    }
    return "damaged";
}

int element_check_size(const struct element *element)
{
    uint64_t needed_bytes = element->size_bytes;
    struct stat status;

    if (element->device)
        return 0;
    if (element->tail_bytes != 0)
        needed_bytes = element->tail_offset_bytes + element->tail_bytes;
    if (fstat(element->fd, &status) < 0 || (uint64_t)status.st_size < needed_bytes)
        return -EIO;
    return 0;
}

/* --- I/O --- */

static bool at_once(const struct element *element, uint32_t bytes)
{
    return element->mode == ELEMENT_MODE_INLINE && bytes <= ELEMENT_INLINE_BYTES_MAX;
}

int64_t element_read(struct element *element, struct loop *loop, struct loop_io io,
                     struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->size_bytes);
    if (at_once(element, io.bytes))
        return loop_read_now(loop, element->fd, &io);
    io.file = element->file;
    if (element->mode != ELEMENT_MODE_DIRECT)
        io.buffer = LOOP_NO_BUFFER;
    loop_read(loop, &io, completion);
    return -EINPROGRESS;
}

static int64_t write_anywhere(struct element *element, struct loop *loop, struct loop_io io,
                              struct completion *completion)
{
    if (at_once(element, io.bytes))
        return loop_write_now(loop, element->fd, &io);
    io.file = element->file;
    if (element->mode != ELEMENT_MODE_DIRECT)
        io.buffer = LOOP_NO_BUFFER;
    loop_write(loop, &io, completion);
    return -EINPROGRESS;
}

int64_t element_write(struct element *element, struct loop *loop, struct loop_io io,
                      struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->size_bytes);
    return write_anywhere(element, loop, io, completion);
}

int64_t element_write_tail(struct element *element, struct loop *loop, struct loop_io io,
                           struct completion *completion)
{
    assert(io.offset_bytes + io.bytes <= element->tail_bytes);
    io.durable = true;
    io.offset_bytes += element->tail_offset_bytes;
    return write_anywhere(element, loop, io, completion);
}

int64_t element_sync(struct element *element, struct loop *loop, struct completion *completion)
{
    loop_fdatasync(loop, element->file, completion);
    return -EINPROGRESS;
}

int element_sync_now(const struct element *element)
{
    return fdatasync(element->fd) == 0 ? 0 : -errno;
}

int64_t element_punch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                      uint64_t bytes, struct completion *completion)
{
    loop_fallocate(loop, element->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset_bytes,
                   bytes, completion);
    return -EINPROGRESS;
}

int64_t element_zero(struct element *element, struct loop *loop, uint64_t offset_bytes,
                     uint64_t bytes, struct completion *completion)
{
    loop_fallocate(loop, element->file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset_bytes,
                   bytes, completion);
    return -EINPROGRESS;
}

int64_t element_prefetch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                         uint64_t bytes, struct completion *completion)
{
    /* Direct I/O does not pass the page cache, and an inline element is in memory already. */
    if (element->mode != ELEMENT_MODE_BUFFERED)
        return 0;
    uint32_t some = bytes > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)bytes;
    loop_advise_willneed(loop, element->file, offset_bytes, some, completion);
    return -EINPROGRESS;
}

/* Where the kind of [offset, end) changes: the first byte after `offset` that is of the other kind,
 * or `end`. */
static int64_t kind_ends(const struct element *element, uint64_t offset_bytes, uint64_t end_bytes,
                         bool *ret_hole)
{
    off_t data = lseek(element->fd, (off_t)offset_bytes, SEEK_DATA);

    if (data < 0 && errno != ENXIO)
        return errno == EINVAL || errno == EOPNOTSUPP ? -ENOTSUP : -errno;
    *ret_hole = data < 0 || (uint64_t)data > offset_bytes;
    if (data < 0)
        return (int64_t)end_bytes;
    off_t change = *ret_hole ? data : lseek(element->fd, (off_t)offset_bytes, SEEK_HOLE);
    if (change < 0)
        return -errno;
    return (uint64_t)change < end_bytes ? change : (int64_t)end_bytes;
}

int element_extents(const struct element *element, uint64_t offset_bytes, uint64_t bytes,
                    struct extent *ret_extents, uint32_t extents_max)
{
    uint64_t end_bytes = offset_bytes + bytes;
    uint32_t count = 0;
    bool hole = false;

    assert(bytes > 0 && extents_max > 0 && end_bytes <= element->size_bytes);
    if (element_check_size(element) != 0)
        return -EIO;
    while (offset_bytes < end_bytes && count < extents_max) {
        int64_t change =
            element->device ? -ENOTSUP : kind_ends(element, offset_bytes, end_bytes, &hole);
        if (change == -ENOTSUP) { /* nothing is known: all of it is data, which is always true */
            change = (int64_t)end_bytes;
            hole = false;
        }
        if (change < 0)
            return (int)change;
        if ((uint64_t)change == offset_bytes) /* punched between the two looks: look again */
            continue;
        ret_extents[count++] =
            (struct extent){.length_bytes = (uint64_t)change - offset_bytes, .hole = hole};
        offset_bytes = (uint64_t)change;
    }
    return (int)count;
}
