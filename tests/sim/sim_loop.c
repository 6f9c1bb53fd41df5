/*
 * io/loop.h in virtual time. There are no sockets: hosts stand inside (host.h). Element I/O is in
 * sim_element.c.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "io/timers.h"
#include "tests/sim/configuration.h"
#include "tests/sim/machine.h"
#include "tests/sim/operation.h"
#include "tests/sim/processes.h"
#include "tests/sim/sim_channel.h"

enum { CLOCK_STEP_NS = 40 }; /* what looking at the clock takes */

struct happened {
    struct completion *completion;
    int result;
};

struct loop {
    struct machine *machine;
    uint64_t now_ns;
    struct timers timers;
    struct operation *started, **started_end;
    struct happened *ready;
    uint32_t ready_count, ready_room;
    int files;
};

/* Of all controllers; they outlive their loops. */
static struct operation *submitted;

struct machine *machine_being_made; /* set while its controller is made */

/* --- operations --- */

void operation_start(struct loop *loop, struct operation *operation)
{
    operation->loop = loop;
    operation->next = NULL;
    *loop->started_end = operation;
    loop->started_end = &operation->next;
}

void loop_push(struct loop *loop, struct completion *completion, int result)
{
    if (loop->ready_count == loop->ready_room) {
        loop->ready_room = loop->ready_room != 0 ? 2 * loop->ready_room : 64;
        loop->ready = realloc(loop->ready, loop->ready_room * sizeof *loop->ready);
        assert(loop->ready != NULL);
    }
    loop->ready[loop->ready_count++] =
        (struct happened){.completion = completion, .result = result};
    machine_wake(loop->machine);
}

static void forget(struct operation *operation)
{
    if (operation->previous != NULL)
        operation->previous->next = operation->next;
    else
        submitted = operation->next;
    if (operation->next != NULL)
        operation->next->previous = operation->previous;
    free(operation);
}

static void takes_effect(struct event *event)
{
    struct operation *operation = (struct operation *)(void *)event;
    uint64_t more_ns = operation->effect(operation);

    if (more_ns > 0) {
        events_set(&sim_world->events, event, sim_world->now_ns + more_ns);
        return;
    }
    if (operation->loop != NULL && operation->completion != NULL)
        loop_push(operation->loop, operation->completion, operation->result);
    forget(operation);
}

static void submit(struct operation *operation)
{
    operation->previous = NULL;
    operation->next = submitted;
    if (submitted != NULL)
        submitted->previous = operation;
    submitted = operation;
    operation->event.fire = takes_effect;
    if (operation->submitted != NULL)
        operation->submitted(operation);
    events_set(&sim_world->events, &operation->event, sim_world->now_ns + operation->delay_ns);
}

static void submit_all(struct loop *loop)
{
    while (loop->started != NULL) {
        struct operation *operation = loop->started;
        loop->started = operation->next;
        submit(operation);
    }
    loop->started_end = &loop->started;
}

void operation_abandon_all(struct loop *loop)
{
    while (loop->started != NULL) {
        struct operation *operation = loop->started;
        loop->started = operation->next;
        free(operation);
    }
    loop->started_end = &loop->started;
    for (struct operation *operation = submitted; operation != NULL; operation = operation->next) {
        if (operation->loop == loop)
            operation->loop = NULL;
    }
}

void operation_lose_power(void)
{
    while (submitted != NULL) {
        struct operation *operation = submitted;
        assert(operation->loop == NULL);
        events_cancel(&operation->event);
        if (dice_once_in(&sim_world->dice, 2)) {
            while (operation->effect(operation) > 0)
                continue;
        }
        forget(operation);
    }
}

bool operation_any_submitted(void)
{
    return submitted != NULL;
}

/* --- io/loop.h --- */

