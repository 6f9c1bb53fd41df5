#include "tools/admin_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 30, CHUNK_BYTES = 64 << 10 };

const char *admin_path(const char *argument, char *buffer, size_t buffer_bytes)
{
    struct stat status;

    if (argument == NULL)
        return getenv("ANYPORT_ADMIN");
    if (stat(argument, &status) == 0 && S_ISDIR(status.st_mode)) {
        if ((size_t)snprintf(buffer, buffer_bytes, "%s/admin.sock", argument) < buffer_bytes)
            return buffer;
    }
    return argument;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};

    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "anyport: %s: too long for a socket's path; allowed: %zu bytes\n", path,
                sizeof address.sun_path - 1);
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        return fd;
    }
    fprintf(stderr, "anyport: %s: cannot reach an array there: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static ssize_t receive_some(int fd, char *into, size_t bytes, int *ret_fd)
{
    struct iovec range = {.iov_base = into, .iov_len = bytes};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &range,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

    if (got < 0)
        return got;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
    return got;
}

/* One line, allocated; NULL when the array went away or took too long. */
static char *receive_line(int fd, int *ret_fd)
{
    char *line = NULL;
    size_t bytes = 0;

    for (;;) {
        char *more = realloc(line, bytes + CHUNK_BYTES + 1);
        if (more == NULL)
            break;
        line = more;
        ssize_t got = receive_some(fd, line + bytes, CHUNK_BYTES, ret_fd);
        if (got <= 0)
            break;
        bytes += (size_t)got;
        line[bytes] = '\0';
        if (line[bytes - 1] == '\n')
            return line;
    }
    free(line);
    return NULL;
}

static json_t *result_of(const char *path, const char *line)
{
    json_t *reply = line != NULL ? json_loads(line, 0, NULL) : NULL;
    json_t *result = json_incref(json_object_get(reply, "result"));

    if (result == NULL) {
        const char *message =
            json_string_value(json_object_get(json_object_get(reply, "error"), "message"));
        fprintf(stderr, "anyport: %s: %s\n", path, message != NULL ? message : "no answer");
    }
    json_decref(reply);
    return result;
}

static char *request_text(const char *method, const json_t *params)
{
    json_t *request = json_pack("{s:s, s:s, s:i, s:O*}", "jsonrpc", "2.0", "method", method, "id",
                                1, "params", params);
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;

    json_decref(request);
    return text;
}

static bool send_line(int fd, const char *text)
{
    size_t bytes = strlen(text);

    return send(fd, text, bytes, MSG_NOSIGNAL) == (ssize_t)bytes &&
           send(fd, "\n", 1, MSG_NOSIGNAL) == 1;
}

static json_t *call(const char *socket_path, const char *method, const json_t *params, int *ret_fd)
{
    int passed = -1;

    if (socket_path == NULL) {
        fputs("anyport: which array? Name its run-dir or admin socket, or set ANYPORT_ADMIN\n",
              stderr);
        return NULL;
    }
    int fd = connect_to(socket_path);
    if (fd < 0)
        return NULL;
    char *request = request_text(method, params), *line = NULL;
    if (request != NULL && send_line(fd, request))
        line = receive_line(fd, &passed);
    json_t *result = result_of(socket_path, line);
    free(request);
    free(line);
    close(fd);
    if (result != NULL && ret_fd != NULL)
        *ret_fd = passed;
    else if (passed >= 0)
        close(passed);
    return result;
}

json_t *admin_call(const char *socket_path, const char *method, int *ret_fd)
{
    return call(socket_path, method, NULL, ret_fd);
}

json_t *admin_call_with(const char *socket_path, const char *method, json_t *params)
{
    json_t *result = call(socket_path, method, params, NULL);

    json_decref(params);
    return result;
}

int admin_attach(const char *argument, struct segment *ret_segment)
{
    char path[PATH_BYTES_MAX + 1];
    int fd = -1;
    json_t *result = admin_call(admin_path(argument, path, sizeof path), "segment", &fd);

    if (result == NULL)
        return -EIO; /* it has been said why */
    json_decref(result);
    int error = fd >= 0 ? segment_attach_read_only(ret_segment, fd) : -EPROTO;
    if (error != 0)
        fprintf(stderr, "anyport: cannot read the array's shared memory: %s\n", strerror(-error));
    return error;
}
