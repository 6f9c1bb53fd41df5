/*
 * Idling, on patterns of arrival: the loop is a model with a clock of its own, on which hosts ask
 * for the next command when they have had an answer, and a turn costs what a system call costs.
 */
#include "controller/idle.h"

#include <stdio.h>
#include <string.h>

#include "controller/controller.h"
#include "tests/unit/unit.h"

enum {
    HOSTS_MAX = 8,
    DEPTH_MAX = 32,
    TURN_NS = 1000,  /* entering the kernel */
    LOOK_NS = 300,   /* between two looks at the clock in a spin */
    WAKE_NS = 20000, /* until a processor that sleeps is at work */
    SERVE_NS = 500,  /* one command, from its receive to its answer */
    LEARN = 3000,    /* turns in which it may find out how work comes */
    MEASURE = 10000,
};

/* A host asks again `reaction_ns` after its answers arrived, and needs `each_ns` for each. */
struct model_host {
    uint32_t depth;
    uint64_t reaction_ns, each_ns;
    uint64_t asked_ns[DEPTH_MAX]; /* when the requests that are under way to us arrive */
    uint32_t asked, answers;      /* answers: not yet sent */
};

struct loop {
    uint64_t now_ns;
    struct model_host hosts[HOSTS_MAX];
    uint32_t hosts_count;
    struct controller *controller;
    uint64_t naps, received, batches;
};

static struct {
    struct loop loop;
    struct controller controller;
    struct controller_counters counters;
    struct seat seat;
} model;

/* --- the model's side of io/loop.h --- */

static uint64_t first_arrival_ns(const struct loop *loop)
{
    uint64_t first_ns = UINT64_MAX;

    for (uint32_t i = 0; i < loop->hosts_count; i++) {
        for (uint32_t k = 0; k < loop->hosts[i].asked; k++) {
            if (loop->hosts[i].asked_ns[k] < first_ns)
                first_ns = loop->hosts[i].asked_ns[k];
        }
    }
    return first_ns;
}

static void send_answers(struct loop *loop, struct model_host *host)
{
    for (uint32_t k = 0; k < host->answers; k++)
        host->asked_ns[host->asked++] = loop->now_ns + host->reaction_ns + k * host->each_ns;
    host->answers = 0;
}

/* One receive brings all that has come from a host. */
static void receive(struct loop *loop, struct model_host *host)
{
    uint32_t came = 0, left = 0;

    for (uint32_t k = 0; k < host->asked; k++) {
        if (host->asked_ns[k] <= loop->now_ns)
            came++;
        else
            host->asked_ns[left++] = host->asked_ns[k];
    }
    host->asked = left;
    host->answers += came;
    loop->now_ns += came * SERVE_NS;
    loop->controller->arrivals += came;
    loop->controller->receives += came > 0;
    loop->received += came;
    loop->batches += came > 0;
    count_up(&model.counters.executed, came);
}

