/*
 * The command of `anyport run --run`: sh with all that it starts, a process group of its own, so
 * that it can be ended as a whole. On a terminal it is the foreground group, as a shell would have
 * it.
 */
#ifndef TOOLS_RUN_COMMAND_H
#define TOOLS_RUN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "io/watch.h"

struct run_command {
    struct watched sh;    /* its pidfd */
    struct watched clock; /* a timerfd, ticking while the group is being ended */
    struct watch *watch;
    pid_t group; /* also sh's process id; 0: nothing is left to wait for */
    bool sh_ended;
    bool ending, killed; /* the group was sent SIGTERM; SIGKILL */
    bool has_terminal;   /* was given ours */
    uint64_t kill_at_ns; /* then SIGKILL */
    void (*on_end)(struct run_command *command, int status); /* sh ended; status as sh tells it */
};

/* Starts it with the environment as it is; on_end is told once. 0 or -errno, then nothing runs.
 * `watch` outlives it. */
int run_command_start(struct run_command *command, struct watch *watch, const char *line);

/* SIGTERM to the whole group now, SIGKILL after COMMAND_END_SECONDS. Nothing happens when it does
 * not run, or is being ended already. */
void run_command_end(struct run_command *command);

static inline bool run_command_is_over(const struct run_command *command)
{
    return command->group == 0;
}

#endif
