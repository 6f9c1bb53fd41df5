/*
 * The host ports of one controller: its listeners and its sessions.
 */
#ifndef HOSTIF_PORTS_H
#define HOSTIF_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/controller.h"
#include "hostif/negotiate.h"

struct session;

enum { PORTS_LISTENERS_MAX = 4 }; /* front and own, Unix and TCP */

struct port_limits {
    uint32_t connections;
    uint32_t handshake_seconds;
};

struct listener {
    struct completion accept;
    struct timer again; /* after an error that more descriptors would cure */
    struct host_ports *ports;
    int fd;
    bool tcp;
    bool active;
};

struct host_ports {
    struct controller *controller;
    struct export_catalog catalog;
    struct port_limits limits;
    uint64_t held_bytes_max; /* of the buffer pool, by one session */
    struct listener listeners[PORTS_LISTENERS_MAX];
    uint32_t listeners_count;
    struct session *sessions; /* all of them */
    uint32_t sessions_count;
    struct session *dirty; /* to be looked at this turn */
    struct timer pressure; /* runs while anybody waits for a buffer */
    struct timer ask;      /* runs for a moment after seats, or what they own, have changed */
    uint32_t membership_seen;
    bool quiescing;
};

struct port_listening {
    int fd;
    bool tcp;
};

/* Makes the ports of a controller and hooks them into its turns. `listening` are sockets that
 * listen already; they stay the caller's and outlive the ports. */
int ports_new(struct host_ports **ret_ports, struct controller *controller,
              const struct port_limits *limits, const struct port_listening *listening,
              uint32_t listening_count);

/* After the controller has ended. NULL is allowed. */
void ports_free(struct host_ports *ports);

/* For sessions. */
void ports_add(struct host_ports *ports, struct session *session);
void ports_remove(struct host_ports *ports, struct session *session);
void ports_mark_dirty(struct host_ports *ports, struct session *session);

#endif
