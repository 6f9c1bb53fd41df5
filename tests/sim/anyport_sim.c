/*
 * anyport-sim: runs seeds of the simulation.
 *
 *      anyport-sim [--seed S] [--seeds N] [--trace] [--find]
 *
 * N seeds from S on (S by default 1, N 1). Each prints one line when it fails, a single one also
 * when it does not; what is printed of a seed is the same each time. Exits 1 when one failed.
 * With --find it is told to find a defect: it ends with the first seed that fails, and exits 1 when
 * none did.
 *
 * ANYPORT_TEST_SEED=K begins K seeds later; with ANYPORT_TEST_LONG=1 a row of seeds is 20 times as
 * long, and does not meet another row's.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/sim/world.h"

enum { LONG_TIMES = 20, LONG_STRIDE = 1 << 20 };

static uint64_t seed_now;
static bool find;

/* An assertion of the program failed: which seed it was. */
static void aborted(int signal_number)
{
    char text[64];
    int length =
        snprintf(text, sizeof text, "seed %" PRIu64 ": signal %d\n", seed_now, signal_number);

    (void)!write(STDERR_FILENO, text, (size_t)length);
    if (find)
        _exit(0);
}

/* What controllers say of deaths and failures is a part of what happens, and of no interest when
 * thousands of them do. */
static ssize_t say(void *cookie, const char *text, size_t bytes)
{
    (void)cookie;
    if (bytes >= 8 && memcmp(text, "anyport:", 8) == 0) {
        if (sim_world != NULL)
            sim_note(sim_world, "%.*s", (int)bytes - 1, text);
        return (ssize_t)bytes;
    }
    return write(STDERR_FILENO, text, bytes);
}

static void listen_to_controllers(void)
{
    FILE *out = fopencookie(NULL, "w", (cookie_io_functions_t){.write = say});

    if (out == NULL)
        return;
    setvbuf(out, NULL, _IOLBF, 1024);
    stderr = out;
}

static bool run(uint64_t seed, bool trace, bool alone)
{
    struct world *world = calloc(1, sizeof *world);

    if (world == NULL)
        abort();
    seed_now = seed;
    bool good = sim_run(world, seed, trace ? stdout : NULL);
    if (!good || alone)
        printf("seed %" PRIu64 ": %s: trace %016" PRIx64 ", %" PRIu64 " steps, %u lives%s%s\n",
               seed, good ? "ok" : "FAILED", world->hash, world->steps, world->life,
               good ? "" : ": ", world->failure);
    sim_done(world);
    free(world);
    return good;
}

static int run_row(uint64_t first, uint64_t count, bool trace)
{
    uint64_t failed = 0, seed = first;

    while (seed < first + count && !(find && failed > 0))
        failed += !run(seed++, trace, count == 1);
    if (count > 1)
        printf("%" PRIu64 " seeds from %" PRIu64 " on, %" PRIu64 " failed\n", seed - first, first,
               failed);
    return (failed != 0) != find;
}

static uint64_t from_environment(const char *name)
{
    const char *text = getenv(name);

    return text == NULL ? 0 : strtoull(text, NULL, 0);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"find", no_argument, NULL, 'f'},
                                            {0}};
    uint64_t first = 1, count = 1;
    bool trace = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 's')
            first = strtoull(optarg, NULL, 0);
        else if (option == 'n')
            count = strtoull(optarg, NULL, 0);
        else if (option == 't')
            trace = true;
        else if (option == 'f')
            find = true;
        else
            return 2;
    }
    if (count > 1 && !find && from_environment("ANYPORT_TEST_LONG") != 0) {
        first *= LONG_STRIDE;
        count *= LONG_TIMES;
    }
    first += from_environment("ANYPORT_TEST_SEED");
    signal(SIGABRT, aborted);
    listen_to_controllers();
    return run_row(first, count, trace);
}
