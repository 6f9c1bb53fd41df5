/*
 * The loop: timers, doorbells, sockets, files, and what is cancelled.
 */
#include "io/loop.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define MS      UINT64_C(1000000)
#define LONG_NS (20000 * MS)

struct outcome {
    struct completion completion;
    int fired, result;
};

static void note(struct completion *completion, int result)
{
    struct outcome *outcome = (struct outcome *)(void *)completion;

    outcome->fired++;
    outcome->result = result;
}

static struct outcome waiting(void)
{
    return (struct outcome){.completion.fire = note};
}

static struct loop *new_loop(void)
{
    const char *missing = NULL;
    struct loop *loop = NULL;

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop, &missing), 0);
    return loop;
}

/* Turns until it has fired, or for much too long. */
static int result_of(struct loop *loop, struct outcome *outcome)
{
    uint64_t limit_ns = loop_clock_ns(loop) + LONG_NS;

    while (outcome->fired == 0 && loop_now_ns(loop) < limit_ns)
        loop_turn(loop, 100 * MS);
    CU_ASSERT_EQUAL_FATAL(outcome->fired, 1);
    return outcome->result;
}

/* --- timers --- */

static struct timer *fired_timers[8];
static int fired_timers_count;

static void note_timer(struct timer *timer)
{
    fired_timers[fired_timers_count++] = timer;
}

static void timers_fire_in_the_order_of_their_deadlines(void)
{
    static const uint64_t delays_ms[] = {5, 1, 3, 1, 4};
    static const int order[] = {1, 3, 2, 4, 0}; /* equal ones in the order of starting */
    struct loop *loop = new_loop();
    struct timer timers[5] = {0};

    fired_timers_count = 0;
    for (int i = 0; i < 5; i++) {
        timers[i].fire = note_timer;
        loop_timer_start(loop, &timers[i], delays_ms[i] * MS);
    }
    uint64_t from_ns = loop_now_ns(loop);
    while (fired_timers_count < 5)
        loop_turn(loop, LOOP_FOREVER);
    CU_ASSERT_TRUE(loop_now_ns(loop) - from_ns >= 5 * MS);
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_PTR_EQUAL(fired_timers[i], &timers[order[i]]);
        CU_ASSERT_PTR_NULL(timers[i].next);
    }
    loop_free(loop);
}

static struct loop *restarting_loop;
static struct timer *victim;

static void stop_the_victim(struct timer *timer)
{
    note_timer(timer);
    loop_timer_stop(restarting_loop, victim);
    if (fired_timers_count < 3)
        loop_timer_start(restarting_loop, timer, 0);
}

