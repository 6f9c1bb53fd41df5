#include "controller/path/peer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/controller.h"
#include "controller/path/redirect.h"
#include "controller/path/split.h"
#include "shm/crash_point.h"

enum { RECEIVE_BATCH = 64 };

/* --- starting --- */

/* A request for each of our slots and an answer for each of the peer's can be pending at once, and
 * a sweep may repeat the requests. */
static uint32_t outbox_capacity(const struct controller *controller)
{
    return 4 * controller->segment.geometry.slots;
}

/* Of what a lossy link loses: the same for the same link, another one for each. */
static uint32_t seed_of(uint32_t source, uint32_t target, uint32_t fabric)
{
    return ((source * CONTROLLERS_MAX + target) * FABRICS + fabric + 1) * 2654435761u;
}

static int attach_links(struct controller *controller, struct peer *peer)
{
    const struct segment *segment = &controller->segment;
    uint32_t entries = segment->geometry.ring_entries;

    if (seat_is_gone(seat_state(peer->seat))) /* what it left in them, perhaps half done */
        peer_begin_links(controller, peer->id);
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        struct link *out = segment_link(segment, controller->id, peer->id, fabric);
        peer->in[fabric] = segment_link(segment, peer->id, controller->id, fabric);
        int error = outbox_init(&peer->outboxes[fabric], out, entries, outbox_capacity(controller),
                                seed_of(controller->id, peer->id, fabric));
        if (error == 0)
            error =
                ring_consumer_attach(&peer->consumers[fabric], &peer->in[fabric]->ring, entries);
        if (error != 0)
            return error;
    }
    return 0;
}

static int peer_init(struct controller *controller, uint8_t id, int doorbell_fd)
{
    struct peer *peer = &controller->peers.all[id];

    peer->id = id;
    peer->seat = segment_seat(&controller->segment, id);
    peer->epoch = seat_epoch(peer->seat);
    peer->slots = segment_slots(&controller->segment, id);
    peer->doorbell_fd = doorbell_fd;
    if (id == controller->id)
        return 0;
    return attach_links(controller, peer);
}

int peers_init(struct controller *controller, const int *doorbells)
{
    struct peers *peers = &controller->peers;

    peers->count = controller->segment.geometry.controllers;
    peers->self = controller->id;
    peers->next_due_ns = UINT64_MAX;
    peers->taken_back_max = outbox_capacity(controller) + controller->segment.geometry.ring_entries;
    peers->taken_back = calloc(peers->taken_back_max, sizeof *peers->taken_back);
    peers->all = calloc(peers->count, sizeof *peers->all);
    if (peers->all == NULL || peers->taken_back == NULL)
        return -ENOMEM;
    for (uint32_t id = 0; id < peers->count; id++) {
        int error = peer_init(controller, (uint8_t)id, doorbells[id]);
        if (error != 0)
            return error;
    }
    ways_update(controller);
    return 0;
}

/* Hands a kept buffer to the next peer whose I/O may still reach it, or back to the pool. */
static void keep_or_give(struct controller *controller, struct quarantined *kept)
{
    struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        if ((kept->claimants >> id & 1) == 0 || peer->drained)
            continue;
        kept->claimants &= ~(1ull << id);
        kept->next = peer->quarantine;
        peer->quarantine = kept;
        return;
    }
    pool_give(kept->pool, kept->offset_bytes);
    free(kept);
}

static void end_quarantine(struct controller *controller, struct peer *peer)
{
    struct quarantined *all = peer->quarantine;

    peer->quarantine = NULL;
    while (all != NULL) {
        struct quarantined *first = all;
        all = first->next;
        keep_or_give(controller, first);
    }
}

static void forget_quarantine(struct peer *peer)
{
    while (peer->quarantine != NULL) {
        struct quarantined *first = peer->quarantine;
        peer->quarantine = first->next;
        free(first);
    }
}

