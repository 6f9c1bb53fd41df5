#include "tests/sim/machine.h"

#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <stdlib.h>

#include "shm/crash_point.h"
#include "tests/sim/configuration.h"
#include "tests/sim/fiber.h"
#include "tests/sim/life.h"
#include "tests/sim/links.h"
#include "tests/sim/operation.h"
#include "tests/sim/sim_channel.h"
#include "tests/sim/sim_element.h"

enum {
    STEP_NS_MAX = 3000,      /* what a controller does until it gives way takes at most */
    DOORBELL_NS_MAX = 20000, /* from ringing to hearing */
    DOORBELL_LATE_NS_MAX = 5000000,
    DEATH_HEARD_NS_MAX = 3000000, /* from a death to who listens to the lifeline */
    STUCK_NS_MAX = 200000000,
};

#define MACHINE_OF(pointer, member)                                                                \
    ((struct machine *)(void *)((char *)(pointer)-offsetof(struct machine, member)))

extern struct machine *machine_being_made;

static struct machine *running;

struct machine *machine_running(void)
{
    return running;
}

/* --- giving way --- */

void machine_give_way(struct machine *machine)
{
    assert(machine == running);
    fiber_give_way();
}

/* One step less to its death. */
static void count_step(struct machine *machine)
{
    struct world *world = machine->world;

    if (!world->faults || machine->steps_left == 0 || --machine->steps_left > 0)
        return;
    machine_kill(machine);
}

/* Between any two steps that others may see (shm/crash_point.h), it may die, and others may run. */
void crash_point(const char *name)
{
    struct machine *machine = running;

    if (machine == NULL)
        return;
    (void)name;
    count_step(machine);
    if (dice_once_in(&machine->world->dice, machine->world->plan.switch_once_in))
        machine_give_way(machine);
}

void machine_end_turn(struct machine *machine, bool asleep, uint64_t until_ns)
{
    struct world *world = machine->world;

    count_step(machine);
    if (asleep) {
        machine->state = MACHINE_ASLEEP;
        if (until_ns != UINT64_MAX)
            events_set(&world->events, &machine->alarm,
                       until_ns > world->now_ns ? until_ns : world->now_ns);
    }
    if (world->faults && dice_once_in(&world->dice, world->plan.stuck_once_in))
        machine->stuck_until_ns = world->now_ns + dice_below(&world->dice, STUCK_NS_MAX);
    machine_give_way(machine);
    events_cancel(&machine->alarm);
}

void machine_wake(struct machine *machine)
{
    if (machine->state == MACHINE_ASLEEP)
        machine->state = MACHINE_READY;
}

static void alarm_rings(struct event *event)
{
    machine_wake(MACHINE_OF(event, alarm));
}

/* --- doorbells --- */

static void hear_doorbell(struct event *event)
{
    struct machine *machine = MACHINE_OF(event, doorbell_heard);

    if (machine->loop == NULL || machine->state == MACHINE_DEAD)
        return;
    machine->doorbell_rung = true;
    if (machine->doorbell == NULL)
        return;
    struct completion *completion = machine->doorbell;
    machine->doorbell = NULL;
    machine->doorbell_rung = false;
    loop_push(machine->loop, completion, (int)sizeof(uint64_t));
}

void machine_ring(struct machine *machine)
{
    struct world *world = machine->world;
    uint64_t most_ns = DOORBELL_NS_MAX;

    if (world->faults && dice_once_in(&world->dice, world->plan.late_doorbell_once_in))
        most_ns = DOORBELL_LATE_NS_MAX;
    if (!machine->doorbell_heard.is_set)
        events_set(&world->events, &machine->doorbell_heard,
                   world->now_ns + dice_below(&world->dice, most_ns));
}

void machine_listen(struct machine *machine, struct completion *completion)
{
    machine->doorbell = completion;
    if (machine->doorbell_rung)
        hear_doorbell(&machine->doorbell_heard);
}

/* --- deaths --- */

static void hear_death(struct event *event)
{
    struct lifeline *lifeline = (struct lifeline *)(void *)event;
    struct machine *listener = lifeline->listener;

    if (listener->state == MACHINE_DEAD || listener->state == MACHINE_ENDED ||
        lifeline->completion == NULL)
        return;
    loop_push(listener->loop, lifeline->completion, POLLHUP);
    lifeline->completion = NULL;
}

static void hang_up(struct machine *machine)
{
    struct world *world = machine->world;

    for (uint32_t i = 0; i < world->machines_count; i++) {
        struct lifeline *lifeline = &world->machines[i].lifelines[machine->id];
        if (i != machine->id)
            events_set(&world->events, &lifeline->heard,
                       world->now_ns + dice_below(&world->dice, DEATH_HEARD_NS_MAX));
    }
    configuration_will_hear_end(machine);
}

