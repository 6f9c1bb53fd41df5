#include "io/channel.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for one descriptor beside a message. */
union beside {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_pair(int ret_ends[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0 ? -errno : 0;
}

int channel_send(int end, const void *message, size_t bytes, int pass_fd)
{
    struct iovec range = {.iov_base = (void *)(uintptr_t)message, .iov_len = bytes};
    union beside beside = {0};
    struct msghdr header = {.msg_iov = &range, .msg_iovlen = 1};

    if (pass_fd >= 0) {
        header.msg_control = beside.bytes;
        header.msg_controllen = sizeof beside.bytes;
        struct cmsghdr *passed = CMSG_FIRSTHDR(&header);
        passed->cmsg_level = SOL_SOCKET;
        passed->cmsg_type = SCM_RIGHTS;
        passed->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(passed), &pass_fd, sizeof(int));
    }
    if (sendmsg(end, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 0;
    return errno == ECONNRESET ? -EPIPE : -errno;
}

/* The kernel passes no more than there is room for. */
static int descriptor_of(struct msghdr *header)
{
    struct cmsghdr *passed = CMSG_FIRSTHDR(header);
    int fd = -1;

    if (passed != NULL && passed->cmsg_level == SOL_SOCKET && passed->cmsg_type == SCM_RIGHTS &&
        passed->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(passed), sizeof(int));
    return fd;
}

int channel_receive(int end, void *into, size_t bytes, int *ret_fd)
{
    struct iovec range = {.iov_base = into, .iov_len = bytes};
    union beside beside;
    struct msghdr header = {.msg_iov = &range,
                            .msg_iovlen = 1,
                            .msg_control = beside.bytes,
                            .msg_controllen = sizeof beside.bytes};
    ssize_t got = recvmsg(end, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    int fd = descriptor_of(&header);
    if ((size_t)got == bytes && (header.msg_flags & MSG_TRUNC) == 0) {
        *ret_fd = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    return got == 0 ? -EPIPE : -EBADMSG;
}
