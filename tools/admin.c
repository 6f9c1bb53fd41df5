#include "tools/admin.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tools/admin_rpc.h"

struct connection {
    struct watched watched;
    struct admin *admin;
    struct connection *next, *previous;
    char in[ADMIN_LINE_BYTES_MAX];
    size_t in_bytes;
    struct admin_reply *reply;  /* to what it asked, which is not complete yet; NULL: none */
    bool asking;                /* it is being asked right now */
    struct admin_answer answer; /* not yet sent, but for its first bytes */
    size_t sent_bytes;
    bool waits_for_room;      /* in the socket: its client has to read first */
    uint64_t unread_since_ns; /* the last time that it took anything */
    bool closing;
};

struct admin {
    struct watched watched;
    struct watched clock; /* a timerfd; ticks only while there is something to look at */
    struct watch *watch;
    struct admin_service service;
    struct connection *connections, *longest_idle; /* in order of what was last heard of them */
    uint32_t connections_count;
    bool accept_paused; /* out of descriptors */
};

static void set_clock(struct admin *admin);

/* --- connections --- */

static void connection_link(struct connection *connection)
{
    struct admin *admin = connection->admin;

    connection->previous = NULL;
    connection->next = admin->connections;
    *(connection->next != NULL ? &connection->next->previous : &admin->longest_idle) = connection;
    admin->connections = connection;
}

static void connection_unlink(struct connection *connection)
{
    struct admin *admin = connection->admin;
    struct connection *next = connection->next, *previous = connection->previous;

    *(previous != NULL ? &previous->next : &admin->connections) = next;
    *(next != NULL ? &next->previous : &admin->longest_idle) = previous;
}

static void drop_answer(struct connection *connection)
{
    free(connection->answer.text);
    if (connection->answer.pass_fd >= 0)
        close(connection->answer.pass_fd);
    connection->answer = (struct admin_answer){.pass_fd = -1};
    connection->sent_bytes = 0;
}

static void connection_free(struct connection *connection)
{
    struct admin *admin = connection->admin;

    watch_remove(admin->watch, &connection->watched);
    connection_unlink(connection);
    admin->connections_count--;
    close(connection->watched.fd);
    drop_answer(connection);
    if (connection->reply != NULL)
        connection->reply->owner = NULL; /* it is freed when it is ready */
    free(connection);
}

static bool has_output(const struct connection *connection)
{
    return connection->sent_bytes < connection->answer.text_bytes;
}

static size_t line_bytes(const struct connection *connection)
{
    const char *end = memchr(connection->in, '\n', connection->in_bytes);

    return end == NULL ? 0 : (size_t)(end - connection->in) + 1;
}

static void reply_is_ready(struct admin_reply *reply);

static struct admin_reply *make_reply(struct connection *connection)
{
    struct admin_reply *reply = calloc(1, sizeof *reply);

    if (reply == NULL)
        return NULL;
    reply->ready = reply_is_ready;
    reply->owner = connection;
    connection->reply = reply;
    return reply;
}

/* Does what the first line asks, if a whole one is there. The answer may come later. */
static bool handle_first_line(struct connection *connection)
{
    size_t bytes = line_bytes(connection);

    connection->unread_since_ns = watch_now_ns();
    if (bytes == 0 && connection->in_bytes < sizeof connection->in)
        return true;
    struct admin_reply *reply = make_reply(connection);
    if (reply == NULL)
        return false;
    connection->asking = true;
    if (bytes > 0) {
        admin_rpc(&connection->admin->service, connection->in, bytes - 1, reply);
        connection->in_bytes -= bytes;
        memmove(connection->in, connection->in + bytes, connection->in_bytes);
    } else {
        connection->closing = true;
        admin_rpc_too_long(reply);
    }
    connection->asking = false;
    return true;
}

static ssize_t send_some(struct connection *connection)
{
    int *pass_fd = &connection->answer.pass_fd;
    struct iovec range = {.iov_base = connection->answer.text + connection->sent_bytes,
                          .iov_len = connection->answer.text_bytes - connection->sent_bytes};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &range, .msg_iovlen = 1};

    if (*pass_fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), pass_fd, sizeof(int));
    }
    ssize_t sent = sendmsg(connection->watched.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0 && *pass_fd >= 0) {
        close(*pass_fd);
        *pass_fd = -1;
    }
    return sent;
}

/* Sends what the socket takes. False: the client is gone, or was told why it has to go. */
static bool send_output(struct connection *connection)
{
    while (has_output(connection)) {
        ssize_t sent = send_some(connection);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->sent_bytes += (size_t)sent;
        connection->unread_since_ns = watch_now_ns();
    }
    drop_answer(connection);
    return !connection->closing;
}

