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
    int run_dir_fd; /* holds the flock that says an array runs here; controllers share it */
    int lock_fd;    /* holds the flock that says a configuration controller runs here; ours alone */
    bool made_run_dir;
    uint32_t controllers;
    struct array_socket front, front_tcp, admin;
    struct array_socket own[CONTROLLERS_MAX], own_tcp[CONTROLLERS_MAX];
    struct array_socket handover[CONTROLLERS_MAX]; /* controller/handover.h */
};

/* 0 or -errno with a message; on failure everything it made is gone again. */
int sockets_open(const struct config *config, struct array_sockets *ret_sockets,
                 struct config_error *ret_error);

/* Takes the place of a configuration controller that has died: its run-dir, and a new admin socket.
 * The others have paths and no descriptors: those are with the controllers. 0 or -errno with a
 * message: nothing has changed. */
int sockets_adopt(const struct config *config, struct array_sockets *ret_sockets,
                  struct config_error *ret_error);

/* It did not come to that: the files are left alone when all is closed. */
void sockets_leave(struct array_sockets *sockets);

/* A connection to the handover socket of a controller; the caller's. Or -errno. */
int sockets_connect_handover(const struct array_sockets *sockets, uint32_t controller);

/* Listens on the first of these addresses that this machine has. 0 with the descriptor, which is
 * the caller's, or -errno. */
int sockets_listen_tcp(const struct addrinfo *addresses, int *ret_fd);

/* Makes the sockets of one controller again, at the same places, after they were closed. 0 or
 * -errno with a message: there are none then. */
int sockets_open_controller(const struct config *config, struct array_sockets *sockets,
                            uint32_t controller, struct config_error *ret_error);

/* The TCP port that a socket is bound to, or 0. */
uint16_t sockets_port(int fd);

/* The sockets of one controller: nobody can connect to them any more. */
void sockets_close_controller(struct array_sockets *sockets, uint32_t controller);

/* Closes all and removes what was made in the file system. */
void sockets_close(struct array_sockets *sockets);

/* In a controller: closes the descriptors that are not its own, and leaves the files alone. */
void sockets_keep_only(struct array_sockets *sockets, uint32_t controller);

#endif
