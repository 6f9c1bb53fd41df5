#include "controller/superblock/image.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* A description of its own, because that of the element may want aligned memory (O_DIRECT). The
 * lock stays on the element's. */
static int reopen(const struct element *element, int access)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", element->fd);
    int fd = open(path, access | O_CLOEXEC);
    return fd < 0 ? -EIO : fd; /* not ENOENT, which says that the image has none */
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
    return fdatasync(fd) == 0 ? 0 : -errno;
}

int superblock_read(const struct element *element, struct superblock_of_image *ret_superblock)
{
    if (element->image_bytes <= SUPERBLOCK_BYTES)
        return -ENOENT;
    uint8_t *copies = malloc(SUPERBLOCK_BYTES);
    if (copies == NULL)
        return -ENOMEM;
    int fd = reopen(element, O_RDONLY);
    int error = fd < 0 ? fd : 0;
    if (error == 0)
        error = read_all(fd, copies, SUPERBLOCK_BYTES, element->image_bytes - SUPERBLOCK_BYTES);
    if (error == 0)
        error = superblock_choose(copies, &ret_superblock->content, &ret_superblock->copy);
    if (fd >= 0)
        close(fd);
    free(copies);
    return error;
}

static int write_copy(const struct element *element, const struct superblock *content,
                      uint32_t copy)
{
    assert(element->tail_bytes == tail_bytes(&content->tail) && copy < SUPERBLOCK_COPIES);
    uint8_t *bytes = malloc(SUPERBLOCK_COPY_BYTES);
    if (bytes == NULL)
        return -ENOMEM;
    superblock_encode(content, bytes);
    int fd = reopen(element, O_WRONLY);
    int error = fd < 0 ? fd
                       : write_all(fd, bytes, SUPERBLOCK_COPY_BYTES,
                                   element->image_bytes - SUPERBLOCK_BYTES +
                                       copy * (uint64_t)SUPERBLOCK_COPY_BYTES);
    if (fd >= 0)
        close(fd);
    free(bytes);
    return error;
}

int superblock_write(const struct element *element, struct superblock_of_image *superblock)
{
    uint32_t copy = 1 - superblock->copy;

    superblock->content.sequence++;
    int error = write_copy(element, &superblock->content, copy);
    if (error == 0)
        superblock->copy = copy;
    else
        superblock->content.sequence--;
    return error;
}

int superblock_create(const struct element *element, struct superblock_of_image *superblock)
{
    superblock->copy = 0;
    int error = superblock_write(element, superblock);
    return error != 0 ? error : superblock_write(element, superblock);
}

int superblock_make_id(uint8_t ret_id[SUPERBLOCK_ID_BYTES])
{
    ssize_t got = getrandom(ret_id, SUPERBLOCK_ID_BYTES, 0);

    if (got < 0)
        return -errno;
    return got == SUPERBLOCK_ID_BYTES ? 0 : -EIO;
}
