#include "controller/path/ways.h"

#include "controller/controller.h"
#include "controller/path/redirect.h"

enum { NO_FABRIC = -1 };

/* --- which way --- */

static bool link_works(const struct controller *controller, uint32_t source, uint32_t target,
                       uint32_t fabric)
{
    return !link_fault_of(segment_link(&controller->segment, source, target, fabric)).failed;
}

static int working_fabric(const struct controller *controller, uint32_t source, uint32_t target)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if (link_works(controller, source, target, fabric))
            return (int)fabric;
    }
    return NO_FABRIC;
}

/* Whether a seat's controller can pass something on. */
static bool is_there(const struct controller *controller, uint32_t id)
{
    enum seat_state state = seat_state(controller->peers.all[id].seat);

    return (state == SEAT_RUNNING || state == SEAT_QUIESCED) && !controller->peers.all[id].lost;
}

/* The first that can, from the target on, so that not all that is relayed goes through one. */
static struct way way_by_relay(const struct controller *controller, uint32_t source,
                               uint32_t target)
{
    uint32_t count = controller->peers.count;

    for (uint32_t i = 1; i < count; i++) {
        uint32_t relay = (target + i) % count;
        if (relay == source || !is_there(controller, relay))
            continue;
        int there = working_fabric(controller, source, relay);
        int on = working_fabric(controller, relay, target);
        if (there != NO_FABRIC && on != NO_FABRIC)
            return (struct way){.kind = WAY_RELAY,
                                .fabric = (uint8_t)there,
                                .relay = (uint8_t)relay,
                                .relay_fabric = (uint8_t)on};
    }
    return (struct way){.kind = WAY_NONE};
}

static struct way way_between(const struct controller *controller, uint32_t source, uint32_t target)
{
    int fabric = working_fabric(controller, source, target);

    if (fabric == NO_FABRIC)
        return way_by_relay(controller, source, target);
    return (struct way){.kind = WAY_DIRECT,
                        .fabric = (uint8_t)fabric,
                        .shared = controller->interconnect.share != 0 && fabric == 0 &&
                                  link_works(controller, source, target, 1)};
}

/* --- when something has changed --- */

/* Sets what is known of a peer's links; whether one of those to it has failed since. */
static bool look_at_links(struct controller *controller, struct peer *peer)
{
    bool failed = false;

    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        struct outbox *outbox = &peer->outboxes[fabric];
        bool failed_before = outbox->fault.failed;
        outbox->fault = link_fault_of(outbox->link);
        outbox->just_failed = outbox->fault.failed && !failed_before;
        failed = failed || outbox->just_failed;
        peer->in_failed[fabric] = link_fault_of(peer->in[fabric]).failed;
    }
    peer->way = way_between(controller, controller->id, peer->id);
    peer->way_back = way_between(controller, peer->id, controller->id).kind != WAY_NONE;
    return failed;
}

/* An entry that a link to `peer` did not deliver. One that we had only passed on is its source's
 * to send again, unless the other fabric leads to the same place. */
static void send_again(struct controller *controller, struct peer *peer, uint64_t entry)
{
    struct doorbell doorbell;

    if (!doorbell_unpack(entry, controller->segment.geometry.slots, &doorbell))
        return;
    if (doorbell.relay == DOORBELL_DIRECT) {
        peer_post(controller, peer->id, doorbell);
    } else if (doorbell.relay == DOORBELL_RELAYED_OF) {
        if (peer->way.kind == WAY_DIRECT)
            peer_pass_on(controller, peer->id, doorbell, peer->way.fabric);
    } else if (doorbell.party < controller->peers.count && doorbell.party != controller->id) {
        uint32_t target = doorbell.party;
        doorbell.relay = DOORBELL_DIRECT;
        doorbell.party = 0;
        peer_post(controller, target, doorbell);
    }
}

static void move_all(struct controller *controller, struct peer *peer)
{
    struct peers *peers = &controller->peers;

    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        struct outbox *outbox = &peer->outboxes[fabric];
        if (!outbox->just_failed)
            continue;
        uint32_t count = outbox_take_back(outbox, peers->taken_back, peers->taken_back_max);
        count_up(&outbox->link->counters.moved, count);
        for (uint32_t i = 0; i < count; i++)
            send_again(controller, peer, peers->taken_back[i]);
    }
}

static bool has_no_way(const struct peer *peer)
{
    return peer->way.kind == WAY_NONE || !peer->way_back;
}

/* Whether a way there and back has been found to one that had none. */
static bool note_cut(struct controller *controller, struct peer *peer)
{
    bool was_cut = peer->cut_since_ns != 0;

    if (!has_no_way(peer))
        peer->cut_since_ns = 0;
    else if (!was_cut)
        peer->cut_since_ns = loop_now_ns(controller->loop);
    return was_cut && !has_no_way(peer);
}

void ways_update(struct controller *controller)
{
    struct peers *peers = &controller->peers;
    uint64_t failed = 0, found = 0; /* masks of peers */

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        if (id == peers->self || peer->lost)
            continue;
        failed |= (uint64_t)look_at_links(controller, peer) << id;
        found |= (uint64_t)note_cut(controller, peer) << id;
    }
    /* All ways are known now, so what is sent again goes by one that works. */
    for (uint32_t id = 0; id < peers->count; id++) {
        if ((failed >> id & 1) != 0)
            move_all(controller, &peers->all[id]);
        if ((found >> id & 1) != 0)
            redirect_way_found(controller, id);
    }
}

void ways_pass_on(struct controller *controller, const struct peer *from, struct doorbell doorbell)
{
    struct peers *peers = &controller->peers;
    uint32_t target = doorbell.party;

    if (target >= peers->count || target == peers->self || target == from->id ||
        peers->all[target].lost)
        return;
    const struct peer *to = &peers->all[target];
    if (to->way.kind != WAY_DIRECT) { /* its source's sweep finds another way */
        count_up(&to->outboxes[0].link->counters.lost, 1);
        return;
    }
    doorbell.relay = DOORBELL_RELAYED_OF;
    doorbell.party = from->id;
    peer_pass_on(controller, target, doorbell, to->way.fabric);
}
