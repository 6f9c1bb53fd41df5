/*
 * Links that fail, lose and delay, and what the interconnect's models do to commands: the other
 * fabric, a third controller, waiting, and when it has waited long enough.
 */
#include <errno.h>
#include <time.h>

#include "controller/path/redirect.h"
#include "tests/unit/array.h"
#include "tests/unit/unit.h"

#define MS_NS 1000000ull

enum { ALL = 3 };

static const struct array_wanted three = {.controllers = 3,
                                          .slots = 16,
                                          .ring_entries = 16,
                                          .buffers_bytes = 4 << 20,
                                          .interconnect = {.wait_ns = 600000 * MS_NS}};

static const struct link_fault failed = {.failed = true}, works = {0};

static void inject(struct array *array, uint32_t source, uint32_t target, uint32_t fabrics,
                   struct link_fault fault)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if ((fabrics >> fabric & 1) != 0)
            array_inject(array, source, target, fabric, fault);
    }
}

static void inject_all(struct array *array, uint32_t fabrics, struct link_fault fault)
{
    uint32_t controllers = array->wanted.controllers;

    for (uint32_t i = 0; i < controllers * controllers; i++) {
        if (i / controllers != i % controllers)
            inject(array, i / controllers, i % controllers, fabrics, fault);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct job job_of(uint8_t op, uint32_t volume, uint32_t number)
{
    return (struct job){.op = op,
                        .volume = volume,
                        .offset_bytes = number * 4096,
                        .bytes = 4096,
                        .fill = (uint8_t)(number + 1)};
}

/* Host 0 writes to a volume, `count` commands at once. */
static void submit_writes(struct array *array, uint32_t volume, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        host_submit(array, 0, job_of(COMMAND_WRITE, volume, i));
}

static uint32_t ended_with(struct array *array, int32_t status)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < load_acquire(&array->hosts[0]->answered); i++)
        count += array->hosts[0]->jobs[i].replied && !array->hosts[0]->jobs[i].wrong &&
                 array->hosts[0]->jobs[i].status == status;
    return count;
}

static void write_and_read(struct array *array, uint32_t volume)
{
    uint32_t before = ended_with(array, 0);

    submit_writes(array, volume, 32);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    for (uint32_t i = 0; i < 32; i++)
        host_submit(array, 0, job_of(COMMAND_READ, volume, i));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(ended_with(array, 0) - before, 64);
}

static struct link_counters *counters_of(struct array *array, uint32_t source, uint32_t target,
                                         uint32_t fabric)
{
    return &segment_link(&array->segment, source, target, fabric)->counters;
}

static uint64_t counted(_Atomic uint64_t *counter)
{
    return load_relaxed(counter); /* relaxed: for a look from outside */
}

/* --- the other fabric --- */

static void one_fabric_suffices(void)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        struct array *array = array_start(&three);
        inject_all(array, 1u << fabric, failed);
        array_publish(array);
        write_and_read(array, 1);
        CU_ASSERT_EQUAL(counted(&counters_of(array, 0, 1, fabric)->sent), 0);
        CU_ASSERT_TRUE(counted(&counters_of(array, 0, 1, 1 - fabric)->sent) >= 64);
        CU_ASSERT_EQUAL(counted(&counters_of(array, 0, 1, 0)->moved) > 0, fabric == 0);
        inject_all(array, ALL, works);
        array_publish(array);
        uint64_t sent = counted(&counters_of(array, 0, 1, 0)->sent);
        write_and_read(array, 1);
        CU_ASSERT_TRUE(counted(&counters_of(array, 0, 1, 0)->sent) > sent);
        CU_ASSERT_EQUAL(array_stop(array), 0);
    }
}

