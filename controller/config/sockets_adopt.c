/*
 * The run-dir of an array whose configuration controller has died.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "controller/config/sockets_parts.h"

static int find_run_dir(const struct config *config, struct array_sockets *sockets,
                        struct config_error *ret_error)
{
    sockets->run_dir = realpath(config->run_dir, NULL);
    sockets->run_dir_fd = open(config->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sockets->run_dir == NULL || sockets->run_dir_fd < 0)
        return sockets_refuse(config, ret_error, "run-dir", -errno,
                              "no array runs in %s: %s; allowed: anyport run without --adopt",
                              config->run_dir, strerror(errno));
    int error = sockets_take_lock(sockets, 0);
    if (error == -EBUSY)
        return sockets_refuse(config, ret_error, "run-dir", error,
                              "the configuration controller of the array in %s is alive",
                              sockets->run_dir);
    if (error != 0)
        return sockets_refuse(config, ret_error, "run-dir", error,
                              "no array runs in %s; allowed: anyport run without --adopt",
                              sockets->run_dir);
    return 0;
}

static int name_all(const struct config *config, struct array_sockets *sockets)
{
    char name[24];
    int error = sockets_name_unix(sockets, "front", &sockets->front);

    for (uint32_t i = 0; i < config->controllers && error == 0; i++) {
        snprintf(name, sizeof name, "c%u", i);
        error = sockets_name_unix(sockets, name, &sockets->own[i]);
        snprintf(name, sizeof name, HANDOVER_NAME, i);
        if (error == 0)
            error = sockets_name_unix(sockets, name, &sockets->handover[i]);
    }
    return error;
}

void sockets_leave(struct array_sockets *sockets)
{
    sockets->made_run_dir = false;
    sockets_close_one(&sockets->front, false);
    sockets_close_one(&sockets->front_tcp, false);
    sockets_close_one(&sockets->admin, false);
    for (uint32_t i = 0; i < sockets->controllers; i++) {
        sockets_close_one(&sockets->own[i], false);
        sockets_close_one(&sockets->handover[i], false);
    }
    if (sockets->lock_fd >= 0)
        close(sockets->lock_fd);
    sockets->lock_fd = -1;
}

int sockets_adopt(const struct config *config, struct array_sockets *ret_sockets,
                  struct config_error *ret_error)
{
    struct array_sockets sockets = sockets_none(config);
    int error = find_run_dir(config, &sockets, ret_error);

    if (error == 0 && name_all(config, &sockets) != 0)
        error = sockets_refuse(config, ret_error, "run-dir", -ENOMEM, "not enough memory");
    if (error == 0)
        error = sockets_listen_unix(config, &sockets, "admin", 0600, &sockets.admin, ret_error);
    if (error != 0) {
        sockets_leave(&sockets);
        sockets_close(&sockets);
        return error;
    }
    sockets.made_run_dir = true; /* by the first one; it is taken away where it is empty */
    *ret_sockets = sockets;
    return 0;
}

int sockets_connect_handover(const struct array_sockets *sockets, uint32_t controller)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = sockets->handover[controller].path;

    if (path == NULL || strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}
