#include "tests/sim/processes.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/journals.h"
#include "tests/sim/configuration.h"
#include "tests/sim/operation.h"
#include "tests/sim/sim_channel.h"
#include "tests/sim/sim_element.h"

enum {
    PIPES_MAX = 256,
    TIMERS_MAX = 8,
    DEATH_HEARD_NS_MAX = 3000000,  /* from a death to who listens to the lifeline */
    ENDED_HEARD_NS_MAX = 10000000, /* and to its pidfd's listener */
    SIM_PID = 1 << 24,             /* + seat: more than a kernel gives */
    TICKS_IN_SECOND = 100,
};

/* --- lifelines --- */

/* One controller that waits for the end of a pipe. */
struct listening {
    struct event heard;
    struct machine *machine;
    struct completion *completion;
};

struct pipe {
    bool hung_up;
    struct listening listeners[SIM_CONTROLLERS_MAX];
};

static struct pipe pipes[PIPES_MAX];
static uint32_t pipes_count;

static struct pipe *find_pipe(int fd)
{
    uint32_t index = (uint32_t)(fd - SIM_FD_LIFELINE) / 2;

    return fd >= SIM_FD_LIFELINE && index < pipes_count ? &pipes[index] : NULL;
}

static bool is_writing_end(int fd)
{
    return (fd - SIM_FD_LIFELINE) % 2 == 1;
}

/* Reading ends are even, writing ends odd. */
int __wrap_pipe2(int ret_ends[2], int flags);
int __wrap_pipe2(int ret_ends[2], int flags)
{
    (void)flags;
    if (pipes_count == PIPES_MAX) {
        errno = EMFILE;
        return -1;
    }
    struct pipe *pipe = &pipes[pipes_count];
    pipe->hung_up = false;
    for (uint32_t i = 0; i < SIM_CONTROLLERS_MAX; i++)
        pipe->listeners[i].completion = NULL;
    ret_ends[0] = SIM_FD_LIFELINE + 2 * (int)pipes_count++;
    ret_ends[1] = ret_ends[0] + 1;
    return 0;
}

static void hear_hanging_up(struct event *event)
{
    struct listening *listening = (struct listening *)(void *)event;
    struct completion *completion = listening->completion;

    if (completion == NULL)
        return;
    listening->completion = NULL;
    loop_push(listening->machine->loop, completion, POLLHUP);
}

_Static_assert(offsetof(struct listening, heard) == 0, "hear_hanging_up relies on it");

static void will_hear(struct listening *listening)
{
    struct world *world = sim_world;

    if (listening->completion == NULL || listening->heard.is_set)
        return;
    listening->heard.fire = hear_hanging_up;
    events_set(&world->events, &listening->heard,
               world->now_ns + dice_below(&world->dice, DEATH_HEARD_NS_MAX));
}

void processes_listen(int lifeline, struct machine *machine, struct completion *completion)
{
    struct pipe *pipe = find_pipe(lifeline);

    assert(pipe != NULL);
    struct listening *listening = &pipe->listeners[machine->id];
    listening->machine = machine;
    listening->completion = completion;
    if (pipe->hung_up)
        will_hear(listening);
}

void processes_stop_listening(struct machine *machine)
{
    for (uint32_t i = 0; i < pipes_count; i++) {
        events_cancel(&pipes[i].listeners[machine->id].heard);
        pipes[i].listeners[machine->id].completion = NULL;
    }
}

static void hang_up(struct pipe *pipe)
{
    pipe->hung_up = true;
    for (uint32_t i = 0; i < SIM_CONTROLLERS_MAX; i++)
        will_hear(&pipe->listeners[i]);
}

/* --- timers --- */

struct timer_fd {
    struct event rings;
    struct watched *watched;
    uint64_t interval_ns;
};

static struct timer_fd timers[TIMERS_MAX];
static uint32_t timers_count;

static struct timer_fd *find_timer(int fd)
{
    uint32_t index = (uint32_t)(fd - SIM_FD_TIMER);

    return fd >= SIM_FD_TIMER && index < timers_count ? &timers[index] : NULL;
}

