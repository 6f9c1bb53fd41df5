/*
 * The hosts of anyport-history: connections with commands in flight, all on one thread.
 *
 * A command stands in a task from hosts_begin until `ended` was called for it, exactly once: with
 * its answer, or as lost when its connection broke or was given up.
 */
#ifndef TESTS_HISTORY_HOSTS_H
#define TESTS_HISTORY_HOSTS_H

#include "tests/history/latency.h"
#include "tests/history/options.h"

struct host;

struct task {
    struct history_operation is; /* invoke_ns and return_ns are filled in here */
    uint64_t tag;                /* of a write */
    struct host *host;
    struct task *next_free;
    uint8_t *data; /* room for the whole range */
    int error;     /* an answer's errno; of a lost one, why */
    bool busy, is_answered;
};

struct host {
    struct hosts *hosts;
    const char *uri;
    uint32_t number;
    struct nbd_handle *nbd; /* NULL: not connected */
    struct task *tasks, *free_tasks;
    uint32_t in_flight;
    struct latency latency; /* of what was answered without an error */
};

struct hosts {
    const struct options *options;
    struct host *each;
    uint32_t count, in_flight, connected;
    struct pollfd *polled;
    void (*ended)(void *context, struct task *task); /* must not begin a command */
    void *context;
};

/* Connects to all URIs. 0; -ENOMEM; -ENOTCONN after saying on stderr what was refused. */
int hosts_new(struct hosts *ret_hosts, const struct options *options,
              void (*ended)(void *context, struct task *task), void *context);
void hosts_done(struct hosts *hosts);

/* Makes the connections anew that broke, as far as that works now. */
void hosts_reconnect(struct hosts *hosts);

/* A task of this host that is not busy; NULL: it has none, or no connection. The caller fills in
 * `is` (but for the times), `tag`, and data[] of a write, and begins it at once. */
struct task *host_free_task(struct host *host);
void host_begin(struct task *task);

/* Waits until something ended, at most timeout_ms. Returns how many did. */
uint32_t hosts_wait(struct hosts *hosts, int timeout_ms);

/* Breaks the connections that have commands in flight: these are lost. */
void hosts_give_up(struct hosts *hosts);

#endif
