/*
 * The loop: everything a controller waits for, on one io_uring.
 *
 * This header is the seam between the array and the machine: a controller gets time, timers,
 * sockets, element I/O and doorbells from here and from nowhere else, so that another
 * implementation of these functions can run it in virtual time.
 *
 * An operation is named by a struct completion inside the caller's own structure. The caller keeps
 * that structure, and all memory it passed, until the completion has fired; at most one operation
 * is in flight for each completion. Nothing fires inside the call that starts an operation, only
 * from loop_turn.
 *
 * Results are what the system call would have returned: a count of bytes, or -errno.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    LOOP_OPERATIONS_MAX = 16384, /* in flight at once; the completion queue holds as many */
    LOOP_FILES_MAX = 4096 + 1,   /* registered files: ELEMENTS_MAX, and a journal */
};

struct loop;

struct completion {
    void (*fire)(struct completion *completion, int result);
};

struct timer {
    void (*fire)(struct timer *timer);
    uint64_t deadline_ns;
    struct timer *next, *previous; /* NULL when not armed */
};

/* Starts an io_uring and checks that the kernel has what is needed. -ENOSYS, -EPERM (io_uring is
 * switched off) or -EOPNOTSUPP with *ret_missing naming what is missing; else 0 or -errno. */
int loop_new(struct loop **ret_loop, const char **ret_missing);

/* What loop_new would say, without keeping anything: for a clear message before anything is made.
 */
int loop_probe(const char **ret_missing);

/* Cancels nothing: the owner has waited for its operations. NULL is allowed. */
void loop_free(struct loop *loop);

/* CLOCK_MONOTONIC as of the beginning of this turn. */
uint64_t loop_now_ns(const struct loop *loop);

/* Looks at the clock again, for measuring inside a turn. */
uint64_t loop_clock_ns(struct loop *loop);

/* One turn: submits what was started, waits at most wait_ns for something to complete (0: not at
 * all; LOOP_FOREVER: until a completion or timer), then fires what completed and what is due.
 * Returns how many fired. One system call, or none when there is nothing to submit, to wait for and
 * the kernel has nothing for us. */
#define LOOP_FOREVER UINT64_MAX
uint32_t loop_turn(struct loop *loop, uint64_t wait_ns);

/* Whether loop_turn would find something: two loads, no system call. For spinning. */
bool loop_has_events(struct loop *loop);

/* Lets others run who want this processor; at once where nobody does. */
void loop_yield(struct loop *loop);

/* Sleeps so long without looking at anything: a few microseconds. */
void loop_nap(struct loop *loop, uint64_t nap_ns);

/* Operations started and not yet submitted. */
bool loop_has_unsubmitted(struct loop *loop);

/* --- timers --- */
void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t delay_ns);
void loop_timer_stop(struct loop *loop, struct timer *timer); /* not armed: nothing happens */

/* --- sockets --- */
/* Fires with the descriptor (close-on-exec) of the next connection, or -errno. */
void loop_accept(struct loop *loop, int fd, struct completion *completion);
void loop_receive(struct loop *loop, int fd, void *into, size_t bytes,
                  struct completion *completion);
void loop_receive_vector(struct loop *loop, int fd, struct msghdr *message,
                         struct completion *completion);
/* Sends all of it, or fires with fewer bytes or an error. */
void loop_send_vector(struct loop *loop, int fd, struct msghdr *message,
                      struct completion *completion);
/* Asks that an operation end soon; it still fires, usually with -ECANCELED. */
void loop_cancel(struct loop *loop, struct completion *completion);

/* --- doorbells: eventfds --- */
void loop_doorbell_listen(struct loop *loop, int eventfd, struct completion *completion);
void loop_doorbell_ring(struct loop *loop, int eventfd);

/* Waits until a descriptor can be read (a pidfd, a signalfd). */
void loop_poll_in(struct loop *loop, int fd, struct completion *completion);

/* --- element I/O; `file` is an index given by loop_register_file --- */
/* The ring keeps the open file description itself, and with it any flock on it, until the kernel
 * has ended all I/O on the ring. Returns the index or -errno. */
int loop_register_file(struct loop *loop, int fd);

/* Another description at the index of one on which no I/O is in flight; -1: none, and the kernel
 * gives up the one that was there. 0 or -errno. */
int loop_change_file(struct loop *loop, int file, int fd);

/* Registers memory for faster I/O, `count` ranges at once, once. A range's index is its place. */
int loop_register_buffers(struct loop *loop, const struct iovec *ranges, unsigned count);

enum { LOOP_NO_BUFFER = -1 };

struct loop_io {
    int file;
    int buffer;   /* index of the registered range that holds `memory`, or LOOP_NO_BUFFER */
    bool durable; /* writes: as if followed by fdatasync of these bytes */
    void *memory;
    uint32_t bytes;
    const struct iovec *vectors; /* instead of memory: `bytes` in pieces; kept until submitted */
    uint32_t vectors_count;      /* 0: memory */
    uint64_t offset_bytes;
};

void loop_read(struct loop *loop, const struct loop_io *io, struct completion *completion);
void loop_write(struct loop *loop, const struct loop_io *io, struct completion *completion);
void loop_fdatasync(struct loop *loop, int file, struct completion *completion);
void loop_fallocate(struct loop *loop, int file, int mode, uint64_t offset_bytes, uint64_t bytes,
                    struct completion *completion);
void loop_advise_willneed(struct loop *loop, int file, uint64_t offset_bytes, uint32_t bytes,
                          struct completion *completion);

/* The same at once, in this call, for files whose pages are memory anyway: handing such a request
 * to the ring costs more than doing it (ARCHITECTURE.md, Measured). `fd`, not an index. */
int64_t loop_read_now(struct loop *loop, int fd, const struct loop_io *io);
int64_t loop_write_now(struct loop *loop, int fd, const struct loop_io *io);

#endif