static bool receive_input(struct connection *connection)
{
    ssize_t got = recv(connection->watched.fd, connection->in + connection->in_bytes,
                       sizeof connection->in - connection->in_bytes, MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    connection->in_bytes += (size_t)got;
    return got > 0;
}

/* One step: what it does not read holds up its own further requests, not us; and one that has sent
 * many requests at once has one of them answered before others have their turn. */
static bool advance(struct connection *connection, uint32_t events)
{
    if (connection->reply != NULL) /* it waits for its answer, or has gone */
        return (events & EPOLLHUP) == 0;
    if (has_output(connection) || connection->closing)
        return send_output(connection);
    if (line_bytes(connection) == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        !receive_input(connection))
        return false;
    if (!handle_first_line(connection))
        return false;
    return connection->reply != NULL || send_output(connection);
}

/* Nothing is read of one that waits for its answer; that it goes away is heard all the same. */
static void watch_for_what_is_next(struct connection *connection)
{
    bool waits_for_answer = connection->reply != NULL;

    connection->waits_for_room =
        !waits_for_answer && (has_output(connection) || line_bytes(connection) > 0);
    (void)watch_change(connection->admin->watch, &connection->watched,
                       waits_for_answer             ? 0
                       : connection->waits_for_room ? EPOLLOUT
                                                    : EPOLLIN);
}

static void connection_ready(struct watched *watched, uint32_t events)
{
    struct connection *connection = (struct connection *)(void *)watched;
    struct admin *admin = connection->admin;

    if (!advance(connection, events) || (events & EPOLLERR) != 0) {
        connection_free(connection);
        set_clock(admin);
        return;
    }
    connection_unlink(connection);
    connection_link(connection); /* it is the least idle now */
    watch_for_what_is_next(connection);
    set_clock(admin);
}

/* A method has ended. One that did so at once is looked at by who asked. */
static void reply_is_ready(struct admin_reply *reply)
{
    struct connection *connection = reply->owner;
    struct admin_answer answer = reply->answer;
    bool no_memory = reply->no_memory;

    free(reply);
    if (connection == NULL) { /* gone meanwhile */
        free(answer.text);
        if (answer.pass_fd >= 0)
            close(answer.pass_fd);
        return;
    }
    connection->reply = NULL;
    connection->answer = answer;
    connection->closing = connection->closing || no_memory;
    connection->unread_since_ns = watch_now_ns();
    if (!connection->asking)
        connection_ready(&connection->watched, EPOLLOUT);
}

/* --- accepting --- */

static void take_connection(struct admin *admin, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->watched = (struct watched){.ready = connection_ready, .fd = fd};
    connection->admin = admin;
    connection->answer.pass_fd = -1;
    if (watch_add(admin->watch, &connection->watched, EPOLLIN) != 0) {
        close(fd);
        free(connection);
        return;
    }
    connection_link(connection);
    admin->connections_count++;
    if (admin->connections_count > ADMIN_CONNECTIONS_MAX)
        connection_free(admin->longest_idle);
}

/* Without a descriptor for it, the connection stays in the queue and the socket ready: asked again
 * at once, it would only fail again. */
static void accept_ready(struct watched *watched, uint32_t events)
{
    struct admin *admin = (struct admin *)(void *)watched;
    int fd = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd >= 0) {
        take_connection(admin, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        admin->accept_paused = true;
        (void)watch_change(admin->watch, watched, 0);
    }
    set_clock(admin);
}

/* --- the clock --- */

static bool anybody_waits_for_room(const struct admin *admin)
{
    for (const struct connection *one = admin->connections; one != NULL; one = one->next) {
        if (one->waits_for_room)
            return true;
    }
    return false;
}

static void set_clock(struct admin *admin)
{
    struct itimerspec next = {0};

    if (admin->accept_paused)
        next.it_value.tv_nsec = ADMIN_ACCEPT_AGAIN_MS * 1000000;
    else if (anybody_waits_for_room(admin))
        next.it_value.tv_sec = 1;
    (void)timerfd_settime(admin->clock.fd, 0, &next, NULL);
}

static void drop_unread(struct admin *admin)
{
    const uint64_t limit_ns = ADMIN_UNREAD_SECONDS * 1000000000ull;
    struct connection *next;

    for (struct connection *one = admin->connections; one != NULL; one = next) {
        next = one->next;
        if (one->waits_for_room && watch_now_ns() - one->unread_since_ns > limit_ns)
            connection_free(one);
    }
}

static void clock_ticked(struct watched *watched, uint32_t events)
{
    struct admin *admin = (struct admin *)(void *)((char *)watched - offsetof(struct admin, clock));
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    if (admin->accept_paused) {
        admin->accept_paused = false;
        (void)watch_change(admin->watch, &admin->watched, EPOLLIN);
    }
    drop_unread(admin);
    set_clock(admin);
}

int admin_new(struct admin **ret_admin, struct watch *watch, int listen_fd,
              const struct admin_service *service)
{
    struct admin *admin = calloc(1, sizeof *admin);

    if (admin == NULL)
        return -ENOMEM;
    admin->watched = (struct watched){.ready = accept_ready, .fd = listen_fd};
    admin->watch = watch;
    admin->service = *service;
    admin->clock = (struct watched){
        .ready = clock_ticked, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    int error = admin->clock.fd < 0 ? -errno : watch_add(watch, &admin->clock, EPOLLIN);
    if (error == 0)
        error = watch_add(watch, &admin->watched, EPOLLIN);
    if (error != 0) {
        if (admin->clock.fd >= 0)
            close(admin->clock.fd); /* and epoll has forgotten it */
        free(admin);
        return error;
    }
    *ret_admin = admin;
    return 0;
}

void admin_free(struct admin *admin)
{
    if (admin == NULL)
        return;
    while (admin->connections != NULL)
        connection_free(admin->connections);
    watch_remove(admin->watch, &admin->watched);
    watch_remove(admin->watch, &admin->clock);
    close(admin->clock.fd);
    free(admin);
}
