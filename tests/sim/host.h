/*
 * Hosts: one at each controller, which gives it commands as a session would and keeps a record of
 * what it was told.
 */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include "controller/path/command.h"
#include "tests/sim/events.h"

struct machine;

/* A command that a host is going to give. */
struct wish {
    uint8_t op, flags;
    uint32_t volume; /* of world->volumes */
    uint32_t first, sectors;
};

struct host {
    struct machine *machine;
    struct event next; /* it has something to ask for */
    struct completion arrival;
    struct command_waiter waiter;
    struct command_queue replies;
    uint32_t in_flight, issued, depth;
    uint32_t may_issue; /* at random, in all */
    bool stopping;
    bool has_wish;
    struct wish wish;          /* waits for a command or a buffer */
    const struct wish *script; /* instead of random ones */
    uint32_t script_left;
    struct asked *asked; /* all that it ever asked in this life */
};

/* The hooks of a controller: its host ports are this host. */
void host_init(struct host *host, struct machine *machine);

/* Commands by the dice from now on. */
void host_begin(struct host *host, uint32_t commands, uint32_t depth);

/* These commands, one after the other. They stay the caller's until host_is_done. */
void host_begin_script(struct host *host, const struct wish *wishes, uint32_t count);

/* What a life of a host ever asked; after its controller was freed. */
void host_forget(struct asked *asked);

/* It has asked for all that it was to ask for, and was answered. */
bool host_is_done(const struct host *host);

#endif