int loop_new(struct loop **ret_loop, const char **ret_missing)
{
    struct loop *loop = calloc(1, sizeof *loop);

    *ret_missing = NULL;
    assert(loop != NULL && machine_being_made != NULL);
    loop->machine = machine_being_made;
    timers_init(&loop->timers);
    loop->started_end = &loop->started;
    loop->now_ns = sim_world->now_ns;
    loop->machine->loop = loop;
    *ret_loop = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    operation_abandon_all(loop);
    if (loop->machine->loop == loop) /* a later life has another one */
        loop->machine->loop = NULL;
    free(loop->ready);
    free(loop);
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_clock_ns(struct loop *loop)
{
    sim_world->now_ns += CLOCK_STEP_NS;
    loop->now_ns = sim_world->now_ns;
    return loop->now_ns;
}

static uint32_t fire_ready(struct loop *loop)
{
    uint32_t count = loop->ready_count, fired = 0;
    struct happened now[64];

    while (fired < count) {
        uint32_t some = count - fired < 64 ? count - fired : 64;
        for (uint32_t i = 0; i < some; i++)
            now[i] = loop->ready[i];
        loop->ready_count -= some;
        for (uint32_t i = 0; i < loop->ready_count; i++)
            loop->ready[i] = loop->ready[i + some];
        for (uint32_t i = 0; i < some; i++)
            now[i].completion->fire(now[i].completion, now[i].result);
        fired += some;
    }
    return fired;
}

uint32_t loop_turn(struct loop *loop, uint64_t wait_ns)
{
    uint64_t until_ns = timers_next_ns(&loop->timers);
    bool waits = wait_ns != 0 && loop->ready_count == 0;

    if (wait_ns != LOOP_FOREVER && loop->now_ns + wait_ns < until_ns)
        until_ns = loop->now_ns + wait_ns;
    submit_all(loop);
    machine_end_turn(loop->machine, waits, until_ns);
    loop->now_ns = sim_world->now_ns;
    uint32_t fired = fire_ready(loop);
    return fired + timers_fire(&loop->timers, loop->now_ns);
}

bool loop_has_events(struct loop *loop)
{
    return loop->ready_count > 0;
}

void loop_yield(struct loop *loop)
{
    machine_give_way(loop->machine);
}

void loop_nap(struct loop *loop, uint64_t nap_ns)
{
    (void)nap_ns;
    machine_give_way(loop->machine);
}

bool loop_has_unsubmitted(struct loop *loop)
{
    return loop->started != NULL;
}

void loop_timer_start(struct loop *loop, struct timer *timer, uint64_t delay_ns)
{
    timers_add(&loop->timers, timer, loop->now_ns + delay_ns);
}

void loop_timer_stop(struct loop *loop, struct timer *timer)
{
    (void)loop;
    timers_remove(timer);
}

void loop_doorbell_listen(struct loop *loop, int eventfd, struct completion *completion)
{
    assert(eventfd == SIM_FD_DOORBELL + (int)loop->machine->id);
    machine_listen(loop->machine, completion);
}

void loop_doorbell_ring(struct loop *loop, int eventfd)
{
    (void)loop;
    if (eventfd == SIM_FD_NOTICE) {
        configuration_noticed(sim_world);
        return;
    }
    uint32_t seat = (uint32_t)(eventfd - SIM_FD_DOORBELL);
    assert(seat < sim_world->machines_count);
    machine_ring(&sim_world->machines[seat]);
}

/* The control channel; or a lifeline: it fires when that controller is gone. */
void loop_poll_in(struct loop *loop, int fd, struct completion *completion)
{
    if (fd >= SIM_FD_CHANNEL)
        sim_channel_listen(fd, loop->machine, completion);
    else
        processes_listen(fd, loop->machine, completion);
}

int loop_register_file(struct loop *loop, int fd)
{
    (void)fd;
    return loop->files++;
}

int loop_register_buffers(struct loop *loop, const struct iovec *ranges, unsigned count)
{
    (void)loop;
    (void)ranges;
    (void)count;
    return 0;
}
