#include "controller/config/sockets_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

#define LOCK_NAME "configuration.lock"

int sockets_refuse(const struct config *config, struct config_error *ret_error, const char *field,
                   int error, const char *format, ...)
{
    va_list arguments;
    int length = snprintf(ret_error->text, sizeof ret_error->text, "%s: %s: ", config->path, field);

    va_start(arguments, format);
    vsnprintf(ret_error->text + length, sizeof ret_error->text - (size_t)length, format, arguments);
    va_end(arguments);
    return error;
}

/* --- the run-dir --- */

/* -EBUSY: somebody has it. The file of one that ended meanwhile is not the one that others find. */
int sockets_take_lock(struct array_sockets *sockets, int flags)
{
    struct stat status;

    sockets->lock_fd =
        openat(sockets->run_dir_fd, LOCK_NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (sockets->lock_fd < 0)
        return -errno;
    if (flock(sockets->lock_fd, LOCK_EX | LOCK_NB) == 0 && fstat(sockets->lock_fd, &status) == 0 &&
        status.st_nlink > 0)
        return 0;
    close(sockets->lock_fd);
    sockets->lock_fd = -1;
    return -EBUSY;
}

static int open_run_dir(const struct config *config, struct array_sockets *sockets,
                        struct config_error *ret_error)
{
    sockets->made_run_dir = mkdir(config->run_dir, 0777) == 0;
    if (!sockets->made_run_dir && errno != EEXIST)
        return sockets_refuse(config, ret_error, "run-dir", -errno, "cannot create %s: %s",
                              config->run_dir, strerror(errno));
    sockets->run_dir = realpath(config->run_dir, NULL);
    sockets->run_dir_fd = open(config->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sockets->run_dir == NULL || sockets->run_dir_fd < 0)
        return sockets_refuse(config, ret_error, "run-dir", -errno, "cannot open %s: %s",
                              config->run_dir, strerror(errno));
    int error = sockets_take_lock(sockets, O_CREAT);
    if (error != 0)
        return sockets_refuse(config, ret_error, "run-dir", error,
                              error == -EBUSY
                                  ? "an array is running in %s; allowed: another run-dir"
                                  : "cannot make the lock in %s",
                              sockets->run_dir);
    if (flock(sockets->run_dir_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    close(sockets->lock_fd); /* the file is that of the array which runs there */
    sockets->lock_fd = -1;
    return sockets_refuse(
        config, ret_error, "run-dir", -EBUSY,
        "controllers of an array are running in %s, and their configuration controller "
        "has died; allowed: anyport run --adopt, SIGTERM to each of them, or another "
        "run-dir",
        sockets->run_dir);
}

/* --- Unix --- */

int sockets_name_unix(const struct array_sockets *sockets, const char *name,
                      struct array_socket *ret_socket)
{
    if (asprintf(&ret_socket->path, "%s/%s.sock", sockets->run_dir, name) >= 0)
        return 0;
    ret_socket->path = NULL;
    return -ENOMEM;
}

static int listen_unix_as(const struct config *config, const struct array_sockets *sockets,
                          const char *name, int type, mode_t mode, struct array_socket *ret_socket,
                          struct config_error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (sockets_name_unix(sockets, name, ret_socket) != 0)
        return sockets_refuse(config, ret_error, "run-dir", -ENOMEM, "not enough memory");
    if (strlen(ret_socket->path) >= sizeof address.sun_path)
        return sockets_refuse(config, ret_error, "run-dir", -ENAMETOOLONG,
                              "%s is too long for a socket's path; allowed: %zu bytes",
                              ret_socket->path, sizeof address.sun_path - 1);
    strcpy(address.sun_path, ret_socket->path);
    /* The flock says that no array runs here, so a socket that is still here is a dead one's. */
    (void)unlink(ret_socket->path);
    ret_socket->fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    mode_t umask_before = umask(0777 & ~mode);
    int bound = bind(ret_socket->fd, (struct sockaddr *)&address, sizeof address);
    umask(umask_before);
    if (bound < 0 || listen(ret_socket->fd, BACKLOG) < 0)
        return sockets_refuse(config, ret_error, "run-dir", -errno, "cannot listen on %s: %s",
                              ret_socket->path, strerror(errno));
    return 0;
}

int sockets_listen_unix(const struct config *config, const struct array_sockets *sockets,
                        const char *name, mode_t mode, struct array_socket *ret_socket,
                        struct config_error *ret_error)
{
    return listen_unix_as(config, sockets, name, SOCK_STREAM, mode, ret_socket, ret_error);
}

/* --- TCP --- */

static int listen_at(const struct addrinfo *address, int *ret_fd)
{
    int one = 1, error;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    error = -errno;
    close(fd);
    return error;
}

/* This machine may have no such family, or not that address: a name often has one of each. */
static bool is_not_here(int error)
{
    return error == -EADDRNOTAVAIL || error == -EAFNOSUPPORT;
}

int sockets_listen_tcp(const struct addrinfo *addresses, int *ret_fd)
{
    int error = -EADDRNOTAVAIL;

    for (; addresses != NULL && is_not_here(error); addresses = addresses->ai_next)
        error = listen_at(addresses, ret_fd);
    return error;
}

uint16_t sockets_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
    socklen_t bytes = sizeof address;

    if (getsockname(fd, &address.any, &bytes) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static int listen_tcp(const struct config *config, uint16_t port, struct array_socket *ret_socket,
                      struct config_error *ret_error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    char service[8];

    snprintf(service, sizeof service, "%u", port);
    int problem = getaddrinfo(config->tcp_host, service, &hints, &addresses);
    if (problem != 0)
        return sockets_refuse(config, ret_error, "ports.tcp", -EINVAL, "cannot resolve %s: %s",
                              config->tcp_host, gai_strerror(problem));
    int error = sockets_listen_tcp(addresses, &ret_socket->fd);
    freeaddrinfo(addresses);
    if (error != 0)
        return sockets_refuse(config, ret_error, "ports.tcp", error,
                              "cannot listen on %s port %u: %s", config->tcp_host, port,
                              strerror(-error));
    ret_socket->port = sockets_port(ret_socket->fd);
    return 0;
}

/* --- all --- */

/* Those of a larger array that ran here and died: no controller of ours answers there. */
static void remove_stale(const struct array_sockets *sockets)
{
    struct stat status;
    char name[24];

    for (uint32_t i = 2 * sockets->controllers; i < 2 * CONTROLLERS_MAX; i++) {
        snprintf(name, sizeof name, i % 2 == 0 ? "c%u.sock" : HANDOVER_NAME ".sock", i / 2);
        if (fstatat(sockets->run_dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISSOCK(status.st_mode))
            (void)unlinkat(sockets->run_dir_fd, name, 0);
    }
}

static int open_own_unix(const struct config *config, struct array_sockets *sockets, uint32_t id,
                         struct config_error *ret_error)
{
    char name[24];

    snprintf(name, sizeof name, "c%u", id);
    int error = sockets_listen_unix(config, sockets, name, 0777, &sockets->own[id], ret_error);
    snprintf(name, sizeof name, HANDOVER_NAME, id);
    return error != 0 ? error
                      : listen_unix_as(config, sockets, name, SOCK_SEQPACKET, 0600,
                                       &sockets->handover[id], ret_error);
}

static int open_own_tcp(const struct config *config, struct array_sockets *sockets, uint32_t id,
                        struct config_error *ret_error)
{
    uint16_t front = config->tcp_port;

    return listen_tcp(config, front == 0 ? 0 : (uint16_t)(front + 1 + id), &sockets->own_tcp[id],
                      ret_error);
}

static int open_unix(const struct config *config, struct array_sockets *sockets,
                     struct config_error *ret_error)
{
    int error = sockets_listen_unix(config, sockets, "front", 0777, &sockets->front, ret_error);

    remove_stale(sockets);
    if (error == 0)
        error = sockets_listen_unix(config, sockets, "admin", 0600, &sockets->admin, ret_error);
    for (uint32_t i = 0; i < config->controllers && error == 0; i++)
        error = open_own_unix(config, sockets, i, ret_error);
    return error;
}

static int open_tcp(const struct config *config, struct array_sockets *sockets,
                    struct config_error *ret_error)
{
    if (config->tcp_host == NULL)
        return 0;
    int error = listen_tcp(config, config->tcp_port, &sockets->front_tcp, ret_error);
    for (uint32_t i = 0; i < config->controllers && error == 0; i++)
        error = open_own_tcp(config, sockets, i, ret_error);
    return error;
}

struct array_sockets sockets_none(const struct config *config)
{
    struct array_sockets sockets = {.run_dir_fd = -1,
                                    .lock_fd = -1,
                                    .controllers = config->controllers,
                                    .front.fd = -1,
                                    .front_tcp.fd = -1,
                                    .admin.fd = -1};

    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        sockets.own[i].fd = sockets.own_tcp[i].fd = sockets.handover[i].fd = -1;
    return sockets;
}

int sockets_open(const struct config *config, struct array_sockets *ret_sockets,
                 struct config_error *ret_error)
{
    struct array_sockets sockets = sockets_none(config);

    int error = open_run_dir(config, &sockets, ret_error);
    if (error == 0)
        error = open_tcp(config, &sockets, ret_error);
    if (error == 0)
        error = open_unix(config, &sockets, ret_error);
    if (error != 0) {
        sockets_close(&sockets);
        return error;
    }
    *ret_sockets = sockets;
    return 0;
}

void sockets_close_one(struct array_socket *socket, bool remove)
{
    if (socket->fd >= 0)
        close(socket->fd);
    if (remove && socket->path != NULL)
        (void)unlink(socket->path);
    free(socket->path);
    *socket = (struct array_socket){.fd = -1};
}

void sockets_close_controller(struct array_sockets *sockets, uint32_t controller)
{
    sockets_close_one(&sockets->own[controller], true);
    sockets_close_one(&sockets->own_tcp[controller], true);
    sockets_close_one(&sockets->handover[controller], true);
}

int sockets_open_controller(const struct config *config, struct array_sockets *sockets,
                            uint32_t controller, struct config_error *ret_error)
{
    sockets_close_controller(sockets, controller);
    int error = config->tcp_host == NULL ? 0 : open_own_tcp(config, sockets, controller, ret_error);
    if (error == 0)
        error = open_own_unix(config, sockets, controller, ret_error);
    if (error != 0)
        sockets_close_controller(sockets, controller);
    return error;
}

void sockets_close(struct array_sockets *sockets)
{
    sockets_close_one(&sockets->front, true);
    sockets_close_one(&sockets->front_tcp, true);
    sockets_close_one(&sockets->admin, true);
    for (uint32_t i = 0; i < sockets->controllers; i++)
        sockets_close_controller(sockets, i);
    if (sockets->lock_fd >= 0) { /* first the name: who finds it gone makes another one */
        (void)unlinkat(sockets->run_dir_fd, LOCK_NAME, 0);
        close(sockets->lock_fd);
    }
    if (sockets->made_run_dir && sockets->run_dir != NULL)
        (void)rmdir(sockets->run_dir);
    if (sockets->run_dir_fd >= 0)
        close(sockets->run_dir_fd);
    free(sockets->run_dir);
    sockets->run_dir = NULL;
    sockets->run_dir_fd = sockets->lock_fd = -1;
}

void sockets_keep_only(struct array_sockets *sockets, uint32_t controller)
{
    sockets_close_one(&sockets->admin, false);
    for (uint32_t i = 0; i < sockets->controllers; i++) {
        if (i == controller)
            continue;
        sockets_close_one(&sockets->own[i], false);
        sockets_close_one(&sockets->own_tcp[i], false);
        sockets_close_one(&sockets->handover[i], false);
    }
}
