#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "io/element.h"

int element_read_tail_now(const struct element *element, void *into, uint64_t bytes,
                          uint64_t offset_bytes)
{
    assert(offset_bytes + bytes <= element->tail_bytes);
    for (uint64_t done = 0; done < bytes;) {
        ssize_t got = pread(element->fd, (uint8_t *)into + done, bytes - done,
                            (off_t)(element->tail_offset_bytes + offset_bytes + done));
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == 0)
            return -EIO; /* it was truncated */
        done += got > 0 ? (uint64_t)got : 0;
    }
    return 0;
}

int element_write_tail_now(const struct element *element, const void *from, uint64_t bytes,
                           uint64_t offset_bytes)
{
    assert(offset_bytes + bytes <= element->tail_bytes);
    for (uint64_t done = 0; done < bytes;) {
        ssize_t put = pwrite(element->fd, (const uint8_t *)from + done, bytes - done,
                             (off_t)(element->tail_offset_bytes + offset_bytes + done));
        if (put < 0 && errno != EINTR)
            return -errno;
        done += put > 0 ? (uint64_t)put : 0;
    }
    return 0;
}
