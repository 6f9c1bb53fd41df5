#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/configuration.h"
#include "tests/sim/damage.h"
#include "tests/sim/judge.h"
#include "tests/sim/life.h"

#undef NDEBUG
#include <assert.h>

#define HOSTS_NS (600ull * 1000000000u) /* what hosts may take, with slow elements */
#define JOBS_NS  (300ull * 1000000000u) /* and jobs */
#define IDLE_NS  (400ull * 1000000u)    /* until all sweeps have found that nothing is left */

struct world *sim_world;

void sim_fail(struct world *world, const char *format, ...)
{
    va_list arguments;

    if (world->failed)
        return;
    world->failed = true;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
    sim_note(world, "failed: %s", world->failure);
}

void sim_note(struct world *world, const char *format, ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    world->steps++;
    world->hash = dice_mix(world->hash ^ world->now_ns);
    for (const char *at = text; *at != '\0'; at++)
        world->hash = (world->hash ^ (uint8_t)*at) * 0x100000001b3u;
    if (world->trace != NULL)
        fprintf(world->trace, "%12.3f us  %s\n", (double)world->now_ns / 1000, text);
}

/* --- phases of a life --- */

static bool all_done(struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (!host_is_done(&world->machines[i].host))
            return false;
    }
    return true;
}

/* By a host of any controller that lives. */
static void run_script(struct world *world, const struct wish *wishes, uint32_t count)
{
    uint32_t host = (uint32_t)dice_below(&world->dice, world->machines_count);

    while (!machine_lives(&world->machines[host]))
        host = (host + 1) % world->machines_count;
    host_begin_script(&world->machines[host].host, wishes, count);
    (void)machines_run_until(world, all_done, HOSTS_NS);
}

static struct wish whole(const struct world *world, uint32_t volume, uint8_t op)
{
    return (struct wish){
        .op = op,
        .flags = op == COMMAND_WRITE ? COMMAND_FUA : 0,
        .volume = volume,
        .sectors = world->volumes[volume].sectors,
    };
}

static void ask_all(struct world *world, uint8_t op)
{
    struct wish wishes[SIM_VOLUMES_MAX];

    for (uint32_t i = 0; i < world->volumes_count; i++)
        wishes[i] =
            op == COMMAND_FLUSH ? (struct wish){.op = op, .volume = i} : whole(world, i, op);
    run_script(world, wishes, world->volumes_count);
}

/* What all volumes hold, by what is read of them. */
static void read_all(struct world *world, enum sim_end last_end)
{
    uint32_t first = world->records_count;

    ask_all(world, COMMAND_READ);
    if (!world->failed)
        judge_inspection(world, last_end, first);
}

/* What the life before has left. */
static void inspect(struct world *world, enum sim_end last_end, bool damaged)
{
    judge_copies(world);
    if (damaged)
        damage_some(world);
    read_all(world, last_end);
}

static bool jobs_are_over(struct world *world)
{
    return !configuration_has_jobs(world);
}

/* A scrub finds what was damaged, and nothing else. */
static void scrub_all(struct world *world, bool damaged)
{
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        if (configuration_is_equal(world, i))
            configuration_scrub(world, i, damaged);
    }
    if (!machines_run_until(world, jobs_are_over, JOBS_NS))
        return;
    for (uint32_t i = 0; i < world->volumes_count && !damaged; i++)
        judge_scrub(world, i);
}

/* Members have been made equal wherever writes were under way, and it has not been changed what was
 * sure. */
static void judge_resyncs(struct world *world, enum sim_end last_end, bool damaged)
{
    if (!machines_run_until(world, jobs_are_over, JOBS_NS))
        return;
    if (damaged || dice_once_in(&world->dice, 4))
        scrub_all(world, damaged);
    if (!world->failed)
        read_all(world, last_end);
    ask_all(world, COMMAND_FLUSH); /* what caches have of it is not on the images */
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        if (configuration_is_equal(world, i))
            judge_close(&world->volumes[i]);
    }
    if (!world->failed)
        judge_copies(world);
}

/* What a volume holds is what was read of it: its members do not differ, and what a stale one held
 * is not computed from what need not fit. */
static bool is_known(const struct world *world, uint32_t number)
{
    const struct sim_volume *volume = &world->volumes[number];

    return configuration_is_equal(world, number) &&
           (volume->layout.parities == 0 || volume->failed_before == 0);
}

/* Volumes that are new, and those whose members may differ, are written as a whole. What another
 * life has left is flushed, so that from now on it is sure. */
static void settle(struct world *world, bool equal)
{
    struct wish wishes[2 * SIM_VOLUMES_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->volumes_count; i++) {
        wishes[count++] = (struct wish){.op = COMMAND_FLUSH, .volume = i};
        if (world->life == 1 ||
            (layout_kind_redundant(world->volumes[i].kind) && !(equal && is_known(world, i))))
            wishes[count++] = whole(world, i, COMMAND_WRITE);
    }
    run_script(world, wishes, count);
    if (!world->failed)
        judge_begin(world);
}

/* Hosts begin with what is known. In some lives they wait for jobs, in others these go on
 * meanwhile.
 */
