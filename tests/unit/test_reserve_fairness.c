/*
 * First come, first served: while a command waits for its block, each other host is served before
 * it at most once, however many hosts there are and however their steps fall together. So no wait
 * is longer than the queue, whatever a clock may say of a busy machine.
 *
 * Hosts of four controllers want the same block again and again. A random host takes a step each
 * time; a seed repeats a run (ANYPORT_TEST_SEED).
 */
#include <stdlib.h>
#include <time.h>

#include "tests/unit/table.h"
#include "tests/unit/unit.h"

enum { HOSTS_MAX = 512, STEPS = 1000000, STEPS_AT_WORK = 3 };

enum state { IDLE, HELD, WITHOUT_PLACE, AT_WORK };

struct host {
    struct reservation reservation;
    enum state state;
    bool handed;            /* told that it may look again */
    uint32_t served_before; /* others, while it waited */
    uint32_t steps_at_work;
};

struct crowd {
    struct table table;
    struct host hosts[HOSTS_MAX];
    uint32_t count;
    bool places[TABLE_SEATS];  /* told that there may be a place */
    uint32_t queue[HOSTS_MAX]; /* those without a place, the first first */
    uint32_t queued;
    uint32_t served, full, most_served_before;
    uint32_t waits[4 * HOSTS_MAX + 1]; /* how many waits had so many others served before */
    uint32_t random;
};

static uint32_t random_below(struct crowd *crowd, uint32_t end)
{
    crowd->random = crowd->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)crowd->random * end >> 32);
}

static struct coordination *seat_of(struct crowd *crowd, const struct host *host)
{
    return &crowd->table.seats[(host - crowd->hosts) % TABLE_SEATS];
}

static void note(void *context, uint32_t seat, uint32_t cookie, uint32_t generation)
{
    struct crowd *crowd = context;

    if (cookie == RESERVE_COOKIE_FULL)
        crowd->places[seat] = true;
    else if (crowd->hosts[cookie].reservation.generation == generation)
        crowd->hosts[cookie].handed = true;
}

static void serve(struct crowd *crowd, struct host *host)
{
    for (uint32_t i = 0; i < crowd->count; i++) {
        enum state state = crowd->hosts[i].state;
        if (&crowd->hosts[i] != host && (state == HELD || state == WITHOUT_PLACE))
            crowd->hosts[i].served_before++;
    }
    if (host->served_before > crowd->most_served_before)
        crowd->most_served_before = host->served_before;
    crowd->waits[host->served_before < 4 * HOSTS_MAX ? host->served_before : 4 * HOSTS_MAX]++;
    crowd->served++;
    host->state = AT_WORK;
    host->steps_at_work = 1 + random_below(crowd, STEPS_AT_WORK);
}

static void take(struct crowd *crowd, struct host *host, enum reserve_verdict verdict)
{
    host->handed = false;
    switch (verdict) {
    case RESERVE_GRANTED:
        serve(crowd, host);
        break;
    case RESERVE_HELD:
        host->state = HELD;
        break;
    case RESERVE_FULL:
        host->state = WITHOUT_PLACE;
        crowd->full++;
        crowd->queue[crowd->queued++] = (uint32_t)(host - crowd->hosts);
        break;
    }
}

/* All of a controller that wait for a place, in their order, as the path does it. */
static void look_for_places(struct crowd *crowd, uint32_t seat)
{
    uint32_t queued = crowd->queued, all[HOSTS_MAX];

    crowd->places[seat] = false;
    memcpy(all, crowd->queue, queued * sizeof all[0]);
    crowd->queued = 0;
    for (uint32_t i = 0; i < queued; i++) {
        struct host *host = &crowd->hosts[all[i]];
        if (all[i] % TABLE_SEATS == seat)
            take(crowd, host, reserve_continue(seat_of(crowd, host), &host->reservation, 0));
        else
            crowd->queue[crowd->queued++] = all[i];
    }
}

static void step(struct crowd *crowd, struct host *host)
{
    struct coordination *c = seat_of(crowd, host);
    uint32_t number = (uint32_t)(host - crowd->hosts);

    if (crowd->places[c->seat])
        look_for_places(crowd, c->seat);
    switch (host->state) {
    case IDLE:
        host->reservation = wish(8192, 4096, true, number);
        host->served_before = 0;
        take(crowd, host, reserve_start(c, &host->reservation, 0));
        break;
    case HELD:
        if (host->handed)
            take(crowd, host, reserve_continue(c, &host->reservation, 0));
        break;
    case WITHOUT_PLACE:
        break;
    case AT_WORK:
        if (--host->steps_at_work == 0) {
            reserve_release(c, &host->reservation);
            host->state = IDLE;
        }
        break;
    }
}

/* The wait that half of all waits do not exceed, in others served. */
static uint32_t median_wait(const struct crowd *crowd)
{
    uint32_t seen = 0, wait = 0;

    while ((seen += crowd->waits[wait]) * 2 < crowd->served)
        wait++;
    return wait;
}

static void on_one_block(uint32_t hosts, uint32_t most_allowed)
{
    struct crowd *crowd = calloc(1, sizeof *crowd);
    const char *seed = getenv("ANYPORT_TEST_SEED");

    assert(crowd != NULL && hosts <= HOSTS_MAX);
    crowd->random = seed != NULL ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)time(NULL);
    crowd->count = hosts;
    printf("\n      %u hosts, seed %u: ", hosts, crowd->random);
    table_open(&crowd->table, 1 << 20);
    for (uint32_t seat = 0; seat < TABLE_SEATS; seat++) {
        crowd->table.seats[seat].notify = note;
        crowd->table.seats[seat].context = crowd;
    }
    for (uint32_t i = 0; i < STEPS; i++)
        step(crowd, &crowd->hosts[random_below(crowd, hosts)]);
    printf("%u served; at most %u others before one that waited, median %u; %u times full ",
           crowd->served, crowd->most_served_before, median_wait(crowd), crowd->full);
    CU_ASSERT(crowd->served > STEPS / (4 * hosts));
    CU_ASSERT(crowd->most_served_before <= most_allowed);
    table_close(&crowd->table);
    free(crowd);
}

static void eight_hosts_are_served_in_turn(void)
{
    on_one_block(8, 7);
}

static void twenty_four_hosts_are_served_in_turn(void)
{
    on_one_block(24, 23);
}

static void sixty_four_hosts_are_served_in_turn(void)
{
    on_one_block(64, 63);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"eight hosts are served in turn", eight_hosts_are_served_in_turn},
        {"twenty-four hosts are served in turn", twenty_four_hosts_are_served_in_turn},
        {"sixty-four hosts are served in turn", sixty_four_hosts_are_served_in_turn},
    };
    return UNIT_RUN("reserve_fairness", tests);
}
