/*
 * What Debian 12's liburing 2.3 and headers lack, in one place.
 */
#ifndef IO_COMPAT_H
#define IO_COMPAT_H

#include <linux/stat.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif

/* struct statx as the kernel lays it out; glibc 2.36's lacks the two last members used here. */
struct compat_statx {
    uint8_t before[0x98];
    uint32_t dio_mem_align;
    uint32_t dio_offset_align;
    uint8_t after[0x60];
};

_Static_assert(sizeof(struct compat_statx) == 0x100, "the size of the kernel's struct statx");

static inline long compat_statx(int fd, uint32_t mask, struct compat_statx *ret_statx)
{
    return syscall(SYS_statx, fd, "", 0x1000 /* AT_EMPTY_PATH */, mask, ret_statx);
}

#endif
