/*
 * The bare server: what NBD over a Unix socket costs when a server does nothing else. It maps one
 * image, takes all requests that one receive brought, and answers them with one message straight
 * from the mapping. It checks ranges and nothing more, knows no error but EINVAL, and never looks
 * at what a host may not do: it stands beside servers in bench/peers to tell how much of a figure
 * is the client's and the kernel's.
 *
 *     bare_server IMAGE SOCKET
 *
 * It serves the one image under any name until it is ended by a signal; a thread a connection.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hostif/nbd_wire.h"

enum {
    BATCH_MAX = 256,          /* requests that are answered together */
    RECEIVE_BYTES = 33 << 20, /* a request of the greatest length, and more */
    OPTION_BYTES_MAX = 8192,
    SIMPLE_REPLY_BYTES = 16,
    NAP_NS = 10000,          /* after a batch of short reads: the next one will be a batch too */
    NAP_BYTES_MAX = 8 << 10, /* of a read */
};

struct image {
    uint8_t *bytes;
    uint64_t size_bytes;
};

struct connection {
    const struct image *image;
    int fd;
    uint8_t *in;
    size_t in_bytes;
    struct iovec pieces[2 * BATCH_MAX];
    uint8_t replies[BATCH_MAX][SIMPLE_REPLY_BYTES];
    int pieces_count, replies_count;
    bool naps; /* of the batch: short reads only */
};

/* --- whole messages --- */

static bool receive_all(int fd, uint8_t *to, size_t bytes)
{
    return bytes == 0 || recv(fd, to, bytes, MSG_WAITALL) == (ssize_t)bytes;
}

static bool send_all(int fd, const uint8_t *from, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(fd, from, bytes, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        from += sent;
        bytes -= (size_t)sent;
    }
    return true;
}

/* --- handshake: NBD protocol, "Fixed newstyle negotiation" --- */

static void put_export(const struct image *image, uint8_t *to)
{
    put_be64(to, image->size_bytes);
    put_be16(to + 8, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_CAN_MULTI_CONN);
}

