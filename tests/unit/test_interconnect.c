/*
 * The models of the interconnect against closed forms: when transfers arrive that meet nobody, that
 * queue, and that many processes send at once; and what is counted.
 */
#include "shm/interconnect.h"

#include <pthread.h>

#include "shm/link.h"
#include "tests/unit/unit.h"

enum { CONTROLLERS = 4, LATENCY = 700, HOP = 50, BYTES = 4096 };

/* A byte takes a nanosecond. */
static const struct interconnect_settings serial = {
    .model = MODEL_SERIAL, .latency_ns = LATENCY, .bandwidth = 1000000000};
static const struct interconnect_settings loop = {
    .model = MODEL_LOOP, .latency_ns = LATENCY, .bandwidth = 1000000000, .hop_delay_ns = HOP};
static const struct interconnect_settings crossbar = {
    .model = MODEL_SWITCH, .latency_ns = LATENCY, .bandwidth = 1000000000};

static struct segment new_segment(void)
{
    const struct segment_wanted wanted = {.controllers = CONTROLLERS,
                                          .elements = 1,
                                          .volumes = 1,
                                          .slots = 1,
                                          .ring_entries = 2,
                                          .buffers_bytes = BLOCK_BYTES};
    struct segment segment = {.fd = -1};

    CU_ASSERT_EQUAL_FATAL(segment_create(&segment, &wanted, "lab"), 0);
    return segment;
}

static uint64_t pass(const struct segment *segment, const struct interconnect_settings *settings,
                     uint32_t source, uint32_t target, uint64_t enter_ns)
{
    const struct interconnect_transfer transfer = {
        .source = source, .target = target, .bytes = BYTES, .enter_ns = enter_ns};

    return interconnect_pass(segment, settings, &transfer);
}

static void bytes_take_their_time(void)
{
    CU_ASSERT_EQUAL(wire_transfer_ns(0, 1000000000), 0);
    CU_ASSERT_EQUAL(wire_transfer_ns(1, 1000000000), 1);
    CU_ASSERT_EQUAL(wire_transfer_ns(1, 3000000000), 1); /* rounded up */
    CU_ASSERT_EQUAL(wire_transfer_ns(3, 2000000000), 2);
    CU_ASSERT_EQUAL(wire_transfer_ns(PAYLOAD_BYTES_MAX, INTERCONNECT_BANDWIDTH_MIN),
                    32 * 1000000000ull);
    CU_ASSERT_EQUAL(wire_transfer_ns(1ull << 34, 1 << 20), 16384 * 1000000000ull);
    CU_ASSERT_EQUAL(wire_transfer_ns(BYTES, 0), 0);
}

static void a_wire_is_taken_once_at_a_time(void)
{
    _Atomic uint64_t busy_until_ns = 0;

    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 1000, 10), 1000);
    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 1000, 10), 1010);
    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 1005, 10), 1020);
    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 5000, 10), 5000); /* it was idle meanwhile */
    busy_until_ns = UINT64_MAX;                                 /* damaged */
    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 6000, 10), 6000);
    CU_ASSERT_EQUAL(wire_take(&busy_until_ns, 6000, 10), 6010);
}

static void serial_links_do_not_meet(void)
{
    struct segment segment = new_segment();
    const uint64_t alone = BYTES + LATENCY;

    CU_ASSERT_EQUAL(pass(&segment, &serial, 0, 1, 1000), 1000 + alone);
    CU_ASSERT_EQUAL(pass(&segment, &serial, 0, 2, 1000), 1000 + alone);
    CU_ASSERT_EQUAL(pass(&segment, &serial, 1, 0, 1000), 1000 + alone); /* the way back */
    /* Two on one wire take twice as long, but for the latency, which they share. */
    CU_ASSERT_EQUAL(pass(&segment, &serial, 0, 1, 1000), 1000 + BYTES + alone);
    for (uint64_t i = 2; i < 100; i++)
        CU_ASSERT_EQUAL(pass(&segment, &serial, 0, 1, 1000), 1000 + i * BYTES + alone);
    segment_done(&segment);
}

static void on_a_loop_all_share_a_wire(void)
{
    struct segment segment = new_segment();
    const uint64_t hold = CONTROLLERS * HOP + BYTES;

    CU_ASSERT_EQUAL(pass(&segment, &loop, 0, 1, 1000), 1000 + hold + HOP + LATENCY);
    CU_ASSERT_EQUAL(pass(&segment, &loop, 2, 3, 1000), 1000 + 2 * hold + HOP + LATENCY);
    /* It has one direction: back is the long way. */
    CU_ASSERT_EQUAL(pass(&segment, &loop, 1, 0, 1000), 1000 + 3 * hold + 3 * HOP + LATENCY);
    CU_ASSERT_EQUAL(pass(&segment, &loop, 0, 2, 100000), 100000 + hold + 2 * HOP + LATENCY);
    segment_done(&segment);
}

static void a_switch_keeps_pairs_apart_and_ports_together(void)
{
    struct segment segment = new_segment();
    const uint64_t alone = LATENCY + BYTES;

    CU_ASSERT_EQUAL(pass(&segment, &crossbar, 0, 1, 1000), 1000 + alone);
    CU_ASSERT_EQUAL(pass(&segment, &crossbar, 2, 3, 1000), 1000 + alone); /* another pair */
    CU_ASSERT_EQUAL(pass(&segment, &crossbar, 1, 0, 1000), 1000 + alone); /* the way back */
    /* The port of the target is busy; then that of the source. */
    CU_ASSERT_EQUAL(pass(&segment, &crossbar, 3, 1, 1000), 1000 + BYTES + alone);
    CU_ASSERT_EQUAL(pass(&segment, &crossbar, 0, 2, 1000), 1000 + BYTES + alone);
    segment_done(&segment);
}

