/*
 * The run-dir and every listening socket of the array, made before any controller starts.
 */
#ifndef CONTROLLER_CONFIG_SOCKETS_H
#define CONTROLLER_CONFIG_SOCKETS_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/config/config.h"
#include "shm/limits.h"

struct array_socket {
    int fd;        /* -1: none */
    char *path;    /* Unix; NULL for TCP */
    uint16_t port; /* TCP */
};

struct array_sockets {
    char *run_dir;  /* absolute */
    int run_dir_fd; /* holds the flock that says an array runs here */
    bool made_run_dir;
    uint32_t controllers;
    struct array_socket front, front_tcp, admin;
    struct array_socket own[CONTROLLERS_MAX], own_tcp[CONTROLLERS_MAX];
};

/* 0 or -errno with a message; on failure everything it made is gone again. */
int sockets_open(const struct config *config, struct array_sockets *ret_sockets,
                 struct config_error *ret_error);

/* Listens on the first of these addresses that this machine has. 0 with the descriptor, which is
 * the caller's, or -errno. */
int sockets_listen_tcp(const struct addrinfo *addresses, int *ret_fd);

/* Makes the sockets of one controller again, at the same places, after they were closed. 0 or
 * -errno with a message: there are none then. */
int sockets_open_controller(const struct config *config, struct array_sockets *sockets,
                            uint32_t controller, struct config_error *ret_error);

/* The sockets of one controller: nobody can connect to them any more. */
void sockets_close_controller(struct array_sockets *sockets, uint32_t controller);

/* Closes all and removes what was made in the file system. */
void sockets_close(struct array_sockets *sockets);

/* In a controller: closes the descriptors that are not its own, and leaves the files alone. */
void sockets_keep_only(struct array_sockets *sockets, uint32_t controller);

#endif
