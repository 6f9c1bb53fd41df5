/*
 * An element: one disk-image file or block device, as its owner uses it.
 *
 * Opened once, by the configuration controller before the owner starts; the owner inherits the
 * descriptor, registers it with its io_uring and closes it. So the flock taken at opening sits on
 * the very description that the io_uring uses: it is given up by the kernel only when the last I/O
 * that a killed owner had submitted has landed.
 *
 * Three ways to do I/O, chosen at opening:
 *   direct    O_DIRECT through the ring: offsets, lengths and memory are aligned to BLOCK_BYTES
 *   buffered  through the ring and the page cache: file systems without O_DIRECT, sizes that are
 * not a multiple of BLOCK_BYTES inline    by a system call at once: files that live in memory
 * (tmpfs)
 */
#ifndef IO_ELEMENT_H
#define IO_ELEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "io/loop.h"

enum {
    ELEMENT_BLOCK_BYTES = 4096,           /* alignment of direct I/O */
    ELEMENT_INLINE_BYTES_MAX = 512 << 10, /* longer inline I/O would delay everybody else */
    ELEMENT_ZERO_BYTES = 1 << 20,         /* one write of the written-zeroes fallback */
};

enum element_mode { ELEMENT_MODE_DIRECT, ELEMENT_MODE_BUFFERED, ELEMENT_MODE_INLINE };

/* Why an image was refused, in words, without the image's name. */
struct element_error {
    char text[256];
};

struct element {
    int fd;   /* the description that holds the flock */
    int file; /* index in the loop's files; -1 before element_attach */
    enum element_mode mode;
    bool read_only;
    bool device;
    uint64_t size_bytes;        /* what commands may reach of it */
    uint64_t image_bytes;       /* what there was when it was opened */
    uint64_t tail_offset_bytes; /* where the tail begins */
    uint32_t tail_bytes;        /* the image's last bytes, kept for the array itself; 0: none */
    uint64_t mark_byte;         /* for its witness (io/witness.h) */
};

struct element_wanted {
    const char *image;   /* path */
    uint64_t size_bytes; /* 0: the image's own */
    bool read_only;
    uint32_t tail_bytes; /* element_create: so much more than size_bytes, as element_keep_tail; its
                            space is taken at once, so that no writing of it meets a full disk */
};

/* Looks at, opens and locks an image that exists. -ENOENT when there is none (the caller may then
 * create it). -EBUSY: another process serves it. -EINVAL: not a file or device, or too small. */
int element_open(struct element *ret_element, const struct element_wanted *wanted,
                 struct element_error *ret_error);

struct witness;

/* Opens and locks the image of which `witness` has a descriptor, whatever became of its path, once
 * the description that the witness watches is gone, and with it the I/O of who had it. `wanted`
 * names no image. -EAGAIN: it is there yet; else as element_open. */
int element_open_again(struct element *ret_element, const struct witness *witness,
                       const struct element_wanted *wanted, struct element_error *ret_error);

/* Whether a new image of this size can be made there: the folder exists and may be written, and the
 * file system is large enough. Creates nothing. */
int element_check_creatable(const struct element_wanted *wanted, struct element_error *ret_error);

/* Creates a sparse image (never over an existing one), then as element_open. On failure nothing is
 * left. */
int element_create(struct element *ret_element, const struct element_wanted *wanted,
                   struct element_error *ret_error);

/* Sets the last bytes of an open image apart, before it is used: what is left in front of them, or
 * `wanted_bytes` (0: all of that) is the element. -EINVAL when it is too small for both; then
 * nothing has changed. */
int element_keep_tail(struct element *element, uint64_t wanted_bytes, uint32_t tail_bytes,
                      struct element_error *ret_error);

/* Whether there is anything at this path: false only when it is known that there is nothing. */
bool element_exists(const char *image);

/* Takes away an image that was created in vain. */
void element_remove(const char *image);

/* Any bytes of an open image, at once and of any alignment, for one that nobody serves yet: what
 * the configuration controller looks at and writes before there is an owner. Offsets count from the
 * image's first byte; written is durable. All of it, or -errno. */
int element_bytes_read(const struct element *element, void *into, size_t bytes,
                       uint64_t offset_bytes);
int element_bytes_write(const struct element *element, const void *from, size_t bytes,
                        uint64_t offset_bytes);