static void rings(struct event *event)
{
    struct timer_fd *timer = (struct timer_fd *)(void *)event;
    struct world *world = sim_world;

    if (timer->interval_ns != 0)
        events_set(&world->events, event, world->now_ns + timer->interval_ns);
    if (timer->watched != NULL && configuration_hears(world))
        timer->watched->ready(timer->watched, EPOLLIN);
}

_Static_assert(offsetof(struct timer_fd, rings) == 0, "rings relies on it");

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
    (void)clock;
    (void)flags;
    assert(timers_count < TIMERS_MAX);
    struct timer_fd *timer = &timers[timers_count];
    timer->rings.fire = rings;
    timer->watched = NULL;
    return SIM_FD_TIMER + (int)timers_count++;
}

static uint64_t in_ns(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *time,
                           struct itimerspec *ret_old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *time,
                           struct itimerspec *ret_old)
{
    struct timer_fd *timer = find_timer(fd);

    (void)flags;
    (void)ret_old;
    assert(timer != NULL);
    events_cancel(&timer->rings);
    timer->interval_ns = in_ns(time->it_interval);
    if (in_ns(time->it_value) != 0)
        events_set(&sim_world->events, &timer->rings, sim_world->now_ns + in_ns(time->it_value));
    return 0;
}

/* --- doorbells --- */

ssize_t __real_write(int fd, const void *from, size_t bytes);
ssize_t __wrap_write(int fd, const void *from, size_t bytes);
ssize_t __wrap_write(int fd, const void *from, size_t bytes)
{
    uint32_t seat = (uint32_t)(fd - SIM_FD_DOORBELL);

    if (fd < SIM_FD_DOORBELL || seat >= SIM_CONTROLLERS_MAX)
        return __real_write(fd, from, bytes);
    if (seat < sim_world->machines_count)
        machine_ring(&sim_world->machines[seat]);
    return (ssize_t)bytes;
}

/* --- processes --- */

static struct machine *machine_at(uint32_t seat)
{
    assert(seat < sim_world->machines_count);
    return &sim_world->machines[seat];
}

/* As in a new process: it keeps the images that the configuration gives it. */
static void take_elements(const struct configurator *configurator, uint32_t id,
                          struct element *ret_elements)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++) {
        ret_elements[i] = configurator->images.elements[i];
        if (configurator->config->elements[i].controller != id)
            ret_elements[i].fd = -1;
        else if (ret_elements[i].fd >= 0)
            sim_element_hand_over(ret_elements[i].fd, id);
    }
}

int __wrap_configurator_spawn(struct configurator *configurator, uint32_t id);
int __wrap_configurator_spawn(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct element elements[SIM_ELEMENTS_MAX];
    const struct element *journal = journals_file(&configurator->images, id);
    const struct controller_start start = {.id = id,
                                           .segment = configurator->segment,
                                           .elements = elements,
                                           .doorbells = configurator->doorbells,
                                           .notice_fd = configurator->notice.fd,
                                           .lifelines = configurator->lifelines,
                                           .control = &configurator->control_ends[id],
                                           .images = configurator->witnesses,
                                           .journal = journal,
                                           .superblocks = configurator->images.superblocks};

    take_elements(configurator, id, elements);
    if (journal != NULL && journal->fd >= 0)
        sim_element_hand_over(journal->fd, id);
    machine_start(machine_at(id), &start, configurator->lifelines_own[id]);
    configurator->lifelines_own[id] = configurator->control_ends[id] = -1; /* they are its own */
    controller->configurator = configurator;
    controller->id = id;
    controller->pid = SIM_PID + (pid_t)id;
    controller->alive = true;
    controller->death =
        (struct watched){.ready = configurator_controller_died, .fd = SIM_FD_PROCESS + (int)id};
    return 0;
}

static void hear_end(struct event *event)
{
    struct machine *machine =
        (struct machine *)(void *)((char *)event - offsetof(struct machine, death_heard));
    struct world *world = machine->world;

    if (configuration_hears(world))
        configurator_controller_died(&world->configurator->controllers[machine->id].death, EPOLLIN);
}