/* What a kernel closes of a process that is gone. */
static void close_all(struct machine *machine)
{
    (void)sim_close(machine->control_end);
    sim_element_forget(machine->id);
}

void machine_kill(struct machine *machine)
{
    if (machine->state == MACHINE_DEAD || machine->state == MACHINE_ENDED)
        return;
    sim_note(machine->world, "c%u dies", machine->id);
    machine->state = MACHINE_DEAD;
    machine->steps_left = 0;
    events_cancel(&machine->alarm);
    operation_abandon_all(machine->loop);
    life_lost_controller(machine);
    close_all(machine);
    hang_up(machine);
    if (machine == running) {
        fiber_give_way();
        abort(); /* nobody resumes it */
    }
}

/* --- living --- */

static void live(void *argument)
{
    struct machine *machine = argument;

    machine->run_status = controller_run(machine->controller);
    machine->state = MACHINE_ENDED;
    sim_note(machine->world, "c%u ends with %d", machine->id, machine->run_status);
    close_all(machine);
    hang_up(machine);
}

void machine_start(struct machine *machine, const struct controller_start *start)
{
    const char *what = NULL;

    machine->alarm.fire = alarm_rings;
    machine->doorbell_heard.fire = hear_doorbell;
    for (uint32_t i = 0; i < SIM_CONTROLLERS_MAX; i++) {
        machine->lifelines[i].heard.fire = hear_death;
        machine->lifelines[i].listener = machine;
    }
    machine_being_made = machine;
    machine->control_end = *start->control;
    int error = controller_new(&machine->controller, start, &what);
    assert(error == 0);
    machine_being_made = NULL;
    host_init(&machine->host, machine);
    machine->fiber = fiber_new(live, machine);
    machine->state = MACHINE_READY;
}

void machine_free(struct machine *machine)
{
    fiber_free(machine->fiber);
    machine->fiber = NULL;
    if (machine->controller != NULL)
        controller_free(machine->controller);
    machine->controller = NULL;
    host_done(&machine->host);
}

/* --- the scheduler --- */

static bool may_run(const struct machine *machine)
{
    return machine->state == MACHINE_READY && machine->stuck_until_ns <= machine->world->now_ns;
}

static struct machine *draw(struct world *world)
{
    struct machine *ready[SIM_CONTROLLERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (may_run(&world->machines[i]))
            ready[count++] = &world->machines[i];
    }
    return count == 0 ? NULL : ready[dice_below(&world->dice, count)];
}

static void resume(struct machine *machine)
{
    struct world *world = machine->world;

    world->now_ns += 1 + dice_below(&world->dice, STEP_NS_MAX);
    sim_note(world, "c%u runs", machine->id);
    running = machine;
    fiber_resume(machine->fiber);
    running = NULL;
}

static void fire_due(struct world *world)
{
    struct event *event;

    while ((event = events_take(&world->events, world->now_ns)) != NULL) {
        sim_tick(world);
        event->fire(event);
    }
}

/* When somebody can run, or something happens, if nobody can now. */
static uint64_t next_ns(struct world *world)
{
    uint64_t next = events_next_ns(&world->events);

    for (uint32_t i = 0; i < world->machines_count; i++) {
        const struct machine *machine = &world->machines[i];
        if (machine->state == MACHINE_READY && machine->stuck_until_ns < next)
            next = machine->stuck_until_ns;
    }
    return next;
}

bool machines_step_before(struct world *world, uint64_t end_ns)
{
    fire_due(world);
    links_disturb(world);
    struct machine *machine = draw(world);
    if (machine != NULL) {
        resume(machine);
        return world->now_ns < end_ns;
    }
    uint64_t next = next_ns(world);
    bool before = next < end_ns;
    if (before || end_ns != UINT64_MAX)
        world->now_ns = !before ? end_ns : next > world->now_ns ? next : world->now_ns;
    return before;
}

bool machines_run_until(struct world *world, bool (*reached)(struct world *world),
                        uint64_t limit_ns)
{
    uint64_t end_ns = world->now_ns + limit_ns;

    while (!world->failed && !reached(world)) {
        if (world->now_ns > end_ns)
            sim_fail(world, "after %llu s of virtual time something still has not ended",
                     (unsigned long long)(limit_ns / 1000000000u));
        else if (!machines_step_before(world, UINT64_MAX) && !reached(world))
            sim_fail(world, "something is waited for, and nothing is left that could happen");
    }
    return !world->failed;
}