void peers_done(struct controller *controller)
{
    struct peers *peers = &controller->peers;

    free(peers->taken_back);
    peers->taken_back = NULL;
    if (peers->all == NULL)
        return;
    for (uint32_t id = 0; id < peers->count; id++) {
        forget_quarantine(&peers->all[id]);
        for (uint32_t fabric = 0; fabric < FABRICS; fabric++)
            outbox_done(&peers->all[id].outboxes[fabric]);
    }
    free(peers->all);
    peers->all = NULL;
}

/* --- receiving --- */

/* What the answer brings back beside itself, for the models. */
static uint64_t answer_payload_bytes(const struct command *command)
{
    if (command->status != 0)
        return 0;
    if (command->op == COMMAND_EXTENTS)
        return command->count * sizeof(struct extent);
    return command->op == COMMAND_READ ? command->length_bytes : 0;
}

static void reply_to_peer(struct controller *controller, struct command *command)
{
    struct peer *peer = command->owner;
    uint32_t index = (uint32_t)command->cookie, generation = (uint32_t)(command->cookie >> 32);
    struct slot_answer answer = {.status = command->status, .count = command->count};

    uint64_t bytes = answer_payload_bytes(command);

    if (slot_complete(&peer->slots[index], generation, (uint8_t)controller->id, controller->epoch,
                      &answer))
        peer_post_with(
            controller, peer->id,
            (struct doorbell){.generation = generation, .index = index, .kind = DOORBELL_ANSWER},
            bytes);
    CRASH_POINT("peer.answered");
    execute_answered(controller, command);
    count_down(&controller->counters->peer_in_flight, 1);
    peer->executing--;
    command->next = controller->free_peer_commands;
    controller->free_peer_commands = command;
    controller->free_peer_commands_count++;
}

static const struct command_origin peer_origin = {
    .name = "peer", .answers_in_gate = true, .reply = reply_to_peer};

static struct payload_shape shape_of(const struct slot_request *request)
{
    return (struct payload_shape){.first_bytes = request->first_bytes,
                                  .chunk_bytes = request->chunk_bytes,
                                  .stride_bytes = request->stride_bytes};
}

static bool is_gone(const struct controller *controller, uint32_t seat)
{
    return seat_is_gone(seat_state(controller->peers.all[seat].seat));
}

/* The payload is in the peer's buffers; or, of a write that it finishes for one that has died, in
 * those of that one. */
static bool payload_fits(const struct controller *controller, const struct peer *peer,
                         const struct slot_request *request)
{
    uint64_t bytes = request->op == COMMAND_EXTENTS ? EXTENTS_MAX * sizeof(struct extent)
                                                    : request->length_bytes;
    uint64_t lead_bytes = request->buffer % BLOCK_BYTES;

    if (!command_has_payload(request->op))
        return true;
    if (request->op == COMMAND_EXTENTS && lead_bytes != 0) /* an array, not bytes */
        return false;
    if (request->op != COMMAND_EXTENTS && (request->length_bytes > PAYLOAD_BYTES_MAX ||
                                           lead_bytes != request->offset_bytes % BLOCK_BYTES))
        return false;
    /* Whole blocks, because a direct read fills them. */
    struct payload_shape shape = shape_of(request);
    if (!payload_shape_valid(&shape, lead_bytes))
        return false;
    if (request->op != COMMAND_EXTENTS && bytes > 0)
        bytes = payload_span_bytes(&shape, bytes);
    bytes = (lead_bytes + bytes + BLOCK_BYTES - 1) & ~(uint64_t)(BLOCK_BYTES - 1);
    int seat = segment_buffers_seat(&controller->segment, request->buffer - lead_bytes, bytes);
    return seat == (int)peer->id ||
           (request->op == COMMAND_WRITE && seat >= 0 && is_gone(controller, (uint32_t)seat));
}

