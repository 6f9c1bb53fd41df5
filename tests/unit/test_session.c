/*
 * Sessions in the company of other sessions: who is slow, leaves early or does not read delays
 * nobody else for long and leaves nothing behind.
 */
#include "hostif/ports.h"

#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostif/nbd_wire.h"
#include "tests/unit/array.h"
#include "tests/unit/unit.h"

enum { POOL_BYTES = 1 << 20, LIMIT_MS = 20000, TRICKLE_MS = 50, UNREAD = 16, LONG_MS = 500 };

/* One controller with its host ports, in a thread of its own. */
struct server {
    struct array *array;
    pthread_t thread;
    int listener, run_status;
    struct sockaddr_storage address;
    socklen_t address_bytes;
};

static void *run_server(void *argument)
{
    struct server *server = argument;
    struct array *array = server->array;
    struct element element = array->elements[0];
    struct controller_start start = {.segment = array->segment,
                                     .elements = &element,
                                     .doorbells = array->doorbells,
                                     .notice_fd = array->notice_fd};
    const struct port_limits limits = {.connections = 16, .handshake_seconds = 10};
    const struct port_listening listening = {.fd = server->listener};
    struct controller *controller;
    struct host_ports *ports;
    const char *what;

    array->elements[0].fd = -1; /* the controller's from now on */
    assert(controller_new(&controller, &start, &what) == 0);
    assert(ports_new(&ports, controller, &limits, &listening, 1) == 0);
    server->run_status = controller_run(controller);
    controller_free(controller);
    ports_free(ports);
    return NULL;
}

static void start(struct server *server)
{
    static const struct array_wanted wanted = {
        .controllers = 1, .puppets = 1, .slots = 1, .ring_entries = 2, .buffers_bytes = POOL_BYTES};
    const sa_family_t unnamed = AF_UNIX; /* a name of the system's own choosing */

    *server = (struct server){.array = array_start(&wanted),
                              .listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                              .address_bytes = sizeof server->address};
    segment_volume(&server->array->segment, 0)->flags = VOLUME_EXPORTED;
    assert(bind(server->listener, (const struct sockaddr *)(const void *)&unnamed,
                sizeof unnamed) == 0);
    assert(listen(server->listener, 16) == 0);
    assert(getsockname(server->listener, (struct sockaddr *)&server->address,
                       &server->address_bytes) == 0);
    assert(pthread_create(&server->thread, NULL, run_server, server) == 0);
}

static void stop(struct server *server)
{
    array_request(server->array, SEAT_REQUEST_STOP);
    pthread_join(server->thread, NULL);
    CU_ASSERT_EQUAL(server->run_status, 0);
    close(server->listener);
    CU_ASSERT_EQUAL(array_stop(server->array), 0);
}

/* --- a client --- */

static void put(int fd, const void *bytes, size_t count)
{
    assert(send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count);
}

static void get(int fd, void *into, size_t count)
{
    assert(recv(fd, into, count, MSG_WAITALL) == (ssize_t)count);
}

static int attach(const struct server *server)
{
    struct __attribute__((packed)) {
        uint32_t flags;
        uint64_t magic;
        uint32_t option, bytes;
        char name[4];
    } hello = {htobe32(3), htobe64(NBD_OPTION_MAGIC), htobe32(1), htobe32(4), "vol0"};
    uint8_t answer[18];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert(connect(fd, (const struct sockaddr *)&server->address, server->address_bytes) == 0);
    get(fd, answer, 18);
    put(fd, &hello, sizeof hello);
    get(fd, answer, 10);
    return fd;
}

static void ask(int fd, uint16_t type, uint64_t offset, uint32_t bytes)
{
    struct __attribute__((packed)) {
        uint32_t magic;
        uint16_t flags, type;
        uint64_t cookie, offset;
        uint32_t bytes;
    } request = {htobe32(NBD_REQUEST_MAGIC), 0, htobe16(type), 77, htobe64(offset), htobe32(bytes)};

    put(fd, &request, sizeof request);
}

static uint32_t answer_to(int fd)
{
    uint8_t reply[16];
    uint32_t error;

    get(fd, reply, sizeof reply);
    memcpy(&error, reply + 4, 4);
    return be32toh(error);
}

/* Whether something, or the end, has come within the time. */
static bool can_read(int fd, int timeout_ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    return poll(&wait, 1, timeout_ms) == 1;
}

static uint64_t buffers_of(struct array *array)
{
    /* relaxed: a look from outside */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.buffers_bytes);
}

static bool a_buffer_is_taken(struct array *array)
{
    return buffers_of(array) > 0;
}

static bool all_buffers_are_back(struct array *array)
{
    return buffers_of(array) == 0;
}

static bool no_connection_is_left(struct array *array)
{
    /* relaxed: a look from outside */
    return load_relaxed(&segment_seat(&array->segment, 0)->counters.connections) == 0;
}

