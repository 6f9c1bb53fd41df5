#include "tools/run_command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/limits.h"

enum { CLOCK_MS = 20 };

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- the terminal --- */

static bool we_have_the_terminal(void)
{
    return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* From the background this is answered with SIGTTOU, and we mean it. */
static void give_terminal(pid_t group)
{
    void (*before)(int) = signal(SIGTTOU, SIG_IGN);

    (void)tcsetpgrp(STDIN_FILENO, group);
    (void)signal(SIGTTOU, before);
}

/* --- ending --- */

static void forget(struct run_command *command)
{
    if (command->has_terminal)
        give_terminal(getpgrp());
    watch_remove(command->watch, &command->clock);
    close(command->clock.fd);
    command->group = 0;
}

/* Whether any process of the group is left. Ours is the number as long as there is one. */
static bool group_is_empty(const struct run_command *command)
{
    return kill(-command->group, 0) < 0 && errno == ESRCH;
}

/* Once it was to end, all of it is waited for, but not for ever. What sh leaves behind by itself
 * when it ends is its own affair. */
static void look_at_group(struct run_command *command)
{
    if (command->ending && !command->killed && now_ns() >= command->kill_at_ns) {
        (void)kill(-command->group, SIGKILL);
        command->killed = true;
    }
    if (command->sh_ended && (!command->ending || command->killed || group_is_empty(command)))
        forget(command);
}

static void clock_ticked(struct watched *watched, uint32_t events)
{
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    look_at_group((struct run_command *)((char *)watched - offsetof(struct run_command, clock)));
}

static void sh_ended(struct watched *watched, uint32_t events)
{
    struct run_command *command =
        (struct run_command *)((char *)watched - offsetof(struct run_command, sh));
    int status;

    (void)events;
    if (waitpid(command->group, &status, WNOHANG) != command->group)
        return;
    watch_remove(command->watch, watched);
    close(watched->fd);
    command->sh_ended = true;
    look_at_group(command);
    command->on_end(command, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void run_command_end(struct run_command *command)
{
    const struct timespec tick = {.tv_nsec = CLOCK_MS * 1000000};
    const struct itimerspec ticks = {.it_interval = tick, .it_value = tick};

    if (run_command_is_over(command) || command->ending)
        return;
    command->ending = true;
    command->kill_at_ns = now_ns() + COMMAND_END_SECONDS * 1000000000ull;
    (void)kill(-command->group, SIGTERM);
    (void)kill(-command->group, SIGCONT); /* one that is stopped would not hear it */
    (void)timerfd_settime(command->clock.fd, 0, &ticks, NULL);
}

/* --- starting --- */

static void become_sh(const char *line, bool takes_terminal)
{
    sigset_t none;

    (void)setpgid(0, 0);
    if (takes_terminal)
        give_terminal(getpid());
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    fprintf(stderr, "anyport: cannot run /bin/sh: %s\n", strerror(errno));
    _exit(127);
}

static int watch_it(struct run_command *command, pid_t pid)
{
    command->sh.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (command->sh.fd < 0)
        return -errno;
    (void)fcntl(command->sh.fd, F_SETFD, FD_CLOEXEC);
    int error = watch_add(command->watch, &command->sh, EPOLLIN);
    if (error != 0)
        close(command->sh.fd);
    return error;
}

static int fork_sh(struct run_command *command, const char *line)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_sh(line, command->has_terminal);
    (void)setpgid(pid, pid); /* in both, so that neither finds it undone */
    int error = watch_it(command, pid);
    if (error != 0) {
        (void)kill(-pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return error;
    }
    command->group = pid;
    return 0;
}

int run_command_start(struct run_command *command, struct watch *watch, const char *line)
{
    *command = (struct run_command){
        .watch = watch,
        .on_end = command->on_end,
        .has_terminal = we_have_the_terminal(),
        .sh = {.ready = sh_ended, .fd = -1},
        .clock = {.ready = clock_ticked,
                  .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)}};
    if (command->clock.fd < 0)
        return -errno;
    int error = watch_add(watch, &command->clock, EPOLLIN);
    if (error != 0)
        goto no_watch;
    error = fork_sh(command, line);
    if (error != 0)
        goto no_sh;
    return 0;

no_sh:
    watch_remove(watch, &command->clock);
no_watch:
    close(command->clock.fd);
    return error;
}
