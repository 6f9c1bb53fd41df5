/*
 * Watching descriptors with epoll: what the configuration controller waits for (signals, pidfds,
 * the admin socket). The data path has nothing to do with it.
 */
#ifndef IO_WATCH_H
#define IO_WATCH_H

#include <stdbool.h>
#include <stdint.h>

struct watch {
    int epoll_fd;
};

struct watched {
    void (*ready)(struct watched *watched, uint32_t events); /* EPOLL* */
    int fd;
};

int watch_init(struct watch *ret_watch); /* 0 or -errno */
void watch_done(struct watch *watch);

/* `watched` stays the caller's; its `ready` may remove it and free it. `events` are EPOLL*. */
int watch_add(struct watch *watch, struct watched *watched, uint32_t events);
int watch_change(struct watch *watch, struct watched *watched, uint32_t events);
void watch_remove(struct watch *watch, struct watched *watched);

/* Waits until something is ready, at most timeout_ms (-1: for ever), and tells one of them. */
void watch_once(struct watch *watch, int timeout_ms);

/* CLOCK_MONOTONIC now. */
uint64_t watch_now_ns(void);

#endif
