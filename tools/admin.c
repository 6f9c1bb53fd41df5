#include "tools/admin.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/status_json.h"

/* JSON-RPC 2.0, section 5.1. */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INTERNAL_ERROR = -32603,
};

struct connection {
    struct watched watched;
    struct admin *admin;
    struct connection *next, *previous;
    char in[ADMIN_LINE_BYTES_MAX];
    size_t in_bytes;
    char *out; /* not yet sent */
    size_t out_bytes, out_first;
    int pass_fd; /* goes with the next bytes that are sent; -1: none */
    bool closing;
};

struct admin {
    struct watched watched;
    struct watch *watch;
    const struct segment *segment;
    struct connection *connections;
    uint32_t connections_count;
};

/* --- methods --- */

static json_t *method_segment(struct connection *connection)
{
    const struct segment *segment = connection->admin->segment;
    int fd = segment_open_read_only(segment);

    if (fd < 0)
        return NULL;
    if (connection->pass_fd >= 0)
        close(connection->pass_fd);
    connection->pass_fd = fd;
    return json_pack("{s:I}", "bytes", (json_int_t)segment->geometry.bytes);
}

static json_t *method_status(struct connection *connection)
{
    return status_json(connection->admin->segment);
}

static json_t *method_controllers(struct connection *connection)
{
    return status_json_controllers(connection->admin->segment);
}

static json_t *method_volumes(struct connection *connection)
{
    return status_json_volumes(connection->admin->segment);
}

static const struct {
    const char *name;
    json_t *(*call)(struct connection *connection);
} methods[] = {
    {"status", method_status},
    {"controller.list", method_controllers},
    {"volume.list", method_volumes},
    {"segment", method_segment},
};

/* --- connections --- */

static void connection_free(struct connection *connection)
{
    struct admin *admin = connection->admin;

    watch_remove(admin->watch, &connection->watched);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        admin->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    admin->connections_count--;
    close(connection->watched.fd);
    if (connection->pass_fd >= 0)
        close(connection->pass_fd);
    free(connection->out);
    free(connection);
}

/* Appends an answer; false when the client has left too much unread or there is no memory. */
static bool append(struct connection *connection, const char *text, size_t bytes)
{
    size_t kept = connection->out_bytes - connection->out_first;

    if (kept + bytes + 1 > ADMIN_OUTPUT_BYTES_MAX)
        return false;
    char *out = malloc(kept + bytes + 1);
    if (out == NULL)
        return false;
    if (kept > 0)
        memcpy(out, connection->out + connection->out_first, kept);
    memcpy(out + kept, text, bytes);
    out[kept + bytes] = '\n';
    free(connection->out);
    connection->out = out;
    connection->out_first = 0;
    connection->out_bytes = kept + bytes + 1;
    return true;
}

static bool answer(struct connection *connection, json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
    bool appended = text != NULL && append(connection, text, strlen(text));

    free(text);
    json_decref(object);
    return appended;
}

static bool answer_error(struct connection *connection, json_t *id, int code, const char *message)
{
    json_t *shown = id != NULL ? json_incref(id) : json_null();

    return answer(connection, json_pack("{s:s, s:{s:i, s:s}, s:o}", "jsonrpc", "2.0", "error",
                                        "code", code, "message", message, "id", shown));
}

static bool call(struct connection *connection, const char *name, json_t *id)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, name) != 0)
            continue;
        json_t *result = methods[i].call(connection);
        if (result == NULL)
            return answer_error(connection, id, RPC_INTERNAL_ERROR, "out of memory or descriptors");
        if (id == NULL) { /* a notification is not answered */
            json_decref(result);
            return true;
        }
        return answer(connection,
                      json_pack("{s:s, s:o, s:O}", "jsonrpc", "2.0", "result", result, "id", id));
    }
    if (id == NULL)
        return true;
    return answer_error(connection, id, RPC_METHOD_NOT_FOUND,
                        "unknown method; allowed: status, controller.list, volume.list, segment");
}