static void a_timer_may_stop_others_and_start_itself(void)
{
    struct loop *loop = restarting_loop = new_loop();
    struct timer first = {.fire = stop_the_victim}, second = {.fire = note_timer};

    victim = &second;
    fired_timers_count = 0;
    loop_timer_start(loop, &first, 0);
    loop_timer_start(loop, &second, 0);
    while (fired_timers_count < 3)
        loop_turn(loop, 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_PTR_EQUAL(fired_timers[i], &first);
    loop_timer_stop(loop, &first); /* not armed: nothing happens */
    loop_free(loop);
}

static void nothing_to_wait_for_is_no_wait(void)
{
    struct loop *loop = new_loop();

    CU_ASSERT_EQUAL(loop_turn(loop, 0), 0);
    CU_ASSERT_FALSE(loop_has_events(loop));
    CU_ASSERT_FALSE(loop_has_unsubmitted(loop));
    CU_ASSERT_EQUAL(loop_turn(loop, 1), 0);
    loop_free(loop);
    loop_free(NULL);
}

/* --- doorbells --- */

static void a_doorbell_rings_from_loop_to_loop(void)
{
    struct loop *one = new_loop(), *other = new_loop();
    struct outcome rang = waiting();
    int fd = eventfd(0, EFD_CLOEXEC);

    loop_doorbell_listen(other, fd, &rang.completion);
    CU_ASSERT_TRUE(loop_has_unsubmitted(other));
    loop_turn(other, 0);
    CU_ASSERT_EQUAL(rang.fired, 0);
    loop_doorbell_ring(one, fd);
    loop_doorbell_ring(one, fd);
    loop_turn(one, 0);
    CU_ASSERT_EQUAL(result_of(other, &rang), 8);
    rang = waiting();
    loop_doorbell_listen(other, fd, &rang.completion);
    loop_turn(other, 0);
    loop_turn(other, 0);
    /* both rings may have come with the first; whether or not, no more than these two come */
    CU_ASSERT_TRUE(rang.fired <= 1);
    loop_free(one);
    loop_free(other);
    close(fd);
}

static void a_descriptor_that_can_be_read_is_noticed(void)
{
    struct loop *loop = new_loop();
    struct outcome ready = waiting();
    int ends[2];

    CU_ASSERT_EQUAL(pipe(ends), 0);
    loop_poll_in(loop, ends[0], &ready.completion);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(ready.fired, 0);
    CU_ASSERT_EQUAL(write(ends[1], "x", 1), 1);
    CU_ASSERT_TRUE(result_of(loop, &ready) & POLLIN);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

/* --- sockets --- */

static void pair(int ends[2])
{
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void what_is_sent_is_received(void)
{
    struct loop *loop = new_loop();
    struct outcome sent = waiting(), got = waiting();
    char into[64] = "", one[] = "one ", two[] = "two";
    struct iovec vectors[] = {{one, 4}, {two, 3}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    int ends[2];

    pair(ends);
    loop_receive(loop, ends[1], into, sizeof into, &got.completion);
    loop_turn(loop, 0);
    loop_send_vector(loop, ends[0], &message, &sent.completion);
    CU_ASSERT_EQUAL(sent.fired, 0); /* nothing fires inside the call */
    CU_ASSERT_EQUAL(result_of(loop, &sent), 7);
    CU_ASSERT_EQUAL(result_of(loop, &got), 7);
    CU_ASSERT_STRING_EQUAL(into, "one two");
    close(ends[0]);
    got = waiting();
    loop_receive(loop, ends[1], into, sizeof into, &got.completion);
    CU_ASSERT_EQUAL(result_of(loop, &got), 0);
    sent = waiting();
    loop_send_vector(loop, ends[1], &message, &sent.completion);
    CU_ASSERT_EQUAL(result_of(loop, &sent), -EPIPE); /* and no signal */
    close(ends[1]);
    loop_free(loop);
}

enum { LARGE_BYTES = 8 << 20 };

/* A send that is many times larger than the socket's buffer goes on by itself as the other side
 * reads. */
static void a_large_send_goes_out_whole(void)
{
    struct loop *loop = new_loop();
    struct outcome sent = waiting();
    uint8_t *from =
        mmap(NULL, 2 * LARGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *into = from + LARGE_BYTES;
    struct iovec vector = {from, LARGE_BYTES};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    size_t got = 0;
    int ends[2];

    CU_ASSERT_PTR_NOT_EQUAL_FATAL(from, MAP_FAILED);
    for (uint32_t i = 0; i < LARGE_BYTES; i++)
        from[i] = (uint8_t)(i >> 9 ^ i);
    pair(ends);
    loop_send_vector(loop, ends[0], &message, &sent.completion);
    while (got < LARGE_BYTES) {
        loop_turn(loop, 0);
        ssize_t some = recv(ends[1], into + got, LARGE_BYTES - got, MSG_DONTWAIT);
        CU_ASSERT_TRUE_FATAL(some > 0 || errno == EAGAIN);
        got += some > 0 ? (size_t)some : 0;
    }
    CU_ASSERT_EQUAL(result_of(loop, &sent), LARGE_BYTES);
    CU_ASSERT_EQUAL(memcmp(from, into, LARGE_BYTES), 0);
    close(ends[0]);
    close(ends[1]);
    munmap(from, 2 * LARGE_BYTES);
    loop_free(loop);
}

static void a_send_to_one_who_leaves_says_how_much_went(void)
{
    struct loop *loop = new_loop();
    struct outcome sent = waiting();
    static uint8_t from[LARGE_BYTES];
    struct iovec vector = {from, LARGE_BYTES};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    int ends[2];

    pair(ends);
    loop_send_vector(loop, ends[0], &message, &sent.completion);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(sent.fired, 0);
    close(ends[1]);
    int result = result_of(loop, &sent);
    CU_ASSERT_TRUE(result == -EPIPE || result == -ECONNRESET ||
                   (result > 0 && result < LARGE_BYTES));
    close(ends[0]);
    loop_free(loop);
}

static void a_cancelled_receive_fires_once(void)
{
    struct loop *loop = new_loop();
    struct outcome got = waiting();
    char into[8];
    int ends[2];

    pair(ends);
    loop_receive(loop, ends[1], into, sizeof into, &got.completion);
    loop_turn(loop, 0);
    loop_cancel(loop, &got.completion);
    CU_ASSERT_EQUAL(result_of(loop, &got), -ECANCELED);
    loop_cancel(loop, &got.completion); /* too late: nothing happens */
    loop_turn(loop, 0);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(got.fired, 1);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

static void an_accepted_connection_is_close_on_exec(void)
{
    struct loop *loop = new_loop();
    struct sockaddr_storage address;
    socklen_t bytes = sizeof address;
    struct outcome accepted = waiting();
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int host = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sa_family_t unnamed = AF_UNIX; /* a name of the system's own choosing */

    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)(void *)&unnamed, sizeof unnamed), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 1), 0);
    CU_ASSERT_EQUAL(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
    loop_accept(loop, listener, &accepted.completion);
    loop_turn(loop, 0);
    CU_ASSERT_EQUAL(connect(host, (struct sockaddr *)&address, bytes), 0);
    int fd = result_of(loop, &accepted);
    CU_ASSERT_TRUE(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
    close(host);
    close(listener);
    loop_free(loop);
}

/* --- files --- */

static int64_t read_now(struct loop *loop, int fd, void *into, uint32_t bytes,
                        uint64_t offset_bytes)
{
    const struct loop_io io = {.memory = into, .bytes = bytes, .offset_bytes = offset_bytes};

    return loop_read_now(loop, fd, &io);
}

/* Payload in several places, through the ring and at once. */
static void moves_in_pieces(struct loop *loop, int file, int fd)
{
    struct outcome done = waiting();
    char first[] = "one", second[] = "-two-", third[] = "three", into[16] = "";
    const struct iovec from[] = {{first, 3}, {second, 5}, {third, 5}};
    const struct iovec to[] = {{into + 7, 6}, {into, 7}};
    struct loop_io io = {.file = file,
                         .buffer = LOOP_NO_BUFFER,
                         .vectors = from,
                         .vectors_count = 3,
                         .bytes = 13,
                         .offset_bytes = 9000};

    loop_write(loop, &io, &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 13);
    io.vectors = to;
    io.vectors_count = 2;
    done = waiting();
    loop_read(loop, &io, &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 13);
    CU_ASSERT_STRING_EQUAL(into, "o-threeone-tw");
    CU_ASSERT_EQUAL(loop_write_now(loop, fd, &io), 13);
    CU_ASSERT_EQUAL(loop_read_now(loop, fd, &io), 13);
    CU_ASSERT_STRING_EQUAL(into, "o-threeone-tw");
    io.durable = true;
    CU_ASSERT_EQUAL(loop_write_now(loop, fd, &io), 13);
}

static void a_registered_file_outlives_its_descriptor(void)
{
    struct loop *loop = new_loop();
    struct outcome done = waiting();
    int fd = memfd_create("file", MFD_CLOEXEC), copy = dup(fd);
    int file = loop_register_file(loop, fd);
    char from[] = "written", into[16] = "";
    struct loop_io io = {
        .file = file, .buffer = LOOP_NO_BUFFER, .memory = from, .bytes = 7, .offset_bytes = 100};
    char said[] = "now";
    const struct loop_io now = {.memory = said, .bytes = 3, .offset_bytes = 5000, .durable = true};

    CU_ASSERT_EQUAL(file, 0);
    close(fd);
    loop_write(loop, &io, &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 7);
    io.memory = into;
    done = waiting();
    loop_read(loop, &io, &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 7);
    CU_ASSERT_STRING_EQUAL(into, "written");
    done = waiting();
    loop_fdatasync(loop, file, &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 0);
    done = waiting();
    loop_fallocate(loop, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096,
                   &done.completion);
    CU_ASSERT_EQUAL(result_of(loop, &done), 0);
    CU_ASSERT_EQUAL(read_now(loop, copy, into, 7, 100), 7);
    CU_ASSERT_EQUAL(into[0], 0);
    CU_ASSERT_EQUAL(loop_write_now(loop, copy, &now), 3);
    CU_ASSERT_EQUAL(read_now(loop, copy, into, 16, 5000), 3);
    CU_ASSERT_EQUAL(read_now(loop, copy, into, 16, 6000), 0);
    CU_ASSERT_EQUAL(read_now(loop, -1, into, 16, 0), -EBADF);
    moves_in_pieces(loop, file, copy);
    CU_ASSERT_EQUAL(loop_register_file(loop, 99999), -EBADF);
    close(copy);
    loop_free(loop);
}

/* More operations at once than the submission queue holds. */
static void a_full_queue_is_submitted_early(void)
{
    enum { MANY = 5000 };
    static struct outcome outcomes[MANY];
    struct loop *loop = new_loop();
    int fd = memfd_create("file", MFD_CLOEXEC), file = loop_register_file(loop, fd), wrong = 0;
    static char memory[MANY];

    for (int i = 0; i < MANY; i++) {
        struct loop_io io = {.file = file,
                             .buffer = LOOP_NO_BUFFER,
                             .memory = &memory[i],
                             .bytes = 1,
                             .offset_bytes = (uint64_t)i};
        outcomes[i] = waiting();
        loop_write(loop, &io, &outcomes[i].completion);
    }
    for (int i = 0; i < MANY; i++)
        wrong += result_of(loop, &outcomes[i]) != 1;
    CU_ASSERT_EQUAL(wrong, 0);
    CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_END), MANY);
    close(fd);
    loop_free(loop);
}

/* The kernel as liburing shows it, but that it has no memory for a while. */
static int refusals_left;

int io_uring_submit(struct io_uring *ring)
{
    static int (*submit)(struct io_uring * ring);

    if (refusals_left > 0) {
        refusals_left--;
        return -EAGAIN;
    }
    if (submit == NULL)
        *(void **)&submit = dlsym(RTLD_NEXT, "io_uring_submit");
    return submit(ring);
}

static void a_kernel_without_memory_is_asked_again(void)
{
    enum { MANY = 3000, REFUSALS = 1500 };
    static struct outcome outcomes[MANY];
    struct loop *loop = new_loop();
    int bell = eventfd(1, EFD_CLOEXEC), wrong = 0;

    refusals_left = REFUSALS;
    for (int i = 0; i < MANY; i++) {
        outcomes[i] = waiting();
        loop_poll_in(loop, bell, &outcomes[i].completion);
    }
    CU_ASSERT_EQUAL(refusals_left, 0);
    for (int i = 0; i < MANY; i++)
        wrong += result_of(loop, &outcomes[i]) != POLLIN;
    CU_ASSERT_EQUAL(wrong, 0);
    close(bell);
    loop_free(loop);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"timers fire in the order of their deadlines",
         timers_fire_in_the_order_of_their_deadlines},
        {"a timer may stop others and start itself", a_timer_may_stop_others_and_start_itself},
        {"nothing to wait for is no wait", nothing_to_wait_for_is_no_wait},
        {"a doorbell rings from loop to loop", a_doorbell_rings_from_loop_to_loop},
        {"a descriptor that can be read is noticed", a_descriptor_that_can_be_read_is_noticed},
        {"what is sent is received", what_is_sent_is_received},
        {"a large send goes out whole", a_large_send_goes_out_whole},
        {"a send to one who leaves says how much went",
         a_send_to_one_who_leaves_says_how_much_went},
        {"a cancelled receive fires once", a_cancelled_receive_fires_once},
        {"an accepted connection is close-on-exec", an_accepted_connection_is_close_on_exec},
        {"a registered file outlives its descriptor", a_registered_file_outlives_its_descriptor},
        {"a full queue is submitted early", a_full_queue_is_submitted_early},
        {"a kernel without memory is asked again", a_kernel_without_memory_is_asked_again},
    };
    return UNIT_RUN("loop", tests);
}
