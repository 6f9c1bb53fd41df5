#include "tests/unit/unit.h"
#include "tools/top_rates.h"

#define SECOND 1000000000ull

static const struct looks one_second = {.before_ns = 5 * SECOND, .after_ns = 6 * SECOND};
static const struct looks half_a_second = {.before_ns = 5 * SECOND, .after_ns = 11 * SECOND / 2};
static const struct looks no_time = {.before_ns = 5 * SECOND, .after_ns = 5 * SECOND};

static bool near(double found, double wanted)
{
    return found > wanted - 1e-6 && found < wanted + 1e-6;
}

static void rates_are_differences_over_time(void)
{
    struct io_values before = {.reads = 100, .writes = 50, .flushes = 7, .read_bytes = 4096},
                     after = {.reads = 300, .writes = 60, .flushes = 8, .read_bytes = 8192};
    struct io_rates rates = rates_of_io(&half_a_second, &before, &after);

    CU_ASSERT(near(rates.reads, 400));
    CU_ASSERT(near(rates.writes, 20));
    CU_ASSERT(near(rates.others, 2));
    CU_ASSERT(near(rates.bytes, 8192));
}

static void latency_is_the_mean_of_what_ended(void)
{
    struct io_values before = {.reads = 10, .trims = 1, .latency_ns = 1000000},
                     after = {.reads = 13, .trims = 2, .latency_ns = 1200000};

    CU_ASSERT(near(rates_of_io(&one_second, &before, &after).latency_us, 50));
    CU_ASSERT(near(rates_of_io(&one_second, &after, &after).latency_us, 0));
}

static void levels_and_errors_are_as_they_are(void)
{
    struct io_values before = {.in_flight = 9, .errors = 2}, after = {.in_flight = 3, .errors = 5};
    struct io_rates rates = rates_of_io(&one_second, &before, &after);

    CU_ASSERT(rates.depth == 3);
    CU_ASSERT(rates.errors == 5);
}

static void no_time_gives_no_rates(void)
{
    struct io_values before = {0}, after = {.reads = 5};
    struct controller_values idle = {0}, busy = {.executed = 5, .turns = 9};

    CU_ASSERT(near(rates_of_io(&no_time, &before, &after).reads, 0));
    CU_ASSERT(near(rates_of_controller(&no_time, &idle, &busy).executed, 0));
    CU_ASSERT(near(rates_of_controller(&no_time, &idle, &busy).busy, 0));
}

static void a_counter_that_shrank_has_not_moved(void)
{
    struct io_values before = {.reads = 1000, .latency_ns = 5000}, after = {.reads = 3};
    struct io_rates rates = rates_of_io(&one_second, &before, &after);

    CU_ASSERT(near(rates.reads, 0));
    CU_ASSERT(near(rates.latency_us, 0));
}

static void a_controllers_rates(void)
{
    struct controller_values before = {.executed = 10, .redirected_out = 20, .bytes_sent = 1000},
                             after = {.executed = 20,
                                      .redirected_out = 50,
                                      .redirected_in = 7,
                                      .bytes_sent = 3000,
                                      .bytes_received = 500,
                                      .host_latency_ns = 8000000,
                                      .host_in_flight = 4,
                                      .peer_in_flight = 2,
                                      .connections = 3};
    struct controller_rates rates = rates_of_controller(&one_second, &before, &after);

    CU_ASSERT(near(rates.executed, 10));
    CU_ASSERT(near(rates.redirected_out, 30));
    CU_ASSERT(near(rates.redirected_in, 7));
    CU_ASSERT(near(rates.bytes, 2500));
    CU_ASSERT(near(rates.latency_us, 200));
    CU_ASSERT(rates.in_flight == 6);
    CU_ASSERT(rates.connections == 3);
}