static bool handle_line(struct connection *connection, const char *line, size_t bytes)
{
    json_t *request = json_loadb(line, bytes, 0, NULL);
    const char *version = json_string_value(json_object_get(request, "jsonrpc"));
    const char *name = json_string_value(json_object_get(request, "method"));
    json_t *id = json_object_get(request, "id");
    bool goes_on;

    if (request == NULL)
        goes_on = answer_error(connection, NULL, RPC_PARSE_ERROR, "not JSON");
    else if (version == NULL || strcmp(version, "2.0") != 0 || name == NULL ||
             (id != NULL && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)))
        goes_on = answer_error(connection, NULL, RPC_INVALID_REQUEST,
                               "not a JSON-RPC 2.0 request; allowed: an object with jsonrpc "
                               "\"2.0\", method and id");
    else
        goes_on = call(connection, name, id);
    json_decref(request);
    return goes_on;
}

static bool handle_lines(struct connection *connection)
{
    char *end;

    while ((end = memchr(connection->in, '\n', connection->in_bytes)) != NULL) {
        size_t bytes = (size_t)(end - connection->in);
        if (!handle_line(connection, connection->in, bytes))
            return false;
        connection->in_bytes -= bytes + 1;
        memmove(connection->in, end + 1, connection->in_bytes);
    }
    if (connection->in_bytes == sizeof connection->in) {
        (void)answer_error(connection, NULL, RPC_INVALID_REQUEST, "a line is too long");
        connection->closing = true;
    }
    return true;
}

static ssize_t send_some(struct connection *connection)
{
    struct iovec range = {.iov_base = connection->out + connection->out_first,
                          .iov_len = connection->out_bytes - connection->out_first};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &range, .msg_iovlen = 1};

    if (connection->pass_fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &connection->pass_fd, sizeof(int));
    }
    ssize_t sent = sendmsg(connection->watched.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0 && connection->pass_fd >= 0) {
        close(connection->pass_fd);
        connection->pass_fd = -1;
    }
    return sent;
}

/* Sends what the socket takes. False: the client is gone. */
static bool send_output(struct connection *connection)
{
    while (connection->out_first < connection->out_bytes) {
        ssize_t sent = send_some(connection);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        connection->out_first += (size_t)sent;
    }
    return !connection->closing;
}

static bool receive_input(struct connection *connection)
{
    ssize_t got = recv(connection->watched.fd, connection->in + connection->in_bytes,
                       sizeof connection->in - connection->in_bytes, MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    connection->in_bytes += (size_t)got;
    return handle_lines(connection);
}

static void connection_ready(struct watched *watched, uint32_t events)
{
    struct connection *connection = (struct connection *)(void *)watched;
    bool goes_on = true;

    /* What it does not read holds up its own further requests, not us. */
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 &&
        connection->out_first == connection->out_bytes && !connection->closing)
        goes_on = receive_input(connection);
    if (goes_on)
        goes_on = send_output(connection);
    if (!goes_on || (events & EPOLLERR) != 0) {
        connection_free(connection);
        return;
    }
    bool pending = connection->out_first < connection->out_bytes;
    (void)watch_change(connection->admin->watch, watched, pending ? EPOLLOUT : EPOLLIN);
}

static void accept_ready(struct watched *watched, uint32_t events)
{
    struct admin *admin = (struct admin *)(void *)watched;
    int fd = accept4(watched->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    struct connection *connection =
        admin->connections_count < ADMIN_CONNECTIONS_MAX ? calloc(1, sizeof *connection) : NULL;
    if (connection == NULL) {
        close(fd);
        return;
    }
    connection->watched = (struct watched){.ready = connection_ready, .fd = fd};
    connection->admin = admin;
    connection->pass_fd = -1;
    if (watch_add(admin->watch, &connection->watched, EPOLLIN) != 0) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = admin->connections;
    if (admin->connections != NULL)
        admin->connections->previous = connection;
    admin->connections = connection;
    admin->connections_count++;
}

int admin_new(struct admin **ret_admin, struct watch *watch, int listen_fd,
              const struct segment *segment)
{
    struct admin *admin = calloc(1, sizeof *admin);

    if (admin == NULL)
        return -ENOMEM;
    admin->watched = (struct watched){.ready = accept_ready, .fd = listen_fd};
    admin->watch = watch;
    admin->segment = segment;
    int error = watch_add(watch, &admin->watched, EPOLLIN);
    if (error != 0) {
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
    free(admin);
}