/* What a peer asks is input like any other: 0, or -errno for its answer. */
static int check_request(const struct controller *controller, const struct peer *peer,
                         const struct slot_request *request)
{
    if (request->target != controller->id || request->op < COMMAND_READ ||
        request->op >= COMMAND_OPS_END || command_is_maintenance(request->op) ||
        (request->flags & ~COMMAND_FLAGS_ALL) != 0)
        return -EPROTO;
    if (request->volume >= controller->segment.geometry.volumes ||
        request->element >= controller->elements_count)
        return -EPROTO;
    if (!controller_owns(controller, request->element))
        return -ESTALE; /* not ours any more; its sender looks who has it */
    const struct element *file = &controller->elements[request->element].file;
    if (file->fd < 0)
        return -EIO;
    if (request->offset_bytes > file->size_bytes ||
        request->length_bytes > file->size_bytes - request->offset_bytes)
        return -EPROTO;
    if (request->op == COMMAND_EXTENTS && request->length_bytes == 0)
        return -EPROTO;
    if (request->op == COMMAND_MARK && (request->length_bytes != 0 || request->flags != 0))
        return -EPROTO;
    return payload_fits(controller, peer, request) ? 0 : -EPROTO;
}

/* A request that is not to be claimed came twice, or is asked for because its answer did not
 * arrive.
 */
static void answer_again(struct controller *controller, struct peer *peer, struct doorbell doorbell)
{
    doorbell.kind = DOORBELL_ANSWER;
    doorbell.relay = DOORBELL_DIRECT;
    doorbell.party = 0;
    if (slot_is_done_by(&peer->slots[doorbell.index], doorbell.generation, (uint8_t)controller->id,
                        controller->epoch))
        peer_post(controller, peer->id, doorbell);
}

static void take_request(struct controller *controller, struct peer *peer, struct doorbell doorbell)
{
    struct slot *slot = &peer->slots[doorbell.index];
    struct slot_request request;

    if (!slot_claim(slot, doorbell.generation, peer->id, seat_epoch(peer->seat),
                    (uint8_t)controller->id, controller->epoch, &request)) {
        answer_again(controller, peer, doorbell);
        return;
    }

    struct command *command = controller->free_peer_commands;
    controller->free_peer_commands = command->next;
    controller->free_peer_commands_count--;
    count_up(&controller->counters->peer_in_flight, 1);
    peer->executing++;
    command->next = NULL;
    command->origin = &peer_origin;
    command->owner = peer;
    command->cookie = (uint64_t)doorbell.generation << 32 | doorbell.index;
    command->number = request.sequence;
    command->receiver = peer->id;
    command->received_ns = loop_now_ns(controller->loop);
    command->has_buffer = false; /* it is the source's */
    command->virtual = NULL;
    command->count = 0;
    command->status = check_request(controller, peer, &request);
    if (command->status != 0) {
        reply_to_peer(controller, command);
        return;
    }
    command->op = request.op;
    command->flags = request.flags;
    command->shape = shape_of(&request);
    command->target = (uint8_t)controller->id;
    command->volume = request.volume;
    command->element = request.element;
    command->element_offset_bytes = request.offset_bytes;
    command->offset_bytes = request.offset_bytes;
    command->length_bytes = request.length_bytes;
    command->payload_offset_bytes = request.buffer;
    command->payload = controller->segment.base + request.buffer;
    command_start(controller, command, STAGE_CACHE);
}

/* A producer that had found its ring full is told that there is room. */
static void unblock(struct controller *controller, struct peer *peer, uint32_t fabric)
{
    struct link *link = peer->in[fabric];

    /* relaxed: set before the producer's fence and second look (flush_one); if this look is too
     * early, that one finds the room we have just made. */
    fence_store_load(&link->blocked);
    if (load_relaxed(&link->blocked) == 0)
        return;
    store_relaxed(&link->blocked, 0); /* relaxed: a producer that sets it again looks again */
    if (seat_needs_doorbell(peer->seat))
        loop_doorbell_ring(controller->loop, peer->doorbell_fd);
}

