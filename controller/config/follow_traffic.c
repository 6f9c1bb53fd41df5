#include "controller/config/follow_traffic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"

/* --- the rule --- */

uint32_t follow_traffic_judge(const uint64_t *commands, uint32_t controllers, uint32_t owner)
{
    uint64_t all = 0;
    uint32_t most = 0;

    for (uint32_t id = 0; id < controllers; id++) {
        all += commands[id];
        if (commands[id] > commands[most])
            most = id;
    }
    bool is_much = all >= FOLLOW_COMMANDS_MIN && commands[most] >= all - all / 4;
    return is_much && most != owner ? most : FOLLOW_STAYS;
}

/* --- looking --- */

/* What came since the last look. */
static void take_counts(struct element_record *record, struct element_traffic *traffic,
                        uint32_t controllers, uint64_t *ret_commands)
{
    for (uint32_t id = 0; id < controllers; id++) {
        /* relaxed: counts, which are only compared with themselves */
        uint64_t now = load_relaxed(&record->commands_from[id]);
        ret_commands[id] = now - traffic->before[id];
        traffic->before[id] = now;
    }
}

static void moved(void *context, const struct element_moved *result)
{
    (void)context;
    (void)result; /* what could not be moved is looked at again, later */
}

static void look_at(struct configurator *configurator, uint32_t element)
{
    struct element_record *record = segment_element(&configurator->segment, element);
    struct element_traffic *traffic = &configurator->follow_traffic.elements[element];
    struct owner owner = owner_load(&record->owner);
    uint64_t commands[CONTROLLERS_MAX];

    take_counts(record, traffic, configurator->config->controllers, commands);
    if (traffic->rest_periods > 0) {
        traffic->rest_periods--;
        return;
    }
    uint32_t target = follow_traffic_judge(commands, configurator->config->controllers, owner.seat);
    if (target == FOLLOW_STAYS || owner.state != OWNER_OWNED ||
        seat_state(configurator_seat(configurator, target)) != SEAT_RUNNING)
        return;
    traffic->rest_periods = FOLLOW_REST_PERIODS;
    element_move_start(configurator, element, target, moved, NULL);
}

static void ticked(struct watched *watched, uint32_t events)
{
    struct configurator *configurator = CONFIGURATOR_OF(watched, follow_traffic.watched);
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    if (configurator->phase != CONFIGURATOR_RUNNING)
        return;
    for (uint32_t i = 0; i < configurator->config->elements_count; i++)
        look_at(configurator, i);
}

/* --- beginning and ending --- */

static int start_ticking(struct configurator *configurator)
{
    const struct timespec period = {.tv_sec = configurator->config->follow_traffic_seconds};
    const struct itimerspec interval = {.it_interval = period, .it_value = period};
    struct watched *watched = &configurator->follow_traffic.watched;

    *watched = (struct watched){.ready = ticked,
                                .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    if (watched->fd < 0)
        return -errno;
    (void)timerfd_settime(watched->fd, 0, &interval, NULL);
    int error = watch_add(configurator->watch, watched, EPOLLIN);
    if (error != 0)
        close_if_open(&watched->fd);
    return error;
}

int follow_traffic_begin(struct configurator *configurator)
{
    struct follow_traffic *follow = &configurator->follow_traffic;
    uint32_t count = configurator->config->elements_count;
    uint64_t unused[CONTROLLERS_MAX];

    if (configurator->config->follow_traffic_seconds == 0)
        return 0;
    follow->elements = calloc(count, sizeof *follow->elements);
    if (follow->elements == NULL)
        return -ENOMEM;
    /* Who takes the place of a configuration controller finds counts from before. */
    for (uint32_t i = 0; i < count; i++)
        take_counts(segment_element(&configurator->segment, i), &follow->elements[i],
                    configurator->config->controllers, unused);
    int error = start_ticking(configurator);
    if (error != 0)
        follow_traffic_end(configurator);
    return error;
}

void follow_traffic_end(struct configurator *configurator)
{
    struct follow_traffic *follow = &configurator->follow_traffic;

    if (follow->watched.fd >= 0) {
        watch_remove(configurator->watch, &follow->watched);
        close_if_open(&follow->watched.fd);
    }
    free(follow->elements);
    follow->elements = NULL;
}