static void fabrics_have_wires_of_their_own(void)
{
    const struct interconnect_settings *const all[] = {&serial, &loop, &crossbar};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct segment segment = new_segment();
        struct interconnect_transfer transfer = {.target = 1, .bytes = BYTES, .enter_ns = 1000};
        uint64_t first = interconnect_pass(&segment, all[i], &transfer);
        transfer.fabric = 1;
        CU_ASSERT_EQUAL(interconnect_pass(&segment, all[i], &transfer), first);
        transfer.fabric = 0;
        CU_ASSERT_TRUE(interconnect_pass(&segment, all[i], &transfer) > first);
        segment_done(&segment);
    }
}

static void what_passes_is_counted(void)
{
    struct segment segment = new_segment();
    struct link_wires *wires = &segment_link(&segment, 0, 1, 0)->wires;

    for (int i = 0; i < 3; i++)
        (void)pass(&segment, &serial, 0, 1, 1000);
    CU_ASSERT_EQUAL(load_acquire(&wires->transfers), 3);
    CU_ASSERT_EQUAL(load_acquire(&wires->bytes), 3 * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&wires->busy_ns), 3 * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&wires->queued_ns), (1 + 2) * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&wires->queued_max_ns), 2 * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&segment_link(&segment, 1, 0, 0)->wires.transfers), 0);
    segment_done(&segment);
}

/* --- several at once --- */

enum { SENDERS = 4, TRANSFERS = 20000 };

static void *send_many(void *argument)
{
    const struct segment *segment = argument;

    for (int i = 0; i < TRANSFERS; i++)
        (void)pass(segment, &serial, 0, 1, 1000);
    return NULL;
}

static void no_time_is_given_twice(void)
{
    struct segment segment = new_segment();
    pthread_t threads[SENDERS];

    for (int i = 0; i < SENDERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, send_many, &segment), 0);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    const uint64_t all = (uint64_t)SENDERS * TRANSFERS;
    struct link_wires *wires = &segment_link(&segment, 0, 1, 0)->wires;
    CU_ASSERT_EQUAL(load_acquire(&wires->busy_until_ns[0]), 1000 + all * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&wires->queued_ns), all * (all - 1) / 2 * BYTES);
    CU_ASSERT_EQUAL(load_acquire(&wires->queued_max_ns), (all - 1) * BYTES);
    segment_done(&segment);
}

/* --- faults of a link are one word --- */

static void a_fault_says_what_was_put_in(void)
{
    static const struct link_fault faults[] = {
        {0},
        {.failed = true},
        {.loss_per_mille = LINK_LOSS_PER_MILLE_MAX},
        {.delay_ns = INTERCONNECT_TIME_NS_MAX},
        {.failed = true, .loss_per_mille = 123, .delay_ns = 456789}};

    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct link_fault seen = link_fault_unpack(link_fault_pack(faults[i]));
        CU_ASSERT_EQUAL(seen.failed, faults[i].failed);
        CU_ASSERT_EQUAL(seen.loss_per_mille, faults[i].loss_per_mille);
        CU_ASSERT_EQUAL(seen.delay_ns, faults[i].delay_ns);
    }
    CU_ASSERT_EQUAL(link_fault_pack(faults[0]), 0); /* a fresh segment works */
    struct link_fault worst = link_fault_unpack(UINT64_MAX);
    CU_ASSERT_EQUAL(worst.loss_per_mille, LINK_LOSS_PER_MILLE_MAX);
    CU_ASSERT_EQUAL(worst.delay_ns, INTERCONNECT_TIME_NS_MAX);
}

static void since_when_is_kept_while_it_stays_failed(void)
{
    struct segment segment = new_segment();
    struct link *link = segment_link(&segment, 0, 1, 0);

    link_inject(link, (struct link_fault){.failed = true}, 100);
    link_inject(link, (struct link_fault){.failed = true, .delay_ns = 5}, 200);
    CU_ASSERT_EQUAL(load_acquire(&link->failed_since_ns), 100);
    link_inject(link, (struct link_fault){.delay_ns = 5}, 300);
    CU_ASSERT_EQUAL(load_acquire(&link->failed_since_ns), 0);
    CU_ASSERT_FALSE(link_fault_of(link).failed);
    CU_ASSERT_EQUAL(link_fault_of(link).delay_ns, 5);
    segment_done(&segment);
}

static void models_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(interconnect_model_name(MODEL_DIRECT), "direct");
    CU_ASSERT_STRING_EQUAL(interconnect_model_name(MODEL_SWITCH), "switch");
    CU_ASSERT_STRING_EQUAL(interconnect_model_name(MODEL_SWITCH + 1), "unknown");
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"bytes take their time", bytes_take_their_time},
        {"a wire is taken once at a time", a_wire_is_taken_once_at_a_time},
        {"serial links do not meet", serial_links_do_not_meet},
        {"on a loop all share a wire", on_a_loop_all_share_a_wire},
        {"a switch keeps pairs apart and ports together",
         a_switch_keeps_pairs_apart_and_ports_together},
        {"fabrics have wires of their own", fabrics_have_wires_of_their_own},
        {"what passes is counted", what_passes_is_counted},
        {"no time is given twice", no_time_is_given_twice},
        {"a fault says what was put in", a_fault_says_what_was_put_in},
        {"since when is kept while it stays failed", since_when_is_kept_while_it_stays_failed},
        {"models have names", models_have_names},
    };
    return UNIT_RUN("interconnect", tests);
}