/* Whose doorbell it is: one that a third controller passed on is of whom that names. It is only a
 * hint, like any other: what the slot says is checked. NULL: it is for somebody else, or of nobody.
 */
static struct peer *sender_of(struct controller *controller, struct peer *peer,
                              struct doorbell doorbell)
{
    struct peers *peers = &controller->peers;

    if (doorbell.relay == DOORBELL_DIRECT)
        return peer;
    if (doorbell.relay == DOORBELL_RELAY_TO) {
        ways_pass_on(controller, peer, doorbell);
        return NULL;
    }
    if (doorbell.party >= peers->count || doorbell.party == peers->self ||
        peers->all[doorbell.party].lost)
        return NULL;
    return &peers->all[doorbell.party];
}

static void take_doorbell(struct controller *controller, struct peer *from,
                          struct doorbell doorbell)
{
    struct peer *peer = sender_of(controller, from, doorbell);

    if (peer == NULL)
        return;
    switch (doorbell.kind) {
    case DOORBELL_REQUEST:
        take_request(controller, peer, doorbell);
        break;
    case DOORBELL_ANSWER:
        redirect_answered(controller, peer->id, doorbell.index, doorbell.generation);
        break;
    case DOORBELL_HANDED:
        coordinate_handed(controller, peer->id, doorbell.index, doorbell.generation);
        break;
    case DOORBELL_PLACES:
        coordinate_places(controller);
        break;
    case DOORBELL_KINDS:
        break;
    }
}

static uint32_t receive_from(struct controller *controller, struct peer *peer, uint32_t fabric)
{
    uint64_t entries[RECEIVE_BATCH];
    struct doorbell doorbell;
    uint32_t room = controller->free_peer_commands_count;

    if (room == 0 || peer->in_failed[fabric] || !ring_has_entries(&peer->consumers[fabric]))
        return 0;
    int count = ring_consume_spsc(&peer->consumers[fabric], entries,
                                  room < RECEIVE_BATCH ? room : RECEIVE_BATCH);
    if (count < 0) {
        peer_lose(controller, peer->id, "its ring's indices are impossible");
        return 0;
    }
    for (int i = 0; i < count; i++) {
        CRASH_POINT("peer.received");
        if (!doorbell_unpack(entries[i], controller->segment.geometry.slots, &doorbell))
            continue; /* damaged; the sweep finds what it may have meant */
        take_doorbell(controller, peer, doorbell);
    }
    unblock(controller, peer, fabric);
    return (uint32_t)count;
}

uint32_t peers_receive(struct controller *controller)
{
    struct peers *peers = &controller->peers;
    uint32_t received = 0;

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        for (uint32_t fabric = 0; fabric < FABRICS && id != peers->self && !peer->lost; fabric++)
            received += receive_from(controller, peer, fabric);
    }
    return received;
}

bool peers_have_entries(const struct controller *controller)
{
    const struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        const struct peer *peer = &peers->all[id];
        if (id == peers->self || peer->lost)
            continue;
        for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
            if (outbox_has_room_again(&peer->outboxes[fabric]))
                return true;
            if (!peer->in_failed[fabric] && ring_has_entries(&peer->consumers[fabric]))
                return true;
        }
    }
    return peers_have_something_due(controller);
}

void peers_wake(struct controller *controller)
{
    struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        if (id != peers->self && !peer->lost && seat_needs_doorbell(peer->seat))
            loop_doorbell_ring(controller->loop, peer->doorbell_fd);
    }
}

/* --- losing --- */

void peer_quarantine_memory(struct controller *controller, struct pool *pool, uint64_t offset_bytes,
                            uint64_t claimants)
{
    struct quarantined *kept = malloc(sizeof *kept);

    /* Without memory to remember it, it is lost to the pool: better than used twice. */
    if (kept == NULL)
        return;
    *kept =
        (struct quarantined){.pool = pool, .offset_bytes = offset_bytes, .claimants = claimants};
    keep_or_give(controller, kept);
}

