#include "shm/interconnect.h"

#include <assert.h>

#define NS_PER_SECOND 1000000000ull

enum { TO_SWITCH = 0, FROM_SWITCH = 1 }; /* the wires of a controller's port */

/* What became of a transfer. */
struct passage {
    uint64_t hold_ns;   /* of the wire that it waited for first */
    uint64_t queued_ns; /* for all wires together */
    uint64_t arrive_ns;
};

uint64_t wire_transfer_ns(uint64_t bytes, uint64_t bandwidth)
{
    if (bandwidth == 0)
        return 0;
    return (bytes * NS_PER_SECOND + bandwidth - 1) / bandwidth;
}

uint64_t wire_take(_Atomic uint64_t *busy_until_ns, uint64_t enter_ns, uint64_t hold_ns)
{
    uint64_t busy = load_acquire(busy_until_ns), start_ns;

    do {
        /* Another process may have written anything here; nobody waits for ever because of it. */
        bool sane = busy <= enter_ns + WIRE_QUEUED_SECONDS_MAX * NS_PER_SECOND;
        start_ns = busy > enter_ns && sane ? busy : enter_ns;
        /* pairs with the same swap of others: each takes a time of its own */
    } while (!cas_acq_rel(busy_until_ns, &busy, start_ns + hold_ns));
    return start_ns;
}

static _Atomic uint64_t *wire_of(const struct segment *segment, uint32_t source, uint32_t target,
                                 uint32_t fabric, uint32_t which)
{
    return &segment_link(segment, source, target, fabric)->wires.busy_until_ns[which];
}

static struct passage pass_serial(const struct segment *segment,
                                  const struct interconnect_settings *settings,
                                  const struct interconnect_transfer *transfer)
{
    uint64_t hold_ns = wire_transfer_ns(transfer->bytes, settings->bandwidth);
    uint64_t start_ns =
        wire_take(wire_of(segment, transfer->source, transfer->target, transfer->fabric, 0),
                  transfer->enter_ns, hold_ns);

    return (struct passage){.hold_ns = hold_ns,
                            .queued_ns = start_ns - transfer->enter_ns,
                            .arrive_ns = start_ns + hold_ns + settings->latency_ns};
}

static struct passage pass_loop(const struct segment *segment,
                                const struct interconnect_settings *settings,
                                const struct interconnect_transfer *transfer)
{
    uint32_t ports = segment->geometry.controllers;
    uint32_t hops = (transfer->target + ports - transfer->source) % ports;
    uint64_t hold_ns =
        ports * settings->hop_delay_ns + wire_transfer_ns(transfer->bytes, settings->bandwidth);
    uint64_t start_ns =
        wire_take(wire_of(segment, 0, 0, transfer->fabric, 0), transfer->enter_ns, hold_ns);

    return (struct passage){.hold_ns = hold_ns,
                            .queued_ns = start_ns - transfer->enter_ns,
                            .arrive_ns = start_ns + hold_ns + hops * settings->hop_delay_ns +
                                         settings->latency_ns};
}

static struct passage pass_switch(const struct segment *segment,
                                  const struct interconnect_settings *settings,
                                  const struct interconnect_transfer *transfer)
{
    uint64_t hold_ns = wire_transfer_ns(transfer->bytes, settings->bandwidth);
    uint32_t source = transfer->source, target = transfer->target, fabric = transfer->fabric;
    uint64_t start_ns =
        wire_take(wire_of(segment, source, source, fabric, TO_SWITCH), transfer->enter_ns, hold_ns);
    uint64_t there_ns = start_ns + settings->latency_ns;
    uint64_t leave_ns =
        wire_take(wire_of(segment, target, target, fabric, FROM_SWITCH), there_ns, hold_ns);

    return (struct passage){.hold_ns = hold_ns,
                            .queued_ns = (start_ns - transfer->enter_ns) + (leave_ns - there_ns),
                            .arrive_ns = leave_ns + hold_ns};
}

/* relaxed: sums of many writers, which say nothing of other memory */
#define ADD(word, value) add_relaxed(&wires->word, (value))

static void count(struct link_wires *wires, uint64_t bytes, const struct passage *passage)
{
    ADD(transfers, 1);
    ADD(bytes, bytes);
    ADD(busy_ns, passage->hold_ns);
    ADD(queued_ns, passage->queued_ns);
    uint64_t longest_ns = load_acquire(&wires->queued_max_ns);
    while (passage->queued_ns > longest_ns &&
           /* pairs with the same swap of others: the longest stays */
           !cas_acq_rel(&wires->queued_max_ns, &longest_ns, passage->queued_ns))
        continue;
}

uint64_t interconnect_pass(const struct segment *segment,
                           const struct interconnect_settings *settings,
                           const struct interconnect_transfer *transfer)
{
    struct passage passage;

    assert(transfer->source != transfer->target);
    switch ((enum interconnect_model)settings->model) {
    case MODEL_LOOP:
        passage = pass_loop(segment, settings, transfer);
        break;
    case MODEL_SWITCH:
        passage = pass_switch(segment, settings, transfer);
        break;
    default:
        passage = pass_serial(segment, settings, transfer);
        break;
    }
    count(&segment_link(segment, transfer->source, transfer->target, transfer->fabric)->wires,
          transfer->bytes, &passage);
    return passage.arrive_ns;
}

const char *interconnect_model_name(uint32_t model)
{
    static const char *const names[] = {
#define X(value, name) [value] = name,
        INTERCONNECT_MODELS(X)
#undef X
    };

    return model < sizeof names / sizeof names[0] ? names[model] : "unknown";
}