uint32_t loop_turn(struct loop *loop, uint64_t wait_ns)
{
    uint64_t before = loop->received;

    for (uint32_t i = 0; i < loop->hosts_count; i++)
        send_answers(loop, &loop->hosts[i]);
    loop->now_ns += TURN_NS;
    uint64_t first_ns = first_arrival_ns(loop);
    if (wait_ns == LOOP_FOREVER && first_ns > loop->now_ns)
        loop->now_ns = first_ns + WAKE_NS;
    for (uint32_t i = 0; i < loop->hosts_count; i++)
        receive(loop, &loop->hosts[i]);
    return (uint32_t)(loop->received - before);
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_clock_ns(struct loop *loop)
{
    return loop->now_ns += LOOK_NS;
}

bool loop_has_unsubmitted(struct loop *loop)
{
    for (uint32_t i = 0; i < loop->hosts_count; i++) {
        if (loop->hosts[i].answers > 0)
            return true;
    }
    return false;
}

void loop_yield(struct loop *loop)
{
    (void)loop;
}

void loop_nap(struct loop *loop, uint64_t nap_ns)
{
    loop->naps++;
    loop->now_ns += nap_ns;
}

bool controller_has_work(const struct controller *controller)
{
    return first_arrival_ns(controller->loop) <= controller->loop->now_ns;
}

/* --- patterns --- */

static void begin(void)
{
    memset(&model, 0, sizeof model);
    model.controller.loop = &model.loop;
    model.controller.counters = &model.counters;
    model.controller.seat = &model.seat;
    model.loop.controller = &model.controller;
    model.loop.now_ns = 1000000000;
    idle_init(&model.controller.idle);
}

static void attach(uint32_t hosts, uint32_t depth, uint64_t reaction_ns, uint64_t each_ns)
{
    struct loop *loop = &model.loop;

    for (uint32_t i = 0; i < hosts; i++)
        loop->hosts[loop->hosts_count++] = (struct model_host){
            .depth = depth, .answers = depth, .reaction_ns = reaction_ns, .each_ns = each_ns};
    /* relaxed: one thread here */
    store_relaxed(&model.counters.connections, loop->hosts_count);
}

static void detach_all(void)
{
    model.loop.hosts_count = 0;
}

/* What controller.c does in a turn that no peer had a part in. */
static void run(uint32_t turns)
{
    struct controller *controller = &model.controller;

    for (uint32_t i = 0; i < turns; i++) {
        if (idle_nap(controller))
            continue;
        if (controller_has_work(controller))
            loop_turn(controller->loop, 0);
        else
            idle_wait(controller);
    }
}

/* What came of the last `turns` turns, in hundredths. */
struct share {
    uint64_t naps, spins_won, sleeps, batch;
};

static struct share measure(const char *what)
{
    struct loop *loop = &model.loop;
    uint64_t naps, received, batches, won, sleeps;

    run(LEARN);
    naps = loop->naps;
    received = loop->received;
    batches = loop->batches;
    won = load_relaxed(&model.counters.spins_won); /* relaxed: one thread here */
    sleeps = load_relaxed(&model.counters.sleeps); /* relaxed: as above */
    run(MEASURE);
    received = loop->received - received;
    batches = loop->batches - batches;
    struct share share = {.naps = 100 * (loop->naps - naps) / batches,
                          /* relaxed: one thread here */
                          .spins_won =
                              100 * (load_relaxed(&model.counters.spins_won) - won) / batches,
                          .sleeps = 100 * (load_relaxed(&model.counters.sleeps) - sleeps) /
                                    batches, /* relaxed: as above */
                          .batch = 100 * received / batches};
    printf("\n    %s: of 100 receives %llu after a nap, %llu after a spin, %llu after a sleep; "
           "%llu commands in 100",
           what, (unsigned long long)share.naps, (unsigned long long)share.spins_won,
           (unsigned long long)share.sleeps, (unsigned long long)share.batch);
    return share;
}

static void one_command_at_a_time_is_spun_for(void)
{
    begin();
    attach(1, 1, 6000, 0);
    struct share share = measure("depth 1");
    CU_ASSERT_TRUE(share.spins_won > 80);
    CU_ASSERT_TRUE(share.sleeps < 10);
    CU_ASSERT_TRUE(share.naps < 10);
}

static void a_deep_queue_is_napped_for(void)
{
    begin();
    attach(1, 32, 3000, 1500);
    struct share share = measure("depth 32");
    CU_ASSERT_TRUE(share.naps > 40); /* each nap stands between two receives */
    CU_ASSERT_TRUE(share.batch > 400);
    CU_ASSERT_TRUE(share.spins_won < 10);
}

static void several_hosts_of_one_command_are_not_napped_for(void)
{
    begin();
    attach(4, 1, 6000, 0);
    struct share share = measure("4 connections, depth 1");
    CU_ASSERT_TRUE(share.naps < 10);
    begin(); /* they come together: a sleep collects them, a spin would not */
    attach(4, 1, 20000, 0);
    share = measure("4 connections, depth 1, slower");
    CU_ASSERT_TRUE(share.naps < 10);
    CU_ASSERT_TRUE(share.spins_won < 10);
}

static void several_deep_queues_are_napped_for(void)
{
    begin();
    attach(4, 8, 3000, 1500);
    struct share share = measure("4 connections, depth 8");
    CU_ASSERT_TRUE(share.batch > 200);
    CU_ASSERT_TRUE(share.spins_won < 10);
}

static void rare_commands_cost_no_spinning(void)
{
    begin();
    attach(1, 1, 1000000, 0);
    struct share share = measure("depth 1, a command a millisecond");
    CU_ASSERT_EQUAL(share.spins_won, 0);
    CU_ASSERT_TRUE(share.sleeps > 90);
    /* relaxed: one thread here */
    CU_ASSERT_TRUE(load_relaxed(&model.counters.spins_lost) < 10);
}

static void work_that_changes_is_followed(void)
{
    begin();
    for (int round = 0; round < 3; round++) {
        attach(1, 1, 6000, 0);
        CU_ASSERT_TRUE(measure("depth 1 again").spins_won > 80);
        detach_all();
        attach(1, 32, 3000, 1500);
        CU_ASSERT_TRUE(measure("depth 32 again").batch > 400);
        detach_all();
    }
}

/* Where a peer has a part in it, batches come by themselves. */
static void what_peers_do_is_not_napped_for(void)
{
    begin();
    attach(1, 32, 3000, 1500);
    for (int i = 0; i < MEASURE; i++) {
        count_up(&model.counters.redirected_out, 1);
        run(1);
    }
    CU_ASSERT_EQUAL(model.loop.naps, 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"one command at a time is spun for", one_command_at_a_time_is_spun_for},
        {"a deep queue is napped for", a_deep_queue_is_napped_for},
        {"several hosts of one command are not napped for",
         several_hosts_of_one_command_are_not_napped_for},
        {"several deep queues are napped for", several_deep_queues_are_napped_for},
        {"rare commands cost no spinning", rare_commands_cost_no_spinning},
        {"work that changes is followed", work_that_changes_is_followed},
        {"what peers do is not napped for", what_peers_do_is_not_napped_for},
    };
    return UNIT_RUN("idle", tests);
}