static void begin(struct world *world, enum sim_end last_end)
{
    bool waits = world->life > 1 && dice_once_in(&world->dice, 2);
    bool damaged =
        last_end == END_IN_ORDER && !world->any_died_before && dice_once_in(&world->dice, 2);

    if (world->life > 1)
        inspect(world, last_end, damaged);
    if (waits && !world->failed)
        judge_resyncs(world, last_end, damaged);
    if (!world->failed)
        settle(world, waits);
}

static bool load_is_over(struct world *world)
{
    return world->records_count >= world->ends_after || all_done(world);
}

/* Time passes, whatever happens in it. */
static void pass(struct world *world, uint64_t time_ns)
{
    uint64_t end_ns = world->now_ns + time_ns;

    while (!world->failed && machines_step_before(world, end_ns))
        continue;
}

static void serve(struct world *world, enum sim_end end)
{
    uint32_t each = world->plan.commands / world->machines_count + 1;

    world->ends_after = UINT32_MAX;
    if (end != END_IN_ORDER) /* which ends in the middle */
        world->ends_after = (uint32_t)dice_between(&world->dice, 1, world->plan.commands);
    for (uint32_t i = 0; i < world->machines_count; i++)
        host_begin(&world->machines[i].host, each, world->plan.depth);
    life_begin_faults(world);
    (void)machines_run_until(world, load_is_over, HOSTS_NS);
}

static bool all_died(const struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        if (machine_lives(&world->machines[i]))
            return false;
    }
    return true;
}

/* Nobody may look at members then as a FLUSH does, which marks those that are not there: whether
 * that was done without one is for the next life to see. */
static bool lost_caches(const struct world *world)
{
    return world->plan.cache_mode == CACHE_WRITE_BACK && !world->plan.takeover &&
           world->deaths_count > 0;
}

/* What caches have is not on the images before it was asked for. */
static void judge_recovery(struct world *world)
{
    uint32_t count = world->records_count;

    ask_all(world, COMMAND_FLUSH); /* an element that has failed says no */
    world->records_count = count;
    if (!world->failed)
        judge_settled(world);
}

/* Intents go whenever it is time for that: then commands are on their way that nobody asked for. */
static bool nobody_clears(struct world *world)
{
    for (uint32_t i = 0; i < world->machines_count; i++) {
        const struct machine *machine = &world->machines[i];
        if (machine_lives(machine) &&
            (machine->controller->clearing.errand.sent || machine->controller->clearing.sent))
            return false;
    }
    return true;
}

/* Nothing may hang, leak or fail for no reason. */
static void look_before_end(struct world *world, enum sim_end end)
{
    if (end == END_IN_ORDER) {
        if (world->faults && dice_once_in(&world->dice, world->plan.idle_crash_once_in))
            machine_kill(&world->machines[dice_below(&world->dice, world->machines_count)]);
        life_end_faults(world);
        (void)machines_run_until(world, jobs_are_over, JOBS_NS);
        pass(world, IDLE_NS);
        (void)machines_run_until(world, jobs_are_over, JOBS_NS); /* of who was started by it */
        (void)machines_run_until(world, nobody_clears, JOBS_NS);
        if (!world->failed)
            judge_leaks(world);
        if (!world->failed && !all_died(world) && !lost_caches(world))
            judge_recovery(world);
    }
    life_look_who_takes(world);
    if (!world->failed)
        judge_errors(world);
}

/* An end in order has flushed everything: a loss of power afterwards costs nothing. */
static void pull_the_plug(struct world *world)
{
    for (uint32_t i = 0; i < world->images_count; i++)
        image_lose_power(&world->images[i], &world->dice, 0);
}

static void live(struct world *world, enum sim_end last_end, enum sim_end *ret_end)
{
    enum sim_end end = (enum sim_end)dice_below(&world->dice, END_POWER + 1);

    if (world->life > world->plan.lives) /* the last one, which only looks */
        end = END_IN_ORDER;
    if (!world->failed)
        begin(world, last_end);
    if (!world->failed && world->life <= world->plan.lives)
        serve(world, end);
    if (!world->failed)
        look_before_end(world, end);
    bool died = world->any_died_before = world->deaths_count > 0;
    life_end(world, end);
    if (!world->failed)
        judge_life(world, end);
    if (end == END_IN_ORDER && !died && !world->failed)
        pull_the_plug(world);
    *ret_end = end;
}

bool sim_run(struct world *world, uint64_t seed, FILE *trace)
{
    enum sim_end end = END_IN_ORDER;

    *world = (struct world){.seed = seed,
                            .dice.state = dice_mix(seed + 1),
                            .now_ns = 1000000000,
                            .trace = trace,
                            .hash = seed};
    sim_world = world;
    plan_draw(&world->plan, &world->dice);
    if (trace != NULL)
        fputs(world->plan.config, trace);
    for (uint32_t i = 0; i <= world->plan.lives && !world->failed; i++) {
        if (life_start(world))
            live(world, end, &end);
        else
            life_end(world, END_KILLED);
    }
    return !world->failed;
}

void sim_done(struct world *world)
{
    records_clear(world);
    free(world->records);
    for (uint32_t i = 0; i < world->images_count; i++)
        image_free(&world->images[i]);
    for (uint32_t i = 0; i < world->volumes_count; i++) {
        free(world->volumes[i].initial);
        free(world->volumes[i].zeroed);
        free(world->volumes[i].open_from_ns);
        free(world->volumes[i].open_until_ns);
    }
    sim_world = NULL;
}
