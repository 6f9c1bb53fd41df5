/*
 * The sending half of peers: into which outbox a doorbell goes, and when outboxes are published.
 */
#include <stdio.h>

#include "controller/controller.h"
#include "shm/crash_point.h"

enum { DUE_SOON_NS = 20000 }; /* falling asleep and being woken takes longer */

/* --- posting --- */

/* When what goes by this way arrives: under a model, when wires were free for it, on both links if
 * it is relayed; whoever passes it on does not look at wires again. */
static uint64_t arrival_ns(const struct controller *controller, const struct way *way,
                           uint32_t target, uint32_t fabric, uint64_t bytes, uint64_t now_ns)
{
    struct interconnect_transfer transfer = {.source = controller->id,
                                             .target = target,
                                             .fabric = fabric,
                                             .bytes = bytes,
                                             .enter_ns = now_ns};

    if (controller->interconnect.model == MODEL_DIRECT)
        return now_ns;
    if (way->kind == WAY_RELAY) {
        transfer.target = way->relay;
        transfer.enter_ns =
            interconnect_pass(&controller->segment, &controller->interconnect, &transfer);
        transfer.source = way->relay;
        transfer.target = target;
        transfer.fabric = way->relay_fabric;
    }
    return interconnect_pass(&controller->segment, &controller->interconnect, &transfer);
}

static uint64_t bytes_of(enum doorbell_kind kind)
{
    return kind == DOORBELL_REQUEST  ? INTERCONNECT_REQUEST_BYTES
           : kind == DOORBELL_ANSWER ? INTERCONNECT_ANSWER_BYTES
                                     : INTERCONNECT_NOTICE_BYTES;
}

static void count_posted(const struct peer *peer, struct outbox *outbox, enum doorbell_kind kind)
{
    struct link_counters *counters = &outbox->link->counters;

    count_up(kind == DOORBELL_REQUEST  ? &counters->requests
             : kind == DOORBELL_ANSWER ? &counters->answers
                                       : &counters->hand_offs,
             1);
    if (peer->outboxes[0].fault.failed)
        count_up(&peer->outboxes[0].link->counters.moved, 1);
    if (peer->way.kind == WAY_RELAY)
        count_up(&counters->relayed, 1);
}

void peer_post_with(struct controller *controller, uint32_t target, struct doorbell doorbell,
                    uint64_t payload_bytes)
{
    struct peer *peer = &controller->peers.all[target], *next = peer;
    uint32_t fabric = peer->way.fabric;
    uint64_t due_ns = 0;

    if (peer->lost)
        return;
    if (peer->way.kind == WAY_NONE) { /* sweeps look again */
        count_up(&peer->outboxes[0].link->counters.lost, 1);
        return;
    }
    if (peer->way.kind == WAY_RELAY) {
        next = &controller->peers.all[peer->way.relay];
        doorbell.relay = DOORBELL_RELAY_TO;
        doorbell.party = peer->id;
    } else if (peer->way.shared) {
        fabric = peer->turn_fabric ^= 1;
    }
    struct outbox *outbox = &next->outboxes[fabric];
    if (controller->interconnect.model != MODEL_DIRECT || outbox->fault.delay_ns != 0)
        due_ns = outbox->fault.delay_ns + arrival_ns(controller, &peer->way, target, fabric,
                                                     bytes_of(doorbell.kind) + payload_bytes,
                                                     loop_clock_ns(controller->loop));
    /* Full only if the peer stopped consuming; the slots hold the truth, and the sweep rings again.
     */
    if (outbox_put(outbox, doorbell_pack(doorbell), due_ns))
        count_posted(peer, outbox, doorbell.kind);
}

void peer_pass_on(struct controller *controller, uint32_t target, struct doorbell doorbell,
                  uint32_t fabric)
{
    struct outbox *outbox = &controller->peers.all[target].outboxes[fabric];
    uint64_t delay_ns = outbox->fault.delay_ns;

    if (outbox_put(outbox, doorbell_pack(doorbell),
                   delay_ns == 0 ? 0 : loop_clock_ns(controller->loop) + delay_ns))
        count_up(&outbox->link->counters.relayed, 1);
}

/* --- publishing --- */

static void flush_one(struct controller *controller, struct peer *peer, struct outbox *outbox)
{
    int produced = outbox_flush(outbox, outbox->timed > 0 ? loop_clock_ns(controller->loop) : 0);

    if (produced < 0) {
        peer_lose(controller, peer->id, "its ring's indices are impossible");
        return;
    }
    if (produced > 0 && seat_needs_doorbell(peer->seat)) {
        count_up(&controller->counters->doorbells_rung, 1);
        loop_doorbell_ring(controller->loop, peer->doorbell_fd);
    }
    if (!outbox->waits_for_room && outbox_next_due_ns(outbox) < controller->peers.next_due_ns)
        controller->peers.next_due_ns = outbox_next_due_ns(outbox);
}

static void set_due_timer(struct controller *controller)
{
    uint64_t now_ns = loop_now_ns(controller->loop), due_ns = controller->peers.next_due_ns;

    loop_timer_stop(controller->loop, &controller->due_timer);
    if (due_ns != UINT64_MAX)
        loop_timer_start(controller->loop, &controller->due_timer,
                         due_ns > now_ns ? due_ns - now_ns : 0);
}

void peers_flush(struct controller *controller)
{
    struct peers *peers = &controller->peers;
    uint64_t due_before_ns = peers->next_due_ns;

    peers->next_due_ns = UINT64_MAX;
    for (uint32_t id = 0; id < peers->count; id++) {
        for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
            if (peers->all[id].outboxes[fabric].count == 0 || peers->all[id].lost)
                continue;
            flush_one(controller, &peers->all[id], &peers->all[id].outboxes[fabric]);
            CRASH_POINT("peer.flushed");
        }
    }
    if (peers->next_due_ns != due_before_ns ||
        (peers->next_due_ns != UINT64_MAX && controller->due_timer.next == NULL))
        set_due_timer(controller);
}

bool peers_have_something_due(const struct controller *controller)
{
    uint64_t due_ns = controller->peers.next_due_ns;

    return due_ns != UINT64_MAX && due_ns <= loop_now_ns(controller->loop) + DUE_SOON_NS;
}
