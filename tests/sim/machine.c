#include "tests/sim/machine.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#include "shm/crash_point.h"
#include "tests/sim/configuration.h"
#include "tests/sim/fiber.h"
#include "tests/sim/life.h"
#include "tests/sim/links.h"
#include "tests/sim/operation.h"
#include "tests/sim/processes.h"
#include "tests/sim/sim_channel.h"
#include "tests/sim/sim_element.h"

enum {
    STEP_NS_MAX = 3000,      /* what a controller does until it gives way takes at most */
    DOORBELL_NS_MAX = 20000, /* from ringing to hearing */
    DOORBELL_LATE_NS_MAX = 5000000,
    STUCK_NS_MAX = 200000000,
    STUCK_LONG_SECONDS_MAX = 12,
    COMMANDS_OF_LATER_LIVES = 20,
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

/* For a moment, as on a machine with much to do; or so long that it is found to be stuck. */
static void draw_being_stuck(struct machine *machine)
{
    struct world *world = machine->world;
    struct dice *dice = &world->dice;

    if (!dice_once_in(dice, world->plan.stuck_once_in))
        return;
    machine->stuck_since_ns = world->now_ns;
    machine->stuck_as = "TRS"[dice_below(dice, 3)];
    machine->stuck_until_ns = world->now_ns + dice_below(dice, STUCK_NS_MAX);
    if (dice_once_in(dice, world->plan.stuck_long_once_in))
        machine->stuck_until_ns +=
            dice_between(dice, 1, STUCK_LONG_SECONDS_MAX) * (uint64_t)1000000000u;
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
    if (world->faults)
        draw_being_stuck(machine);
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

/* What a kernel closes of a process that is gone. */
static void close_all(struct machine *machine)
{
    (void)sim_close(machine->control_end);
    processes_stop_listening(machine);
    (void)sim_close(machine->lifeline);
    sim_element_forget(machine->id);
}

void machine_kill(struct machine *machine)
{
    if (!machine_lives(machine))
        return;
    sim_note(machine->world, "c%u dies", machine->id);
    machine->state = MACHINE_DEAD;
    machine->steps_left = 0;
    events_cancel(&machine->alarm);
    operation_abandon_all(machine->loop);
    life_lost_controller(machine);
    close_all(machine);
    processes_ended(machine);
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
    processes_ended(machine);
}

void machine_draw_death(struct machine *machine)
{
    struct world *world = machine->world;

    if (world->faults && dice_once_in(&world->dice, world->plan.crash_once_in))
        machine->steps_left = dice_between(&world->dice, 1, world->plan.crash_steps_max);
}

/* Nobody looks at it any more; its memory may still be pointed at from what is under way. */
static void bury(struct machine *machine)
{
    struct past_life *past = calloc(1, sizeof *past);

    assert(past != NULL && !machine_lives(machine));
    *past = (struct past_life){.next = machine->past,
                               .fiber = machine->fiber,
                               .controller = machine->controller,
                               .asked = machine->host.asked};
    machine->past = past;
    events_cancel(&machine->doorbell_heard);
    events_cancel(&machine->host.next);
    machine->doorbell = NULL;
    machine->doorbell_rung = false;
    machine->stuck_until_ns = 0;
}

void machine_start(struct machine *machine, const struct controller_start *start, int lifeline)
{
    const char *what = NULL;

    if (machine->controller != NULL)
        bury(machine);
    machine->alarm.fire = alarm_rings;
    machine->doorbell_heard.fire = hear_doorbell;
    machine_being_made = machine;
    machine->control_end = *start->control;
    machine->lifeline = lifeline;
    int error = controller_new(&machine->controller, start, &what);
    assert(error == 0);
    machine_being_made = NULL;
    host_init(&machine->host, machine);
    machine->fiber = fiber_new(live, machine);
    machine->state = MACHINE_READY;
    if (machine->world->serves) {
        machine_draw_death(machine);
        host_begin(&machine->host, COMMANDS_OF_LATER_LIVES, machine->world->plan.depth);
    }
}

static void free_life(struct fiber *fiber, struct controller *controller, struct asked *asked)
{
    fiber_free(fiber);
    if (controller != NULL)
        controller_free(controller);
    host_forget(asked);
}

void machine_free(struct machine *machine)
{
    while (machine->past != NULL) {
        struct past_life *past = machine->past;
        machine->past = past->next;
        free_life(past->fiber, past->controller, past->asked);
        free(past);
    }
    free_life(machine->fiber, machine->controller, machine->host.asked);
    machine->fiber = NULL;
    machine->controller = NULL;
    machine->host.asked = NULL;
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
    configuration_turn(world);
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
