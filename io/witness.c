#include "io/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* Marks lie in here: no file system has data there, and no lock of another program is likely. */
#define MARKS_BEGIN ((uint64_t)1 << 62)
#define MARKS_COUNT ((uint64_t)1 << 61)

static struct flock mark_at(uint64_t mark_byte, short type)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)mark_byte, .l_len = 1};
}

int witness_mark(int fd, uint64_t *ret_mark_byte)
{
    uint64_t drawn;

    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
        return -errno;
    uint64_t mark_byte = MARKS_BEGIN + drawn % MARKS_COUNT;
    struct flock mark = mark_at(mark_byte, F_RDLCK);
    if (fcntl(fd, F_OFD_SETLK, &mark) < 0)
        return -errno;
    *ret_mark_byte = mark_byte;
    return 0;
}

int witness_open(struct witness *ret_witness, int fd, uint64_t mark_byte)
{
    char path[40];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int second = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (second < 0)
        return -errno;
    *ret_witness = (struct witness){.fd = second, .mark_byte = mark_byte};
    return 0;
}

int witness_copy(struct witness *ret_witness, const struct witness *witness)
{
    int fd = witness->fd >= 0 ? fcntl(witness->fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (witness->fd >= 0 && fd < 0)
        return -errno;
    *ret_witness = (struct witness){.fd = fd, .mark_byte = witness->mark_byte};
    return 0;
}

bool witness_saw_end(const struct witness *witness)
{
    struct flock mark = mark_at(witness->mark_byte, F_WRLCK);

    return witness->fd >= 0 && fcntl(witness->fd, F_OFD_GETLK, &mark) == 0 &&
           mark.l_type == F_UNLCK;
}

void witness_close(struct witness *witness)
{
    if (witness->fd >= 0)
        close(witness->fd);
    witness->fd = -1;
}