static void without_sharing_the_redundant_fabric_is_idle(void)
{
    struct array *array = array_start(&three);

    write_and_read(array, 1);
    CU_ASSERT_TRUE(counted(&counters_of(array, 0, 1, 0)->sent) >= 64);
    CU_ASSERT_EQUAL(counted(&counters_of(array, 0, 1, 1)->sent), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void both_fabrics_share_the_load(void)
{
    struct array_wanted wanted = three;

    wanted.interconnect.share = 1;
    struct array *array = array_start(&wanted);
    write_and_read(array, 1);
    CU_ASSERT_TRUE(counted(&counters_of(array, 0, 1, 0)->requests) >= 32);
    CU_ASSERT_TRUE(counted(&counters_of(array, 0, 1, 1)->requests) >= 32);
    CU_ASSERT_TRUE(counted(&counters_of(array, 1, 0, 1)->answers) >= 32);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* Nobody consumes: the last seats are puppets. What was published, and what was not, is on the
 * other fabric's ring when the turn that noticed is over, in order. */
static void what_a_failed_link_did_not_deliver_moves(void)
{
    struct array_wanted wanted = three;

    wanted.puppets = wanted.controllers;
    wanted.ring_entries = 4;
    struct array *array = array_start(&wanted);
    struct element none[ARRAY_CONTROLLERS_MAX] = {{.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct controller_start start = {.segment = array->segment,
                                     .elements = none,
                                     .doorbells = array->doorbells,
                                     .notice_fd = array->notice_fd};
    struct ring_consumer redundant;
    struct controller *controller;
    uint64_t entries[4];
    const char *what;

    CU_ASSERT_EQUAL_FATAL(controller_new(&controller, &start, &what), 0);
    CU_ASSERT_EQUAL(
        ring_consumer_attach(&redundant, &segment_link(&array->segment, 0, 2, 1)->ring, 4), 0);
    for (uint32_t i = 0; i < 2; i++)
        peer_post(controller, 2, (struct doorbell){.index = i, .kind = DOORBELL_ANSWER});
    peers_flush(controller);
    peer_post(controller, 2, (struct doorbell){.index = 2, .kind = DOORBELL_ANSWER});
    array_inject(array, 0, 2, 0, failed);
    ways_update(controller);
    peers_flush(controller);
    CU_ASSERT_EQUAL_FATAL(ring_consume_spsc(&redundant, entries, 4), 3);
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(entries[i],
                        doorbell_pack((struct doorbell){.index = i, .kind = DOORBELL_ANSWER}));
    /* Without a link, by the third; without that, not at all. */
    peer_post(controller, 2, (struct doorbell){.index = 3, .kind = DOORBELL_HANDED});
    array_inject(array, 0, 2, 1, failed);
    ways_update(controller);
    CU_ASSERT_EQUAL(controller->peers.all[2].way.kind, WAY_RELAY);
    CU_ASSERT_EQUAL(controller->peers.all[1].outboxes[0].count, 1);
    inject(array, 1, 2, ALL, failed);
    ways_update(controller);
    CU_ASSERT_EQUAL(controller->peers.all[2].way.kind, WAY_NONE);
    CU_ASSERT_TRUE(peer_is_cut(&controller->peers.all[2]));
    controller_free(controller);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- a third controller --- */

static void a_third_controller_passes_on(void)
{
    for (int direction = 0; direction < 3; direction++) { /* requests, answers, both */
        struct array *array = array_start(&three);
        if (direction != 1)
            inject(array, 0, 1, ALL, failed);
        if (direction != 0)
            inject(array, 1, 0, ALL, failed);
        array_publish(array);
        write_and_read(array, 1);
        uint64_t there = counted(&counters_of(array, 2, 1, 0)->relayed);
        uint64_t back = counted(&counters_of(array, 2, 0, 0)->relayed);
        CU_ASSERT_EQUAL(there >= 64, direction != 1);
        CU_ASSERT_EQUAL(there == 0, direction == 1);
        CU_ASSERT_EQUAL(back >= 64, direction != 0);
        CU_ASSERT_EQUAL(back == 0, direction == 0);
        CU_ASSERT_EQUAL(counted(&segment_seat(&array->segment, 2)->counters.redirected_in), 0);
        CU_ASSERT_EQUAL(array_stop(array), 0);
    }
}

/* --- no way --- */

static void cut_off(struct array *array, uint32_t id, struct link_fault fault)
{
    for (uint32_t other = 0; other < 3; other++) {
        if (other == id)
            continue;
        inject(array, other, id, ALL, fault);
        inject(array, id, other, ALL, fault);
    }
    array_publish(array);
}

static void commands_wait_for_a_way(void)
{
    struct array *array = array_start(&three);

    cut_off(array, 1, failed);
    submit_writes(array, 1, 40); /* more than there are slots */
    uint32_t others = host_submit(array, 0, job_of(COMMAND_WRITE, 2, 0));
    CU_ASSERT_TRUE_FATAL(host_wait(array, 0, 1));
    CU_ASSERT_TRUE(array->hosts[0]->jobs[others].replied); /* it took no slot that this one needs */
    CU_ASSERT_EQUAL(load_acquire(&array->hosts[0]->answered), 1);
    cut_off(array, 1, works);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(ended_with(array, 0), 41);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void a_command_that_waited_too_long_fails(void)
{
    struct array_wanted wanted = three;

    wanted.interconnect.wait_ns = 100 * MS_NS;
    struct array *array = array_start(&wanted);
    write_and_read(array, 1);
    cut_off(array, 1, failed);
    uint64_t start_ns = now_ns();
    submit_writes(array, 1, 40);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_TRUE(now_ns() - start_ns >= 100 * MS_NS);
    CU_ASSERT_EQUAL(ended_with(array, -EIO), 40);
    write_and_read(array, 2);
    cut_off(array, 1, works);
    write_and_read(array, 1);
    CU_ASSERT_EQUAL(counted(&segment_seat(&array->segment, 0)->counters.slots_used), 0);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* The puppet at seat 2 claims what is posted to it, and is cut off before it answers. */
static void what_is_posted_when_the_ways_are_lost(void)
{
    struct array_wanted wanted = three;
    struct slot_request request;
    struct ring_consumer from;
    struct doorbell doorbell[2] = {0};
    uint64_t entries[2] = {0};
    uint32_t count = 0;

    wanted.puppets = 1;
    wanted.interconnect.wait_ns = 50 * MS_NS;
    struct array *array = array_start(&wanted);
    struct slot *slots = segment_slots(&array->segment, 0);
    CU_ASSERT_EQUAL(ring_consumer_attach(&from, &segment_link(&array->segment, 0, 2, 0)->ring, 16),
                    0);
    submit_writes(array, 2, 2);
    while (count < 2) {
        count += (uint32_t)ring_consume_spsc(&from, entries + count, 2 - count);
        for (uint32_t i = 0; i < count; i++)
            CU_ASSERT_TRUE(doorbell_unpack(entries[i], 16, &doorbell[i]));
        if (count == 2 && doorbell[0].index == doorbell[1].index)
            count = 1; /* one was announced again */
    }
    CU_ASSERT_TRUE(
        slot_claim(&slots[doorbell[0].index], doorbell[0].generation, 0, 1, 2, 1, &request));
    cut_off(array, 2, failed);
    CU_ASSERT_TRUE_FATAL(host_wait(array, 0, 1)); /* the one that was not claimed */
    CU_ASSERT_FALSE(
        slot_claim(&slots[doorbell[1].index], doorbell[1].generation, 0, 1, 2, 1, &request));
    CU_ASSERT_EQUAL(load_acquire(&array->hosts[0]->answered), 1);
    CU_ASSERT_TRUE(slot_complete(&slots[doorbell[0].index], doorbell[0].generation, 2, 1,
                                 &(struct slot_answer){0}));
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    CU_ASSERT_EQUAL(ended_with(array, -EIO), 2);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* --- delay and models --- */

static uint64_t time_of_one_ns(struct array *array, struct job job)
{
    uint64_t start_ns = now_ns();

    host_submit(array, 0, job);
    CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
    return now_ns() - start_ns;
}

static void a_delay_counts_in_each_direction(void)
{
    struct array *array = array_start(&three);
    const struct job job = job_of(COMMAND_WRITE, 1, 0);

    inject(array, 0, 1, ALL, (struct link_fault){.delay_ns = 30 * MS_NS});
    array_publish(array);
    CU_ASSERT_TRUE(time_of_one_ns(array, job) >= 30 * MS_NS);
    /* Longer than it takes a sweep to miss the answer. */
    inject(array, 1, 0, ALL, (struct link_fault){.delay_ns = 180 * MS_NS});
    array_publish(array);
    CU_ASSERT_TRUE(time_of_one_ns(array, job) >= 210 * MS_NS);
    CU_ASSERT_TRUE(time_of_one_ns(array, job_of(COMMAND_WRITE, 2, 0)) < 30 * MS_NS ||
                   time_of_one_ns(array, job_of(COMMAND_WRITE, 2, 0)) < 30 * MS_NS);
    CU_ASSERT_EQUAL(ended_with(array, 0), load_acquire(&array->hosts[0]->answered));
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

/* 16 writes of 256 KiB through a wire of 64 MiB a second take a quarter of a millisecond a KiB:
 * 62.5 ms; reads, whose payload comes back, as long. */
static void payload_takes_the_time_of_its_direction(void)
{
    static const uint8_t ops[] = {COMMAND_WRITE, COMMAND_READ};
    struct array_wanted wanted = three;
    const uint64_t payload = 256 << 10, wire_ns = wire_transfer_ns(16 * payload, 64 << 20);

    wanted.buffers_bytes = 16 << 20;
    wanted.interconnect.model = MODEL_SERIAL;
    wanted.interconnect.bandwidth = 64 << 20;
    struct array *array = array_start(&wanted);
    for (int i = 0; i < 2; i++) {
        uint64_t start_ns = now_ns();
        for (uint32_t number = 0; number < 16; number++)
            host_submit(array, 0,
                        (struct job){.op = ops[i],
                                     .volume = 1,
                                     .offset_bytes = number * payload,
                                     .bytes = payload,
                                     .fill = 9});
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, 0));
        CU_ASSERT_TRUE(now_ns() - start_ns >= wire_ns);
    }
    CU_ASSERT_EQUAL(ended_with(array, 0), 32);
    struct link_wires *there = &segment_link(&array->segment, 0, 1, 0)->wires;
    struct link_wires *back = &segment_link(&array->segment, 1, 0, 0)->wires;
    CU_ASSERT_TRUE(counted(&there->bytes) >= 16 * payload + 32 * INTERCONNECT_REQUEST_BYTES);
    CU_ASSERT_TRUE(counted(&there->bytes) < 17 * payload);
    CU_ASSERT_TRUE(counted(&back->bytes) >= 16 * payload + 32 * INTERCONNECT_ANSWER_BYTES);
    CU_ASSERT_TRUE(counted(&back->bytes) < 17 * payload);
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

static void commands_work_under_every_model(void)
{
    for (uint32_t model = MODEL_DIRECT; model <= MODEL_SWITCH; model++) {
        struct array_wanted wanted = three;
        wanted.interconnect = (struct interconnect_settings){.model = model,
                                                             .latency_ns = 20000,
                                                             .bandwidth = 1000000000,
                                                             .hop_delay_ns = 240,
                                                             .wait_ns = 600000 * MS_NS};
        struct array *array = array_start(&wanted);
        write_and_read(array, 1);
        inject(array, 0, 1, ALL, failed); /* a relay goes by two wires */
        array_publish(array);
        write_and_read(array, 1);
        CU_ASSERT_EQUAL(counted(&segment_link(&array->segment, 2, 1, 0)->wires.transfers) >= 64,
                        model != MODEL_DIRECT);
        CU_ASSERT_EQUAL(array_stop(array), 0);
    }
}

/* --- coordination --- */

/* Hand-offs and places are doorbells as well: commands that wait for each other go on. */
static void commands_that_are_held_go_on_over_lossy_links(void)
{
    struct array_wanted wanted = three;

    wanted.layout = LAYOUT_MIRROR;
    wanted.copies = 3;
    struct array *array = array_start(&wanted);
    inject_all(array, ALL, (struct link_fault){.loss_per_mille = 100});
    array_publish(array);
    for (uint32_t i = 0; i < 300; i++)
        for (uint32_t host = 0; host < 3; host++)
            host_submit(array, host, job_of(COMMAND_WRITE, array_virtual(array), i % 4));
    for (uint32_t host = 0; host < 3; host++) {
        CU_ASSERT_TRUE_FATAL(host_wait_all(array, host));
        for (uint32_t i = 0; i < 300; i++)
            CU_ASSERT_EQUAL(array->hosts[host]->jobs[i].status, 0);
    }
    CU_ASSERT_EQUAL(array_stop(array), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"one fabric suffices", one_fabric_suffices},
        {"without sharing the redundant fabric is idle",
         without_sharing_the_redundant_fabric_is_idle},
        {"both fabrics share the load", both_fabrics_share_the_load},
        {"what a failed link did not deliver moves", what_a_failed_link_did_not_deliver_moves},
        {"a third controller passes on", a_third_controller_passes_on},
        {"commands wait for a way", commands_wait_for_a_way},
        {"a command that waited too long fails", a_command_that_waited_too_long_fails},
        {"what is posted when the ways are lost", what_is_posted_when_the_ways_are_lost},
        {"a delay counts in each direction", a_delay_counts_in_each_direction},
        {"payload takes the time of its direction", payload_takes_the_time_of_its_direction},
        {"commands work under every model", commands_work_under_every_model},
        {"commands that are held go on over lossy links",
         commands_that_are_held_go_on_over_lossy_links},
    };
    return UNIT_RUN("path links", tests);
}