/* --- tests --- */

static void who_trickles_a_write_does_not_hold_up_others(void)
{
    struct server server;
    int waited_ms = 0;

    start(&server);
    int slow = attach(&server), other = attach(&server);
    ask(slow, NBD_CMD_WRITE, 0, 900 << 10);
    CU_ASSERT_TRUE_FATAL(array_wait_until(server.array, a_buffer_is_taken));
    ask(other, NBD_CMD_READ, 0, 512 << 10);
    while (!can_read(other, TRICKLE_MS) && waited_ms < LIMIT_MS) {
        (void)send(slow, "x", 1, MSG_NOSIGNAL);
        waited_ms += TRICKLE_MS;
    }
    CU_ASSERT_TRUE_FATAL(waited_ms < LIMIT_MS);
    CU_ASSERT_EQUAL(answer_to(other), 0);
    CU_ASSERT_TRUE(can_read(slow, LIMIT_MS)); /* it was dropped */
    close(slow);
    close(other);
    stop(&server);
}

static void who_does_not_read_does_not_hold_up_others(void)
{
    struct server server;
    uint8_t block[4096];
    bool waited = false;
    int rounds = 0;

    start(&server);
    int slow = attach(&server), other = attach(&server);
    for (int i = 0; i < UNREAD; i++) /* more than its socket holds, each the whole pool */
        ask(slow, NBD_CMD_READ, 0, POOL_BYTES);
    while (!waited && rounds++ < 100000) {
        ask(other, NBD_CMD_READ, 0, 4096);
        waited = !can_read(other, LONG_MS); /* the one that does not read has the whole pool */
        CU_ASSERT_TRUE_FATAL(can_read(other, LIMIT_MS));
        CU_ASSERT_EQUAL(answer_to(other), 0);
        get(other, block, sizeof block);
    }
    CU_ASSERT_TRUE(waited);
    close(slow);
    close(other);
    stop(&server);
}

static void who_leaves_in_the_middle_leaves_nothing(void)
{
    static const uint32_t lengths[] = {512, 60 << 10, 500 << 10};
    static uint8_t bytes[500 << 10];
    struct server server;

    start(&server);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (uint32_t sent = 0; sent < lengths[i]; sent += lengths[i] / 3) {
            int fd = attach(&server);
            ask(fd, NBD_CMD_READ, 0, 65536);
            ask(fd, NBD_CMD_WRITE, 0, lengths[i]);
            put(fd, bytes, sent);
            close(fd);
        }
    }
    CU_ASSERT_TRUE(array_wait_until(server.array, no_connection_is_left));
    CU_ASSERT_TRUE(array_wait_until(server.array, all_buffers_are_back));
    int fd = attach(&server);
    ask(fd, NBD_CMD_FLUSH, 0, 0);
    CU_ASSERT_EQUAL(answer_to(fd), 0);
    close(fd);
    stop(&server);
}

static void what_was_asked_before_the_end_of_sending_is_answered(void)
{
    struct server server;
    uint8_t block[4096];

    start(&server);
    int fd = attach(&server);
    for (int i = 0; i < 8; i++)
        ask(fd, NBD_CMD_READ, 4096 * (uint64_t)i, 4096);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(answer_to(fd), 0);
        get(fd, block, sizeof block);
    }
    CU_ASSERT_EQUAL(recv(fd, block, 1, 0), 0);
    close(fd);
    stop(&server);
}

static void who_never_reads_is_left_behind_at_the_end(void)
{
    struct server server;

    start(&server);
    int idle = attach(&server), slow = attach(&server), writer = attach(&server);
    for (int i = 0; i < UNREAD; i++)
        ask(slow, NBD_CMD_READ, 0, 512 << 10);
    CU_ASSERT_TRUE(can_read(slow, LIMIT_MS));
    ask(writer, NBD_CMD_WRITE, 0, 200 << 10);
    array_request(server.array, SEAT_REQUEST_QUIESCE);
    CU_ASSERT_TRUE(can_read(idle, LIMIT_MS));   /* let go */
    CU_ASSERT_TRUE(can_read(writer, LIMIT_MS)); /* not waited for */
    stop(&server);                              /* returns all the same */
    close(idle);
    close(slow);
    close(writer);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"who trickles a write does not hold up others",
         who_trickles_a_write_does_not_hold_up_others},
        {"who does not read does not hold up others", who_does_not_read_does_not_hold_up_others},
        {"who leaves in the middle leaves nothing", who_leaves_in_the_middle_leaves_nothing},
        {"what was asked before the end of sending is answered",
         what_was_asked_before_the_end_of_sending_is_answered},
        {"who never reads is left behind at the end", who_never_reads_is_left_behind_at_the_end},
    };
    return UNIT_RUN("session", tests);
}