void peer_quarantine(struct controller *controller, struct command *command)
{
    if (!command->has_buffer)
        return;
    command->has_buffer = false;
    command->payload = NULL;
    peer_quarantine_memory(controller, controller->pool, command->buffer_offset_bytes,
                           command->lost_claimants);
}

void peer_lose(struct controller *controller, uint32_t id, const char *why)
{
    struct peer *peer = &controller->peers.all[id];

    if (peer->lost)
        return;
    peer->lost = true;
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++)
        outbox_clear(&peer->outboxes[fabric]);
    tracing_event(controller, TRACE_PEER_LOST, id, seat_epoch(peer->seat));
    if (why != NULL) {
        seat_refuse(controller->seat, id); /* so that what it sent us does not hang */
        fprintf(stderr, "anyport: c%u: c%u is no longer spoken to: %s\n", controller->id, id, why);
    }
    redirect_take_back_all(controller, id);
    /* It may have died while it gave up what an earlier one had reserved: all of that once more. */
    for (uint32_t i = 0; i < controller->peers.count; i++)
        controller->peers.all[i].recovered = false;
    redirect_start_sweeping(controller);
}

bool peers_are_done_with(const struct controller *controller, uint32_t dead)
{
    const struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        enum seat_state state = seat_state(peers->all[id].seat);
        if ((state == SEAT_RUNNING || state == SEAT_QUIESCED) &&
            !seat_is_done_with(peers->all[id].seat, dead))
            return false;
    }
    return true;
}

/* One that stopped in order has kept its epoch, one that was declared dead has lost it. */
static uint32_t last_epoch(const struct peer *peer)
{
    return seat_epoch(peer->seat) - (seat_state(peer->seat) == SEAT_STOPPED ? 0u : 1u);
}

static void try_to_recover(struct controller *controller, struct peer *peer)
{
    if (!peer->lost || (peer->recovered && !peer->lingers) || !seat_is_gone(seat_state(peer->seat)))
        return;
    if (peer->executing == 0)
        seat_set_done_with(controller->seat, peer->id);
    if (!peers_are_done_with(controller, peer->id))
        return;
    enum redo_left left = redo_go_on(controller, peer->id);
    peer->lingers = left == REDO_LEFT_PAYLOAD;
    if (left == REDO_LEFT_WRITES || peer->recovered)
        return;
    peer->recovered = true;
    tracing_event(controller, TRACE_PEER_RECOVERED, peer->id, last_epoch(peer));
    coordinate_recover(controller, peer->id, last_epoch(peer));
}

bool peers_recovering(const struct controller *controller)
{
    const struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        const struct peer *peer = &peers->all[id];
        if (peer->lost && !peer->recovered && seat_is_gone(seat_state(peer->seat)))
            return true;
    }
    return false;
}

void peers_look_at_seats(struct controller *controller)
{
    struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        if (id == peers->self)
            continue;
        peer_look_at_life(controller, peer);
        enum seat_state state = seat_state(peer->seat);
        if (peer->starts)
            continue;
        if ((state == SEAT_DEAD || state == SEAT_DRAINED) && !peer->settled) {
            peer->settled = true;
            settle_failed_elements(controller, NULL); /* what it had cached and not written */
        }
        if (seat_is_gone(state))
            peer_lose(controller, id, NULL);
        else if (seat_refuses(peer->seat, controller->id))
            peer_lose(controller, id, "it does not speak to us any more");
        if ((state == SEAT_DRAINED || state == SEAT_STOPPED) && peer->lost && !peer->drained) {
            peer->drained = true;
            end_quarantine(controller, peer);
            command_wake_waiters(controller);
            split_wake_workspace_waiters(controller);
        }
        try_to_recover(controller, peer);
    }
}