void processes_ended(struct machine *machine)
{
    struct world *world = machine->world;

    machine->death_heard.fire = hear_end;
    events_set(&world->events, &machine->death_heard,
               world->now_ns + dice_below(&world->dice, ENDED_HEARD_NS_MAX));
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options);
int __wrap_waitid(idtype_t type, id_t id, siginfo_t *ret_info, int options)
{
    const struct machine *machine = machine_at((uint32_t)id - SIM_PID);

    (void)type;
    (void)options;
    *ret_info = (siginfo_t){0};
    if (machine_lives(machine))
        return 0;
    bool exited = machine->state == MACHINE_ENDED;
    ret_info->si_pid = (pid_t)id;
    ret_info->si_code = exited ? CLD_EXITED : CLD_KILLED;
    ret_info->si_status = !exited ? 9 : machine->run_status == 0 ? 0 : 1;
    return 0;
}

/* Of all that has no name of its own in libc, killing by a pidfd alone is asked for. */
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list arguments;

    assert(number == SYS_pidfd_send_signal);
    va_start(arguments, number);
    int fd = va_arg(arguments, int);
    va_end(arguments);
    machine_kill(machine_at((uint32_t)(fd - SIM_FD_PROCESS)));
    return 0;
}

/* What proc(5) says of it: the state's letter, and the time that it has used. */
static int open_stat(uint32_t seat)
{
    const struct machine *machine = machine_at(seat);
    uint64_t now_ns = sim_world->now_ns;
    uint64_t used_ns = machine->stuck_until_ns > now_ns ? now_ns - machine->stuck_since_ns : 0;
    unsigned long long ticks =
        machine->stuck_as == 'R' ? used_ns * TICKS_IN_SECOND / 1000000000u : 0;
    char text[128];
    int fd = memfd_create("stat", MFD_CLOEXEC);
    int length = snprintf(text, sizeof text, "%u (anyport-c%u) %c 1 1 1 0 -1 0 0 0 0 0 %llu 0 0\n",
                          SIM_PID + seat, seat,
                          machine->stuck_until_ns > now_ns ? machine->stuck_as : 'S', ticks);

    assert(fd >= 0 && __real_write(fd, text, (size_t)length) == length);
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
    unsigned pid;
    va_list arguments;

    if (sscanf(path, "/proc/%u/stat", &pid) == 1 && pid >= SIM_PID)
        return open_stat(pid - SIM_PID);
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return __real_open64(path, flags, mode);
}

/* --- sockets: there are none --- */

int __wrap_sockets_open_controller(const struct config *config, struct array_sockets *sockets,
                                   uint32_t controller, struct config_error *ret_error);
int __wrap_sockets_open_controller(const struct config *config, struct array_sockets *sockets,
                                   uint32_t controller, struct config_error *ret_error)
{
    (void)config;
    (void)sockets;
    (void)controller;
    (void)ret_error;
    return 0;
}

void __wrap_sockets_close_controller(struct array_sockets *sockets, uint32_t controller);
void __wrap_sockets_close_controller(struct array_sockets *sockets, uint32_t controller)
{
    (void)sockets;
    (void)controller;
}

/* --- descriptors --- */

bool processes_watch(struct watched *watched)
{
    struct timer_fd *timer = find_timer(watched->fd);

    if (timer != NULL)
        timer->watched = watched;
    return timer != NULL || watched->fd == SIM_FD_NOTICE || watched->fd >= SIM_FD_PROCESS;
}

bool processes_close(int fd)
{
    struct timer_fd *timer = find_timer(fd);
    struct pipe *pipe = find_pipe(fd);

    if (timer != NULL) {
        events_cancel(&timer->rings);
        timer->watched = NULL;
    } else if (pipe != NULL && is_writing_end(fd)) {
        hang_up(pipe);
    }
    return timer != NULL || pipe != NULL || fd >= SIM_FD_PROCESS;
}

void processes_forget(void)
{
    for (uint32_t i = 0; i < sim_world->machines_count; i++)
        processes_stop_listening(&sim_world->machines[i]);
    for (uint32_t i = 0; i < timers_count; i++)
        events_cancel(&timers[i].rings);
    pipes_count = timers_count = 0;
}