/* The same, and written is not durable: element_sync_now makes it so, of any number of writes. */
int element_bytes_put(const struct element *element, const void *from, size_t bytes,
                      uint64_t offset_bytes);

/* Takes space for all of an open image, so that no writing of it meets a full file system. -ENOSPC:
 * there is not so much. A file system that cannot do it is no error: it is no worse off than with
 * any sparse file. */
int element_take_space(const struct element *element);

/* The same, and written is not durable: element_sync_now makes it so, of any number of writes. */
int element_bytes_put(const struct element *element, const void *from, size_t bytes,
                      uint64_t offset_bytes);

/* Takes space for all of an open image, so that no writing of it meets a full file system. -ENOSPC:
 * there is not so much. A file system that cannot do it is no error: it is no worse off than with
 * any sparse file. */
int element_take_space(const struct element *element);

/* The tail at once, in these calls, for an element that nobody else uses: before its owner serves
 * it, and after. Offsets count from where the tail begins. On a direct element all is in whole
 * blocks, and the memory aligned to one. Written is not durable (element_sync_now). 0 or -errno. */
int element_read_tail_now(const struct element *element, void *into, uint64_t bytes,
                          uint64_t offset_bytes);
int element_write_tail_now(const struct element *element, const void *from, uint64_t bytes,
                           uint64_t offset_bytes);

/* Closes the descriptor if it is open. */
void element_close(struct element *element);

/* Gives the lock up now, when no I/O is in flight any more: the io_uring would keep it until the
 * kernel has taken the ring apart, some time after the process has ended. */
void element_unlock(const struct element *element);

/* The owner: hands the description to the loop. The descriptor stays open for look-ups. */
int element_attach(struct element *element, struct loop *loop);

/* The owner, while no I/O is in flight: gives up the image, and with it the lock. The element has
 * none then, only its place in the loop. One that has none already is allowed. */
void element_release(struct element *element, struct loop *loop);
/* The owner: `fresh`, open and not attached, in the place of what was released. Its descriptor is
 * the element's from then on. 0, or -errno: nothing has changed. */
int element_replace(struct element *element, const struct element *fresh, struct loop *loop);

const char *element_mode_name(enum element_mode mode);

/* Whether the image is as long as it was. -EIO when somebody truncated it. One fstat. */
int element_check_size(const struct element *element);

/*
 * I/O. Each of these either ends at once and returns its result (bytes, 0, or -errno), or returns
 * -EINPROGRESS and fires the completion later with that result. Results may be short, as from the
 * system calls. Direct elements want all of io aligned. `io->file` is filled in here.
 */
int64_t element_read(struct element *element, struct loop *loop, struct loop_io io,
                     struct completion *completion);
int64_t element_write(struct element *element, struct loop *loop, struct loop_io io,
                      struct completion *completion);
/* The same, durable, within the tail: io->offset_bytes counts from where it begins. */
int64_t element_write_tail(struct element *element, struct loop *loop, struct loop_io io,
                           struct completion *completion);
int64_t element_sync(struct element *element, struct loop *loop, struct completion *completion);

/* fdatasync in this call, for an orderly end. 0 or -errno. */
int element_sync_now(const struct element *element);

/* Free the range; reads as zeroes where the file system punches holes. -EOPNOTSUPP where it cannot.
 */
int64_t element_punch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                      uint64_t bytes, struct completion *completion);
/* Zero the range and keep it allocated. -EOPNOTSUPP where the file system cannot do it quickly. */
int64_t element_zero(struct element *element, struct loop *loop, uint64_t offset_bytes,
                     uint64_t bytes, struct completion *completion);
/* Ask that the range be read ahead. */
int64_t element_prefetch(struct element *element, struct loop *loop, uint64_t offset_bytes,
                         uint64_t bytes, struct completion *completion);

struct extent {
    uint64_t length_bytes;
    uint32_t hole; /* 1: reads as zeroes and takes no space */
    uint32_t reserved;
};

/* Describes [offset, offset + bytes) by at most extents_max extents (1 or more), from its
 * beginning; they may cover less than asked, never more. Adjacent ones differ. Returns how many, or
 * -errno. */
int element_extents(const struct element *element, uint64_t offset_bytes, uint64_t bytes,
                    struct extent *ret_extents, uint32_t extents_max);

#endif
