#include "io/watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

int watch_init(struct watch *ret_watch)
{
    ret_watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return ret_watch->epoll_fd < 0 ? -errno : 0;
}

void watch_done(struct watch *watch)
{
    if (watch->epoll_fd >= 0)
        close(watch->epoll_fd);
    watch->epoll_fd = -1;
}

static int control(struct watch *watch, int operation, struct watched *watched, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watched};

    return epoll_ctl(watch->epoll_fd, operation, watched->fd, &event) < 0 ? -errno : 0;
}

int watch_add(struct watch *watch, struct watched *watched, uint32_t events)
{
    return control(watch, EPOLL_CTL_ADD, watched, events);
}

int watch_change(struct watch *watch, struct watched *watched, uint32_t events)
{
    return control(watch, EPOLL_CTL_MOD, watched, events);
}

void watch_remove(struct watch *watch, struct watched *watched)
{
    (void)control(watch, EPOLL_CTL_DEL, watched, 0);
}

/* One at a time, so that what one of them removes and frees is never told afterwards. */
void watch_once(struct watch *watch, int timeout_ms)
{
    struct epoll_event event;

    if (epoll_wait(watch->epoll_fd, &event, 1, timeout_ms) == 1) {
        struct watched *watched = event.data.ptr;
        watched->ready(watched, event.events);
    }
}

uint64_t watch_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
