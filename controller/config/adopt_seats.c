/*
 * Taking the place of a configuration controller: who sits in which seat.
 *
 * That a controller lives is told by its lifeline, and which process it is by the number in its
 * seat. One that is being started has a lifeline first and its number a little later.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/config/adopt_parts.h"
#include "controller/config/seats_parts.h"

enum {
    NUMBER_SECONDS = 5, /* from a process's beginning to its number in the seat */
    LOOK_MS = 10,
};

static bool has_hung_up_after(int lifeline, int timeout_ms)
{
    struct pollfd one = {.fd = lifeline, .events = POLLIN};

    return poll(&one, 1, timeout_ms) != 0;
}

static bool has_hung_up(int lifeline)
{
    return has_hung_up_after(lifeline, 0);
}

/* Without a process behind it a life is over, whether somebody has said so or not. */
static void adopt_dead(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = configurator_seat(configurator, id);

    controller->configurator = configurator;
    controller->id = id;
    controller->epoch = seat_life(seat);
    controller->death.fd = -1;
    configurator->failback.lives[id] = seat_epoch(seat); /* in another one its elements go back */
    if (!seat_is_gone(seat_state(seat)) && seat_state(seat) != SEAT_EMPTY)
        configurator_declare_dead(configurator, id);
    else
        sockets_close_controller(&configurator->sockets, id);
}

/* 0: there is none; or, of a life that has not hung up, it does not come. */
static pid_t number_of(const struct configurator *configurator, uint32_t id)
{
    const struct seat *seat = configurator_seat(configurator, id);
    uint64_t deadline_ns = watch_now_ns() + NUMBER_SECONDS * 1000000000ull;

    /* relaxed: by itself, or by who started it; it says nothing of other memory */
    while (load_relaxed(&seat->pid) == 0 && watch_now_ns() < deadline_ns) {
        if (has_hung_up_after(configurator->lifelines[id], LOOK_MS))
            return 0;
    }
    return (pid_t)load_relaxed(&seat->pid); /* relaxed: as above */
}

static int watch_process(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = configurator_seat(configurator, id);

    controller->pid = number_of(configurator, id);
    if (controller->pid == 0)
        return -ESRCH;
    controller->epoch = seat_life(seat);
    controller->death = (struct watched){.ready = configurator_controller_died,
                                         .fd = (int)syscall(SYS_pidfd_open, controller->pid, 0)};
    if (controller->death.fd < 0)
        return -errno;
    if (has_hung_up(configurator->lifelines[id])) {
        close_if_open(&controller->death.fd);
        return -EPIPE;
    }
    controller->configurator = configurator;
    controller->id = id;
    controller->alive = controller->adopted = true;
    controller->began_ns = watch_now_ns();
    return watch_add(configurator->watch, &controller->death, EPOLLIN);
}

/* --- one that lives and does not answer --- */

/* One that starts reads what its elements keep beside their data, and may take its time. */
static bool is_starting(const struct configurator *configurator, uint32_t id)
{
    return seat_state(configurator_seat(configurator, id)) == SEAT_STARTING;
}

/* It is stopped, or loops. It dies like any other, and what it has is taken over then. But where
 * nobody looks for those that are stuck, or a debugger holds it, it is led when it goes on. */
static void adopt_silent(struct configurator *configurator, uint32_t id)
{
    int pid = (int)configurator->controllers[id].pid;

    if (is_starting(configurator, id))
        return;
    bool spared = !heartbeats_would_kill(configurator, id);
    fprintf(stderr,
            "anyport: controller %u (process %d) does not answer who takes the place of the "
            "configuration controller; it %s\n",
            id, pid, spared ? "is waited for" : "is killed");
    if (!spared)
        (void)seat_send_kill(configurator, id);
}

/* --- all --- */

static void ask_for_sockets(struct configurator *configurator, uint32_t id, int channel)
{
    struct array_sockets *sockets = &configurator->sockets;

    sockets->own[id].fd = adopt_get_if_any(channel, HANDOVER_OWN, 0);
    sockets->own_tcp[id].fd = adopt_get_if_any(channel, HANDOVER_OWN_TCP, 0);
    sockets->handover[id].fd = adopt_get_if_any(channel, HANDOVER_LISTENING, 0);
}

void adopt_seat(struct configurator *configurator, uint32_t id, struct adopt_channel channel)
{
    enum seat_state state = seat_state(configurator_seat(configurator, id));

    if (seat_is_gone(state) || state == SEAT_EMPTY || watch_process(configurator, id) != 0) {
        close_if_open(&channel.fd);
        adopt_dead(configurator, id);
        return;
    }
    if (channel.answers)
        ask_for_sockets(configurator, id, channel.fd);
    else
        adopt_silent(configurator, id);
    if (channel.fd >= 0)
        (void)control_line_take(&configurator->lines[id], configurator->watch, channel.fd);
}
