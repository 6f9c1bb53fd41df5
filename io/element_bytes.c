#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "io/element.h"

bool element_exists(const char *image)
{
    return access(image, F_OK) == 0 || errno != ENOENT;
}

void element_remove(const char *image)
{
    (void)unlink(image);
}

/* A description of its own, because that of the element may want aligned memory (O_DIRECT). The
 * lock stays on the element's. */
static int reopen(const struct element *element, int access)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", element->fd);
    int fd = open(path, access | O_CLOEXEC);
    return fd < 0 ? -EIO : fd; /* not ENOENT, which says that there is no image */
}

static int read_all(int fd, uint8_t *into, size_t bytes, uint64_t offset_bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(fd, into + done, bytes - done, (off_t)(offset_bytes + done));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return -EIO;
        done += got > 0 ? (size_t)got : 0;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *from, size_t bytes, uint64_t offset_bytes)
{
    for (size_t done = 0; done < bytes;) {
        ssize_t put = pwrite(fd, from + done, bytes - done, (off_t)(offset_bytes + done));
        if (put < 0 && errno != EINTR)
            return -errno;
        done += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

int element_bytes_read(const struct element *element, void *into, size_t bytes,
                       uint64_t offset_bytes)
{
    int fd = reopen(element, O_RDONLY);

    if (fd < 0)
        return fd;
    int error = read_all(fd, into, bytes, offset_bytes);
    close(fd);
    return error;
}

int element_bytes_write(const struct element *element, const void *from, size_t bytes,
                        uint64_t offset_bytes)
{
    int fd = reopen(element, O_WRONLY);

    if (fd < 0)
        return fd;
    int error = write_all(fd, from, bytes, offset_bytes);
    if (error == 0 && fdatasync(fd) != 0)
        error = -errno;
    close(fd);
    return error;
}

int element_bytes_put(const struct element *element, const void *from, size_t bytes,
                      uint64_t offset_bytes)
{
    int fd = reopen(element, O_WRONLY);

    if (fd < 0)
        return fd;
    int error = write_all(fd, from, bytes, offset_bytes);
    close(fd);
    return error;
}

int element_take_space(const struct element *element)
{
    if (element->device || fallocate(element->fd, 0, 0, (off_t)element->image_bytes) == 0 ||
        errno != ENOSPC)
        return 0;
    return -ENOSPC;
}
