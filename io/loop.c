#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "io/timers.h"

enum { SUBMISSIONS = 1024, SUBMIT_AGAIN_US = 50 };

struct loop {
    struct io_uring ring;
    uint64_t now_ns;
    struct timers timers;
    uint64_t doorbell_value;
    int files;
};

static const uint64_t doorbell_one = 1;

/* --- starting --- */

static int setup_ring(struct io_uring *ring, const char **ret_missing)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = LOOP_OPERATIONS_MAX,
    };
    int error = io_uring_queue_init_params(SUBMISSIONS, ring, &params);

    if (error == -EINVAL) {
        *ret_missing = "io_uring with SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1)";
        return -EOPNOTSUPP;
    }
    if (error == -ENOSYS || error == -EPERM || error == -EACCES)
        *ret_missing = "io_uring itself (see /proc/sys/kernel/io_uring_disabled)";
    if (error == -ENOMEM)
        *ret_missing = "memory for an io_uring (see ulimit -l)";
    return error;
}

static const struct {
    int opcode;
    const char *name;
} operations_needed[] = {
    {IORING_OP_READ, "READ"},
    {IORING_OP_WRITE, "WRITE"},
    {IORING_OP_READ_FIXED, "READ_FIXED"},
    {IORING_OP_WRITE_FIXED, "WRITE_FIXED"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_FALLOCATE, "FALLOCATE"},
    {IORING_OP_FADVISE, "FADVISE"},
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_RECV, "RECV"},
    {IORING_OP_RECVMSG, "RECVMSG"},
    {IORING_OP_SENDMSG, "SENDMSG"},
    {IORING_OP_POLL_ADD, "POLL_ADD"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
};

static int check_operations(struct io_uring *ring, const char **ret_missing)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);

    if (probe == NULL) {
        *ret_missing = "io_uring's probe";
        return -EOPNOTSUPP;
    }
    int error = 0;
    for (size_t i = 0; i < sizeof operations_needed / sizeof operations_needed[0]; i++) {
        if (!io_uring_opcode_supported(probe, operations_needed[i].opcode)) {
            *ret_missing = operations_needed[i].name;
            error = -EOPNOTSUPP;
        }
    }
    io_uring_free_probe(probe);
    return error;
}

int loop_new(struct loop **ret_loop, const char **ret_missing)
{
    *ret_missing = NULL;
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return -ENOMEM;
    timers_init(&loop->timers);
    int error = setup_ring(&loop->ring, ret_missing);
    if (error != 0)
        goto no_ring;
    error = check_operations(&loop->ring, ret_missing);
    if (error != 0)
        goto no_files;
    error = io_uring_register_files_sparse(&loop->ring, LOOP_FILES_MAX);
    if (error != 0)
        goto no_files;
    /* A ring whose descriptor is registered is entered without looking it up; not a must. */
    (void)io_uring_register_ring_fd(&loop->ring);
    /* A nap of microseconds is to last microseconds: the default slack is 50. */
    (void)prctl(PR_SET_TIMERSLACK, 1);
    loop_clock_ns(loop);
    *ret_loop = loop;
    return 0;

no_files:
    io_uring_queue_exit(&loop->ring);
no_ring:
    free(loop);
    return error;
}

int loop_probe(const char **ret_missing)
{
    struct loop *loop;
    int error = loop_new(&loop, ret_missing);

    if (error == 0)
        loop_free(loop);
    return error;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    io_uring_queue_exit(&loop->ring);
    free(loop);
}

/* --- time --- */

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_clock_ns(struct loop *loop)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    loop->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return loop->now_ns;
}

void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t delay_ns)
{
    timers_add(&loop->timers, timer, loop->now_ns + delay_ns);
}

void loop_timer_stop(struct loop *loop, struct timer *timer)
{
    (void)loop;
    timers_remove(timer);
}

static uint64_t bounded_by_timers(const struct loop *loop, uint64_t wait_ns)
{
    uint64_t next_ns = timers_next_ns(&loop->timers);

    if (next_ns == UINT64_MAX)
        return wait_ns;
    uint64_t until = next_ns > loop->now_ns ? next_ns - loop->now_ns : 0;
    return until < wait_ns ? until : wait_ns;
}

/* --- turning --- */

bool loop_has_events(struct loop *loop)
{
    return io_uring_cq_ready(&loop->ring) != 0 ||
           (IO_URING_READ_ONCE(*loop->ring.sq.kflags) & IORING_SQ_TASKRUN) != 0;
}

