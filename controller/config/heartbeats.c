#include "controller/config/heartbeats.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/config/seats_parts.h"

enum {
    LOOKS = 4,            /* in a heartbeat */
    WAIT_HEARTBEATS = 10, /* that something in the kernel may take */
};

#define SECOND_NS 1000000000ull

/* --- the rule --- */

enum heartbeat_verdict heartbeat_judge(char state, uint64_t silent_ns, uint64_t used_ns,
                                       uint64_t heartbeat_ns)
{
    if (silent_ns < heartbeat_ns)
        return HEARTBEAT_WAIT;
    switch (state) {
    case 'T':
        return HEARTBEAT_STOPPED;
    case 'R':
        return used_ns >= heartbeat_ns / LOOKS ? HEARTBEAT_LOOPS : HEARTBEAT_WAIT;
    case 'S':
    case 'D':
        return silent_ns >= WAIT_HEARTBEATS * heartbeat_ns ? HEARTBEAT_WAITS : HEARTBEAT_WAIT;
    default: /* traced; or a process that ends, which is heard of otherwise */
        return HEARTBEAT_WAIT;
    }
}

static const char *verdict_text(enum heartbeat_verdict verdict)
{
    switch (verdict) {
    case HEARTBEAT_STOPPED:
        return "it is stopped by a signal";
    case HEARTBEAT_LOOPS:
        return "it loops";
    case HEARTBEAT_WAITS:
        return "it waits in the kernel";
    case HEARTBEAT_WAIT:
        break;
    }
    return "";
}

/* --- the process --- */

/* The name in parentheses may hold anything; after it there are, by blanks, the state, ten numbers,
 * and the time in user and in system mode. */
bool heartbeat_parse_stat(const char *line, char *ret_state, uint64_t *ret_ticks)
{
    const char *rest = strrchr(line, ')');
    unsigned long long user, system;
    char state;

    if (rest == NULL || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                               &state, &user, &system) != 3)
        return false;
    *ret_state = state;
    *ret_ticks = user + system;
    return true;
}

/* Of one that lives, as its pidfd says: the number is nobody else's. */
static bool look_at_process(pid_t pid, char *ret_state, uint64_t *ret_used_ns)
{
    char path[32], line[1024];
    uint64_t ticks;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd >= 0)
        close(fd);
    if (bytes <= 0)
        return false;
    line[bytes] = '\0';
    if (!heartbeat_parse_stat(line, ret_state, &ticks))
        return false;
    *ret_used_ns = ticks * (SECOND_NS / (uint64_t)sysconf(_SC_CLK_TCK));
    return true;
}

/* --- looking --- */

static uint64_t heartbeat_ns(const struct configurator *configurator)
{
    return configurator->config->heartbeat_seconds * SECOND_NS;
}

static void kill_stuck(struct configurator *configurator, uint32_t id,
                       enum heartbeat_verdict verdict)
{
    struct heartbeat *heartbeat = &configurator->heartbeats.all[id];

    heartbeat->killed = true;
    fprintf(stderr,
            "anyport: controller %u (process %d) has done nothing for %.1f s: %s; it is "
            "killed\n",
            id, (int)configurator->controllers[id].pid, (double)heartbeat->silent_ns / 1e9,
            verdict_text(verdict));
    (void)seat_send_kill(configurator, id);
}

/* It was rung at the last look, and has not turned. */
static void look_closely(struct configurator *configurator, uint32_t id)
{
    struct heartbeat *heartbeat = &configurator->heartbeats.all[id];
    uint64_t used_ns;
    char state;

    if (!look_at_process(configurator->controllers[id].pid, &state, &used_ns))
        return;
    if (!heartbeat->processor_looked) {
        heartbeat->processor_looked = true;
        heartbeat->processor_ns = used_ns;
    }
    enum heartbeat_verdict verdict = heartbeat_judge(
        state, heartbeat->silent_ns, used_ns - heartbeat->processor_ns, heartbeat_ns(configurator));
    if (verdict != HEARTBEAT_WAIT)
        kill_stuck(configurator, id, verdict);
}

static void begin_anew(struct heartbeat *heartbeat, uint64_t turns)
{
    *heartbeat = (struct heartbeat){.turns = turns};
}

static void look_at(struct configurator *configurator, uint32_t id, uint64_t elapsed_ns)
{
    struct heartbeat *heartbeat = &configurator->heartbeats.all[id];
    /* relaxed: a count, which is only compared with itself */
    uint64_t turns = load_relaxed(&configurator_seat(configurator, id)->counters.turns);
    uint64_t one = 1;

    if (turns != heartbeat->turns) {
        begin_anew(heartbeat, turns);
        return;
    }
    if (heartbeat->killed)
        return;
    bool was_rung = heartbeat->silent_ns > 0;
    heartbeat->silent_ns += elapsed_ns;
    if (was_rung)
        look_closely(configurator, id);
    (void)!write(configurator->doorbells[id], &one, sizeof one);
}

/* One that starts, or ends in order, has time limits of its own. */
static bool is_to_beat(const struct configurator *configurator, uint32_t id)
{
    return configurator->controllers[id].alive &&
           configurator->controllers[id].care.task == SEAT_TASK_NONE &&
           seat_state(configurator_seat(configurator, id)) == SEAT_RUNNING;
}

static void ticked(struct watched *watched, uint32_t events)
{
    struct configurator *configurator = CONFIGURATOR_OF(watched, heartbeats.watched);
    struct heartbeats *heartbeats = &configurator->heartbeats;
    uint64_t now_ns = watch_now_ns(), elapsed_ns = now_ns - heartbeats->looked_ns, count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    heartbeats->looked_ns = now_ns;
    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    bool we_were_away = elapsed_ns > 2 * heartbeat_ns(configurator) / LOOKS;
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (we_were_away || !is_to_beat(configurator, id))
            begin_anew(&heartbeats->all[id], 0);
        else
            look_at(configurator, id, elapsed_ns);
    }
}

int heartbeats_begin(struct configurator *configurator)
{
    struct heartbeats *heartbeats = &configurator->heartbeats;
    uint64_t look_ns = heartbeat_ns(configurator) / LOOKS;
    const struct timespec look = {.tv_sec = (time_t)(look_ns / SECOND_NS),
                                  .tv_nsec = (long)(look_ns % SECOND_NS)};
    const struct itimerspec interval = {.it_interval = look, .it_value = look};

    if (look_ns == 0)
        return 0;
    heartbeats->looked_ns = watch_now_ns();
    heartbeats->watched = (struct watched){
        .ready = ticked, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    if (heartbeats->watched.fd < 0)
        return -errno;
    (void)timerfd_settime(heartbeats->watched.fd, 0, &interval, NULL);
    int error = watch_add(configurator->watch, &heartbeats->watched, EPOLLIN);
    if (error != 0)
        close_if_open(&heartbeats->watched.fd);
    return error;
}

bool heartbeats_would_kill(const struct configurator *configurator, uint32_t id)
{
    uint64_t used_ns;
    char state = 0;

    (void)look_at_process(configurator->controllers[id].pid, &state, &used_ns);
    return heartbeat_ns(configurator) != 0 && state != 't';
}

void heartbeats_end(struct configurator *configurator)
{
    struct watched *watched = &configurator->heartbeats.watched;

    if (watched->fd < 0)
        return;
    watch_remove(configurator->watch, watched);
    close_if_open(&watched->fd);
}