static bool greet(int fd, bool *ret_no_zeroes)
{
    uint8_t greeting[NBD_GREETING_BYTES], flags[NBD_CLIENT_FLAGS_BYTES];

    put_be64(greeting, NBD_GREETING_MAGIC);
    put_be64(greeting + 8, NBD_OPTION_MAGIC);
    put_be16(greeting + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
    if (!send_all(fd, greeting, sizeof greeting) || !receive_all(fd, flags, sizeof flags))
        return false;
    *ret_no_zeroes = (get_be32(flags) & NBD_FLAG_C_NO_ZEROES) != 0;
    return true;
}

static bool reply_to_option(int fd, uint32_t option, uint32_t type, const uint8_t *data,
                            uint32_t bytes)
{
    uint8_t reply[NBD_OPTION_REPLY_BYTES];

    put_be64(reply, NBD_OPTION_REPLY_MAGIC);
    put_be32(reply + 8, option);
    put_be32(reply + 12, type);
    put_be32(reply + 16, bytes);
    return send_all(fd, reply, sizeof reply) && send_all(fd, data, bytes);
}

static bool tell_export(const struct connection *connection, uint32_t option)
{
    uint8_t info[2 + NBD_EXPORT_BYTES];

    put_be16(info, NBD_INFO_EXPORT);
    put_export(connection->image, info + 2);
    return reply_to_option(connection->fd, option, NBD_REP_INFO, info, sizeof info) &&
           reply_to_option(connection->fd, option, NBD_REP_ACK, NULL, 0);
}

static bool answer_export_name(const struct connection *connection, bool no_zeroes)
{
    uint8_t answer[NBD_EXPORT_BYTES + NBD_EXPORT_ZEROES_BYTES] = {0};

    put_export(connection->image, answer);
    return send_all(connection->fd, answer, no_zeroes ? NBD_EXPORT_BYTES : sizeof answer);
}

/* Until the host has an export. */
static bool negotiate(const struct connection *connection)
{
    uint8_t head[NBD_OPTION_BYTES], data[OPTION_BYTES_MAX];
    bool no_zeroes;

    if (!greet(connection->fd, &no_zeroes))
        return false;
    while (receive_all(connection->fd, head, sizeof head)) {
        uint32_t option = get_be32(head + 8), bytes = get_be32(head + 12);
        if (get_be64(head) != NBD_OPTION_MAGIC || bytes > sizeof data ||
            !receive_all(connection->fd, data, bytes))
            return false;
        if (option == NBD_OPT_EXPORT_NAME)
            return answer_export_name(connection, no_zeroes);
        bool known = option == NBD_OPT_GO || option == NBD_OPT_INFO;
        if (!(known ? tell_export(connection, option)
                    : reply_to_option(connection->fd, option, NBD_REP_ERR_UNSUP, NULL, 0)))
            return false;
        if (option == NBD_OPT_GO)
            return true;
    }
    return false;
}

/* --- commands --- */

static void add_piece(struct connection *connection, uint8_t *bytes, size_t length_bytes)
{
    connection->pieces[connection->pieces_count++] =
        (struct iovec){.iov_base = bytes, .iov_len = length_bytes};
}

static void answer(struct connection *connection, const uint8_t *request)
{
    const struct image *image = connection->image;
    uint16_t type = get_be16(request + 6);
    uint64_t offset_bytes = get_be64(request + 16);
    uint32_t length_bytes = get_be32(request + 24);
    bool moves = type == NBD_CMD_READ || type == NBD_CMD_WRITE;
    bool fits =
        offset_bytes <= image->size_bytes && length_bytes <= image->size_bytes - offset_bytes;
    bool good = type == NBD_CMD_FLUSH || (moves && fits);
    uint8_t *reply = connection->replies[connection->replies_count++];

    put_be32(reply, NBD_SIMPLE_REPLY_MAGIC);
    put_be32(reply + 4, good ? NBD_SUCCESS : NBD_EINVAL);
    memcpy(reply + 8, request + 8, 8);
    add_piece(connection, reply, SIMPLE_REPLY_BYTES);
    if (good && type == NBD_CMD_READ)
        add_piece(connection, image->bytes + offset_bytes, length_bytes);
    if (good && type == NBD_CMD_WRITE)
        memcpy(image->bytes + offset_bytes, request + NBD_REQUEST_BYTES, length_bytes);
    connection->naps &= type == NBD_CMD_READ && length_bytes <= NAP_BYTES_MAX;
}

/* Answers what has wholly come. False at the end of the connection. */
static bool answer_all(struct connection *connection)
{
    size_t at = 0;

    connection->pieces_count = connection->replies_count = 0;
    connection->naps = true;
    while (connection->in_bytes - at >= NBD_REQUEST_BYTES &&
           connection->replies_count < BATCH_MAX) {
        const uint8_t *request = connection->in + at;
        uint16_t type = get_be16(request + 6);
        size_t bytes = NBD_REQUEST_BYTES + (type == NBD_CMD_WRITE ? get_be32(request + 24) : 0);
        if (get_be32(request) != NBD_REQUEST_MAGIC || type == NBD_CMD_DISC || bytes > RECEIVE_BYTES)
            return false;
        if (connection->in_bytes - at < bytes)
            break;
        answer(connection, request);
        at += bytes;
    }
    connection->in_bytes -= at;
    memmove(connection->in, connection->in + at, connection->in_bytes);
    return true;
}

static bool send_pieces(struct connection *connection)
{
    struct iovec *piece = connection->pieces;
    struct iovec *end = piece + connection->pieces_count;

    while (piece < end) {
        struct msghdr message = {.msg_iov = piece, .msg_iovlen = (size_t)(end - piece)};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        while (piece < end && (size_t)sent >= piece->iov_len)
            sent -= (ssize_t)piece++->iov_len;
        if (piece < end) {
            piece->iov_base = (uint8_t *)piece->iov_base + sent;
            piece->iov_len -= (size_t)sent;
        }
    }
    return true;
}

static void serve(struct connection *connection)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};

    for (;;) {
        ssize_t bytes = recv(connection->fd, connection->in + connection->in_bytes,
                             RECEIVE_BYTES - connection->in_bytes, 0);
        if (bytes <= 0)
            return;
        connection->in_bytes += (size_t)bytes;
        if (!answer_all(connection) || !send_pieces(connection))
            return;
        if (connection->naps && connection->replies_count > 1)
            (void)nanosleep(&nap, NULL);
    }
}

static void *connection_run(void *argument)
{
    struct connection *connection = argument;

    (void)prctl(PR_SET_TIMERSLACK, 1);
    if (negotiate(connection))
        serve(connection);
    (void)close(connection->fd);
    free(connection->in);
    free(connection);
    return NULL;
}

/* --- the server --- */

static bool map_image(const char *path, struct image *ret_image)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        return false;
    ret_image->size_bytes = (uint64_t)status.st_size;
    ret_image->bytes = mmap(NULL, ret_image->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return ret_image->bytes != MAP_FAILED;
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        return -1;
    return fd;
}

static bool begin_connection(const struct image *image, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    pthread_t thread;

    if (connection == NULL)
        return false;
    *connection = (struct connection){.image = image, .fd = fd, .in = malloc(RECEIVE_BYTES)};
    if (connection->in == NULL || pthread_create(&thread, NULL, connection_run, connection) != 0) {
        free(connection->in);
        free(connection);
        return false;
    }
    (void)pthread_detach(thread);
    return true;
}

int main(int count, char **arguments)
{
    struct image image;

    if (count != 3) {
        (void)fprintf(stderr, "usage: bare_server IMAGE SOCKET\n");
        return 2;
    }
    if (!map_image(arguments[1], &image)) {
        (void)fprintf(stderr, "bare_server: %s: %s\n", arguments[1], strerror(errno));
        return 1;
    }
    int listener = listen_at(arguments[2]);
    if (listener < 0) {
        (void)fprintf(stderr, "bare_server: %s: %s\n", arguments[2], strerror(errno));
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && !begin_connection(&image, fd))
            (void)close(fd);
    }
}
