/*
 * io/channel.h in virtual time, for the control channels: a message is there a little after it was
 * sent. And io/watch.h, by which the configuration controller hears of it.
 *
 * Ends are known by their numbers. A controller listens to its end by loop_poll_in, the
 * configuration controller to its own by watch_add. An end is closed by `close`, which the build
 * calls by a name of its own (meson.build), or by a death.
 */
#undef close
#include "tests/sim/sim_channel.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/channel.h"
#include "tests/sim/operation.h"
#include "tests/sim/processes.h"
#include "tests/sim/sim_element.h"

enum {
    ENDS_MAX = 512, /* seats are taken more than once */
    MESSAGE_NS_MAX = 60000,
    MESSAGE_LATE_NS_MAX = 5000000,
};

struct message {
    struct message *next;
    bool arrived;
    int fd;
    size_t bytes;
    uint8_t data[];
};

struct end {
    struct event heard; /* something has come, or the other end was closed */
    struct message *first, **last;
    bool open, hung_up;
    struct machine *listener; /* a controller; `completion` waits */
    struct completion *completion;
    struct watched *watched; /* the configuration controller's */
};

static struct end ends[ENDS_MAX];
static uint32_t ends_count;

static struct end *find(int fd)
{
    uint32_t index = (uint32_t)(fd - SIM_FD_CHANNEL);

    return fd >= SIM_FD_CHANNEL && index < ends_count ? &ends[index] : NULL;
}

/* Ends are made in pairs. */
static struct end *other_of(const struct end *end)
{
    return &ends[(uint32_t)(end - ends) ^ 1];
}

/* --- hearing --- */

static bool has_something(const struct end *end)
{
    return end->hung_up || (end->first != NULL && end->first->arrived);
}

static void tell(struct end *end)
{
    if (end->completion != NULL && machine_lives(end->listener)) {
        struct completion *completion = end->completion;
        end->completion = NULL;
        loop_push(end->listener->loop, completion, POLLIN);
    } else if (end->watched != NULL && !sim_world->configurator_dead) {
        end->watched->ready(end->watched, EPOLLIN);
        if (end->watched != NULL && has_something(end) && !end->heard.is_set)
            events_set(&sim_world->events, &end->heard, sim_world->now_ns + 1);
    }
}

static void hear(struct event *event)
{
    struct end *end = (struct end *)(void *)event;

    for (struct message *message = end->first; message != NULL; message = message->next)
        message->arrived = true;
    if (!other_of(end)->open)
        end->hung_up = true;
    if (end->open && has_something(end))
        tell(end);
}

_Static_assert(offsetof(struct end, heard) == 0, "hear relies on it");

static void will_hear(struct end *end)
{
    struct world *world = sim_world;
    uint64_t most_ns = MESSAGE_NS_MAX;

    if (!end->open || end->heard.is_set)
        return;
    if (world->faults && dice_once_in(&world->dice, world->plan.late_doorbell_once_in))
        most_ns = MESSAGE_LATE_NS_MAX;
    events_set(&world->events, &end->heard, world->now_ns + dice_below(&world->dice, most_ns));
}

void sim_channel_listen(int fd, struct machine *machine, struct completion *completion)
{
    struct end *end = find(fd);

    assert(end != NULL && end->open);
    end->listener = machine;
    end->completion = completion;
    if (has_something(end))
        will_hear(end);
}

/* --- ends --- */

static void drop_first(struct end *end)
{
    struct message *first = end->first;

    end->first = first->next;
    if (end->first == NULL)
        end->last = &end->first;
    free(first);
}

static void close_end(struct end *end)
{
    if (!end->open)
        return;
    end->open = false;
    end->completion = NULL;
    end->watched = NULL;
    events_cancel(&end->heard);
    while (end->first != NULL) {
        if (end->first->fd >= SIM_FD_ELEMENT)
            sim_element_close(end->first->fd);
        drop_first(end);
    }
    will_hear(other_of(end));
}

int sim_close(int fd)
{
    struct end *end = find(fd);

    if (end != NULL)
        close_end(end);
    else if (fd >= SIM_FD_ELEMENT && fd < SIM_FD_CHANNEL)
        sim_element_close(fd);
    else if (!processes_close(fd))
        return close(fd);
    return 0;
}

void sim_channels_forget(void)
{
    for (uint32_t i = 0; i < ends_count; i++)
        close_end(&ends[i]);
    for (uint32_t i = 0; i < ends_count; i++)
        events_cancel(&ends[i].heard);
    ends_count = 0;
}

/* --- io/channel.h --- */

int channel_pair(int ret_ends[2])
{
    if (ends_count + 2 > ENDS_MAX)
        return -EMFILE;
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[ends_count];
        *end =
            (struct end){.heard = {.fire = hear, .set_count = end->heard.set_count}, .open = true};
        end->last = &end->first;
        ret_ends[i] = SIM_FD_CHANNEL + (int)ends_count++;
    }
    return 0;
}

int channel_send(int fd, const void *message, size_t bytes, int pass_fd)
{
    struct end *from = find(fd), *to;

    assert(from != NULL && from->open);
    to = other_of(from);
    if (!to->open)
        return -EPIPE;
    struct message *copy = malloc(sizeof *copy + bytes);
    assert(copy != NULL);
    *copy = (struct message){.fd = pass_fd, .bytes = bytes};
    memcpy(copy->data, message, bytes);
    sim_element_share(pass_fd);
    *to->last = copy;
    to->last = &copy->next;
    will_hear(to);
    return 0;
}

int channel_receive(int fd, void *into, size_t bytes, int *ret_fd)
{
    struct end *end = find(fd);

    assert(end != NULL && end->open);
    if (end->first == NULL || !end->first->arrived)
        return end->hung_up ? -EPIPE : -EAGAIN;
    assert(end->first->bytes == bytes);
    memcpy(into, end->first->data, bytes);
    *ret_fd = end->first->fd;
    sim_element_take(*ret_fd);
    drop_first(end);
    return 0;
}

/* --- io/watch.h --- */

int watch_init(struct watch *ret_watch)
{
    ret_watch->epoll_fd = -1;
    return 0;
}

void watch_done(struct watch *watch)
{
    (void)watch;
}

int watch_add(struct watch *watch, struct watched *watched, uint32_t events)
{
    struct end *end = find(watched->fd);

    (void)watch;
    (void)events;
    assert(end != NULL || processes_watch(watched));
    if (end != NULL)
        end->watched = watched;
    return 0;
}

int watch_change(struct watch *watch, struct watched *watched, uint32_t events)
{
    (void)watch;
    (void)watched;
    (void)events;
    return 0;
}

void watch_remove(struct watch *watch, struct watched *watched)
{
    struct end *end = find(watched->fd);

    (void)watch;
    if (end != NULL)
        end->watched = NULL;
}

/* Nobody waits in this: what is ready is told when it is. */
void watch_once(struct watch *watch, int timeout_ms)
{
    (void)watch;
    (void)timeout_ms;
}

uint64_t watch_now_ns(void)
{
    return sim_world->now_ns;
}