static void busy_is_the_time_not_asleep(void)
{
    struct controller_values before = {.idle_ns = 3 * SECOND},
                             after = {.idle_ns = 3 * SECOND + SECOND / 4};

    CU_ASSERT(near(rates_of_controller(&one_second, &before, &after).busy, 0.75));
    CU_ASSERT(near(rates_of_controller(&one_second, &before, &before).busy, 1));
}

static void a_sleep_that_has_not_ended_counts(void)
{
    struct controller_values awake = {.idle_ns = SECOND};
    struct controller_values asleep = {.idle_ns = SECOND, .asleep_since_ns = 11 * SECOND / 2};
    struct controller_values asleep_long = {.idle_ns = SECOND, .asleep_since_ns = 2 * SECOND};

    CU_ASSERT(near(rates_of_controller(&one_second, &awake, &asleep).busy, 0.5));
    CU_ASSERT(near(rates_of_controller(&one_second, &asleep_long, &asleep_long).busy, 0));
}

/* What was slept before the first look belongs to the time before it. */
static void a_sleep_across_a_look_is_divided(void)
{
    struct controller_values before = {.idle_ns = 0, .asleep_since_ns = 4 * SECOND},
                             after = {.idle_ns = SECOND + SECOND / 2};

    CU_ASSERT(near(rates_of_controller(&one_second, &before, &after).busy, 0.5));
}

/* The counters are read one after the other, so more can seem to be slept than there was time. */
static void busy_stays_within_its_bounds(void)
{
    struct controller_values before = {0}, after = {.idle_ns = 2 * SECOND};

    CU_ASSERT(near(rates_of_controller(&one_second, &before, &after).busy, 0));
}

static void a_links_rates(void)
{
    struct link_values before = {.requests = 1, .answers = 1, .batches = 1},
                       after = {.requests = 41, .answers = 21, .batches = 11, .full = 2};
    struct link_rates rates = rates_of_link(&one_second, &before, &after);

    CU_ASSERT(near(rates.requests, 40));
    CU_ASSERT(near(rates.answers, 20));
    CU_ASSERT(near(rates.batch, 6));
    CU_ASSERT(rates.full == 2);
    CU_ASSERT(near(rates_of_link(&one_second, &after, &after).batch, 0));
}

/* Those that are held still have not been held for a time that is known. */
static void how_controllers_coordinate(void)
{
    struct coordination_values before = {.granted = 10,
                                         .held = 3,
                                         .held_ns = 5000,
                                         .full = 7,
                                         .held_histogram = {[10] = 2}},
                               after = {.granted = 30,
                                        .held = 9,
                                        .held_ns = 45000,
                                        .handed_off = 4,
                                        .full = 8,
                                        .held_histogram = {[10] = 4, [13] = 2}};
    struct coordination_rates rates = rates_of_coordination(&half_a_second, &before, &after);

    CU_ASSERT(near(rates.granted, 40));
    CU_ASSERT(near(rates.held, 12));
    CU_ASSERT(near(rates.handed_off, 8));
    CU_ASSERT(near(rates.full, 2));
    CU_ASSERT(near(rates.held_us, 10));
    CU_ASSERT(near(rates_of_coordination(&one_second, &after, &after).held_us, 0));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"rates are differences over time", rates_are_differences_over_time},
        {"latency is the mean of what ended", latency_is_the_mean_of_what_ended},
        {"levels and errors are as they are", levels_and_errors_are_as_they_are},
        {"no time gives no rates", no_time_gives_no_rates},
        {"a counter that shrank has not moved", a_counter_that_shrank_has_not_moved},
        {"a controller's rates", a_controllers_rates},
        {"busy is the time not asleep", busy_is_the_time_not_asleep},
        {"a sleep that has not ended counts", a_sleep_that_has_not_ended_counts},
        {"a sleep across a look is divided", a_sleep_across_a_look_is_divided},
        {"busy stays within its bounds", busy_stays_within_its_bounds},
        {"a link's rates", a_links_rates},
        {"how controllers coordinate", how_controllers_coordinate},
    };

    return UNIT_RUN("top rates", tests);
}