void loop_yield(struct loop *loop)
{
    (void)loop;
    (void)sched_yield();
}

void loop_nap(struct loop *loop, uint64_t nap_ns)
{
    const struct timespec nap = {.tv_nsec = (long)nap_ns};

    (void)loop;
    (void)nanosleep(&nap, NULL);
}

bool loop_has_unsubmitted(struct loop *loop)
{
    return io_uring_sq_ready(&loop->ring) != 0;
}

static void enter(struct loop *loop, uint64_t wait_ns)
{
    struct io_uring_cqe *cqe;

    if (wait_ns == 0) {
        if (loop_has_unsubmitted(loop) || loop_has_events(loop))
            (void)io_uring_submit_and_get_events(&loop->ring);
    } else if (wait_ns == LOOP_FOREVER) {
        (void)io_uring_submit_and_wait(&loop->ring, 1);
    } else {
        struct __kernel_timespec timeout = {.tv_sec = (int64_t)(wait_ns / 1000000000u),
                                            .tv_nsec = (long long)(wait_ns % 1000000000u)};
        (void)io_uring_submit_and_wait_timeout(&loop->ring, &cqe, 1, &timeout, NULL);
    }
    /* The results are not needed: what was not submitted (no memory in the kernel, a signal) is
     * still in the queue and goes with the next turn, and what completed is looked at below. */
}

static uint32_t fire_completions(struct loop *loop)
{
    struct io_uring_cqe *cqe;
    uint32_t fired = 0;
    /* Only what is there now: a completion that starts another that ends at once must not keep the
     * rest of the controller waiting. */
    unsigned ready = io_uring_cq_ready(&loop->ring);

    while (ready-- > 0 && io_uring_peek_cqe(&loop->ring, &cqe) == 0) {
        struct completion *completion = io_uring_cqe_get_data(cqe);
        int result = cqe->res;
        io_uring_cqe_seen(&loop->ring, cqe);
        if (completion == NULL)
            continue;
        completion->fire(completion, result);
        fired++;
    }
    return fired;
}

uint32_t loop_turn(struct loop *loop, uint64_t wait_ns)
{
    if (wait_ns != 0 && io_uring_cq_ready(&loop->ring) == 0)
        wait_ns = bounded_by_timers(loop, wait_ns);
    else
        wait_ns = 0;
    enter(loop, wait_ns);
    loop_clock_ns(loop);
    uint32_t fired = fire_completions(loop);
    return fired + timers_fire(&loop->timers, loop->now_ns);
}

static bool is_temporary(int error)
{
    return error == -EAGAIN || error == -EBUSY || error == -EINTR || error == -ENOMEM;
}

/* A full submission queue is submitted early. The completion queue holds all that can be in flight,
 * so the kernel takes submissions unless it has no memory: then it is asked again until it has,
 * which operations that end meanwhile may bring about. They fire later. */
static struct io_uring_sqe *next_sqe(struct loop *loop)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&loop->ring);

    while (sqe == NULL) {
        int submitted = io_uring_submit(&loop->ring);
        if (submitted < 0) {
            assert(is_temporary(submitted));
            loop_nap(loop, SUBMIT_AGAIN_US * 1000);
            (void)io_uring_get_events(&loop->ring);
        }
        sqe = io_uring_get_sqe(&loop->ring);
    }
    return sqe;
}

/* --- sockets and doorbells --- */

void loop_accept(struct loop *loop, int fd, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, completion);
}

void loop_receive(struct loop *loop, int fd, void *into, size_t bytes,
                  struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_recv(sqe, fd, into, bytes, 0);
    io_uring_sqe_set_data(sqe, completion);
}

void loop_receive_vector(struct loop *loop, int fd, struct msghdr *message,
                         struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_recvmsg(sqe, fd, message, 0);
    io_uring_sqe_set_data(sqe, completion);
}

