/*
 * The lives of a peer: what it takes until one that was lost is spoken to again.
 *
 *      the last life           lost -> drained -> recovered: nothing of it is left here
 *      GREET_PEER              the configuration controller announces a life that is to come; both
 *                              rings between us begin anew, and we say so
 *      the seat has its epoch  what was known of the last life is forgotten; still lost
 *      the seat is RUNNING     it is a peer
 *
 * Rings. Of two controllers whose links are used, one may be gone; then the other is the only
 * process that touches the rings between them, and makes them anew: here when it is greeted, or,
 * where it starts itself and finds that the other is gone, in peers_init. The new life attaches to
 * them after everybody has answered, and we to ours when we made them anew, so both sides' private
 * indices are those of the empty ring; and nothing is put in before the seat is RUNNING, because
 * the peer is lost till then.
 *
 * Slots. The new life makes all of its own anew, with generations grown (slots_renew). Nobody holds
 * one claimed: a controller answers the greeting when it executes nothing for the last life. Ours
 * that the last life had were taken back when it was lost.
 */
#include "controller/controller.h"
#include "shm/crash_point.h"

static void begin_link(struct link *link)
{
    ring_init(&link->ring, 0);
    store_relaxed(&link->blocked, 0); /* relaxed: the other end is gone */
}

void peer_begin_links(struct controller *controller, uint32_t id)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        begin_link(segment_link(&controller->segment, controller->id, id, fabric));
        begin_link(segment_link(&controller->segment, id, controller->id, fabric));
    }
}

bool peer_is_over(const struct peer *peer)
{
    return peer->lost && peer->drained && peer->recovered && !peer->lingers &&
           peer->executing == 0 && peer->in_flight == 0 && peer->quarantine == NULL;
}

int peer_await(struct controller *controller, uint32_t id, uint32_t life)
{
    struct peer *peer = &controller->peers.all[id];
    uint32_t entries = controller->segment.geometry.ring_entries;
    int error = 0;

    peer_begin_links(controller, id);
    for (uint32_t fabric = 0; fabric < FABRICS && error == 0; fabric++) {
        error = outbox_begin(&peer->outboxes[fabric], entries);
        if (error == 0)
            error =
                ring_consumer_attach(&peer->consumers[fabric], &peer->in[fabric]->ring, entries);
    }
    if (error == 0)
        peer->awaited = life;
    return error;
}

/* Its last I/O has landed: nothing that is under way can be reached by it any more. A command that
 * ended now would have its buffer kept for the end of the new life. */
static void forget_claimant(struct controller *controller, uint32_t id)
{
    uint64_t others = ~((uint64_t)1 << id);

    for (uint32_t i = 0; i < controller->commands_count; i++) {
        controller->commands[i].lost_claimants &= others;
        controller->commands[i].late_claimants &= others;
    }
}

/* What was known of the life before. The new one is not spoken to before it runs. */
static void forget_last_life(struct controller *controller, struct peer *peer)
{
    peer->epoch = (uint16_t)peer->awaited;
    peer->awaited = 0;
    peer->starts = true;
    peer->drained = peer->settled = peer->recovered = peer->lingers = false;
    peer->cut_since_ns = 0;
    peer->cut_said = false;
    seat_forget(controller->seat, peer->id);
    forget_claimant(controller, peer->id);
    /* Who finds that this life has ended, and then looks whether we are done with it, must not see
     * what was said of the life before: we may still find it alive, and claim what it has posted.
     */
    fence_store_load(&peer->seat->epoch);
}

void peer_look_at_life(struct controller *controller, struct peer *peer)
{
    if (peer->awaited != 0 && seat_life(peer->seat) >= peer->awaited)
        forget_last_life(controller, peer);
    if (!peer->starts)
        return;
    enum seat_state state = seat_state(peer->seat);
    if (state == SEAT_EMPTY || state == SEAT_STARTING)
        return;
    /* It runs; or it has died already, and then it is lost like any other, from the beginning. */
    CRASH_POINT("peer.seen");
    peer->starts = false;
    peer->lost = false;
    if (!seat_is_gone(state))
        tracing_event(controller, TRACE_PEER_BACK, peer->id, seat_epoch(peer->seat));
    ways_update(controller);
}