void loop_send_vector(struct loop *loop, int fd, struct msghdr *message,
                      struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_sendmsg(sqe, fd, message, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(sqe, completion);
}

void loop_cancel(struct loop *loop, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_cancel(sqe, completion, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

void loop_doorbell_listen(struct loop *loop, int eventfd, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_read(sqe, eventfd, &loop->doorbell_value, sizeof loop->doorbell_value, 0);
    io_uring_sqe_set_data(sqe, completion);
}

/* At once and by a system call of its own, once a batch: through the ring, an eventfd's write is
 * handed to a worker thread, and the one who sleeps would be woken after that one was. */
void loop_doorbell_ring(struct loop *loop, int eventfd)
{
    (void)loop;
    (void)!write(eventfd, &doorbell_one, sizeof doorbell_one);
}

void loop_poll_in(struct loop *loop, int fd, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_poll_add(sqe, fd, POLLIN);
    io_uring_sqe_set_data(sqe, completion);
}

/* --- element I/O --- */

int loop_register_file(struct loop *loop, int fd)
{
    if (loop->files == LOOP_FILES_MAX)
        return -ENFILE;
    int updated = io_uring_register_files_update(&loop->ring, (unsigned)loop->files, &fd, 1);
    if (updated < 0)
        return updated;
    return loop->files++;
}

int loop_change_file(struct loop *loop, int file, int fd)
{
    int updated = io_uring_register_files_update(&loop->ring, (unsigned)file, &fd, 1);

    return updated < 0 ? updated : 0;
}

int loop_register_buffers(struct loop *loop, const struct iovec *ranges, unsigned count)
{
    return io_uring_register_buffers(&loop->ring, ranges, count);
}

void loop_read(struct loop *loop, const struct loop_io *io, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    if (io->vectors_count > 0)
        io_uring_prep_readv(sqe, io->file, io->vectors, io->vectors_count, io->offset_bytes);
    else if (io->buffer == LOOP_NO_BUFFER)
        io_uring_prep_read(sqe, io->file, io->memory, io->bytes, io->offset_bytes);
    else
        io_uring_prep_read_fixed(sqe, io->file, io->memory, io->bytes, io->offset_bytes,
                                 io->buffer);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, completion);
}

void loop_write(struct loop *loop, const struct loop_io *io, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    if (io->vectors_count > 0)
        io_uring_prep_writev(sqe, io->file, io->vectors, io->vectors_count, io->offset_bytes);
    else if (io->buffer == LOOP_NO_BUFFER)
        io_uring_prep_write(sqe, io->file, io->memory, io->bytes, io->offset_bytes);
    else
        io_uring_prep_write_fixed(sqe, io->file, io->memory, io->bytes, io->offset_bytes,
                                  io->buffer);
    sqe->rw_flags = io->durable ? RWF_DSYNC : 0;
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, completion);
}

void loop_fdatasync(struct loop *loop, int file, struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, completion);
}

void loop_fallocate(struct loop *loop, int file, int mode, uint64_t offset_bytes, uint64_t bytes,
                    struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_fallocate(sqe, file, mode, (off_t)offset_bytes, (off_t)bytes);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, completion);
}

void loop_advise_willneed(struct loop *loop, int file, uint64_t offset_bytes, uint32_t bytes,
                          struct completion *completion)
{
    struct io_uring_sqe *sqe = next_sqe(loop);

    io_uring_prep_fadvise(sqe, file, offset_bytes, (off_t)bytes, POSIX_FADV_WILLNEED);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, completion);
}

int64_t loop_read_now(struct loop *loop, int fd, const struct loop_io *io)
{
    (void)loop;
    for (;;) {
        ssize_t got = io->vectors_count > 0
                          ? preadv(fd, io->vectors, (int)io->vectors_count, (off_t)io->offset_bytes)
                          : pread(fd, io->memory, io->bytes, (off_t)io->offset_bytes);
        if (got >= 0)
            return got;
        if (errno != EINTR)
            return -errno;
    }
}

int64_t loop_write_now(struct loop *loop, int fd, const struct loop_io *io)
{
    const struct iovec whole = {.iov_base = io->memory, .iov_len = io->bytes};
    const struct iovec *vectors = io->vectors_count > 0 ? io->vectors : &whole;
    int count = io->vectors_count > 0 ? (int)io->vectors_count : 1;

    (void)loop;
    for (;;) {
        ssize_t put =
            io->durable || io->vectors_count > 0
                ? pwritev2(fd, vectors, count, (off_t)io->offset_bytes, io->durable ? RWF_DSYNC : 0)
                : pwrite(fd, io->memory, io->bytes, (off_t)io->offset_bytes);
        if (put >= 0)
            return put;
        if (errno != EINTR)
            return -errno;
    }
}
