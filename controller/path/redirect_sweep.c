/*
 * What is done about doorbells that were lost, and about peers that no link reaches.
 *
 * A sweep looks at all slots every 50 ms while anything is outstanding. Where doorbells really are
 * lost, that is a long time: a sweep that misses one makes the next one follow after 1 ms, and each
 * that misses none doubles the time again. So that what is only under way does not look lost, a
 * doorbell counts as lost when two sweeps in a row miss it: the slot has not changed, and the rings
 * that would bring the change are empty.
 */
#include <errno.h>
#include <stdio.h>

#include "controller/controller.h"
#include "controller/path/owner.h"
#include "controller/path/redirect.h"

#define SWEEP_NS_MIN 1000000ull
#define SWEEP_NS_MAX 50000000ull

void redirect_init(struct controller *controller)
{
    controller->sweep_ns = SWEEP_NS_MAX;
}

void redirect_start_sweeping(struct controller *controller)
{
    if (controller->sweep_timer.next == NULL)
        loop_timer_start(controller->loop, &controller->sweep_timer, controller->sweep_ns);
}

/* --- no way --- */

static void say_cut(const struct controller *controller, const struct peer *peer)
{
    bool there = peer->way.kind != WAY_NONE;
    uint32_t from = there ? peer->id : controller->id, to = there ? controller->id : peer->id;

    fprintf(
        stderr,
        "anyport: c%u: no way to c%u%s: link c%u to c%u has failed on both fabrics, and no third "
        "controller reaches it; its commands end with EIO after %llu s\n",
        controller->id, peer->id, there ? " and back" : "", from, to,
        (unsigned long long)(controller->interconnect.wait_ns / 1000000000u));
}

bool redirect_waited_long(struct controller *controller, const struct command *command)
{
    struct peer *peer = &controller->peers.all[command->target];
    uint64_t since_ns =
        command->announced_ns > peer->cut_since_ns ? command->announced_ns : peer->cut_since_ns;

    if (loop_now_ns(controller->loop) - since_ns < controller->interconnect.wait_ns)
        return false;
    if (!peer->cut_said)
        say_cut(controller, peer);
    peer->cut_said = true;
    return true;
}

void redirect_wake_way_waiters(struct controller *controller)
{
    struct command_queue all = controller->way_waiters;
    struct command *command;

    controller->way_waiters = (struct command_queue){NULL, NULL};
    while ((command = command_queue_pop(&all)) != NULL)
        command_complete(controller, command, 0);
}

/* One that was posted before the ways were lost. What the target has claimed it may still be
 * reading or writing, so that one waits until its slot says that it has ended. */
static void look_at_cut(struct controller *controller, struct command *command,
                        enum slot_state state)
{
    struct slot *slot = &controller->slots.slots[command->slot];
    struct slot_answer answer;

    if (!redirect_waited_long(controller, command))
        return;
    if (state == SLOT_DONE && slot_is_done(slot, command->slot_generation, &answer))
        slot_free(slot);
    else if (!slot_withdraw(slot, command->slot_generation, (uint8_t)controller->id,
                            controller->epoch))
        return;
    command->count = 0;
    redirect_end(controller, command, -EIO);
}

/* --- lost doorbells --- */

/* Nothing that the peer sent is still to be taken. */
static bool nothing_comes_from(const struct peer *peer)
{
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if (!peer->in_failed[fabric] && ring_has_entries(&peer->consumers[fabric]))
            return false;
    }
    return true;
}

/* All that we sent to it has been taken. */
static bool nothing_goes_to(const struct controller *controller, const struct peer *peer)
{
    const struct peer *next =
        peer->way.kind == WAY_RELAY ? &controller->peers.all[peer->way.relay] : peer;

    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if (!next->outboxes[fabric].fault.failed && !outbox_is_drained(&next->outboxes[fabric]))
            return false;
    }
    return true;
}

/* Before anything is announced again: that is under way then, and hides what is not. */
static void look_at_peers(struct controller *controller)
{
    struct peers *peers = &controller->peers;

    for (uint32_t id = 0; id < peers->count; id++) {
        struct peer *peer = &peers->all[id];
        if (id == peers->self || peer->lost)
            continue;
        peer->quiet_in = nothing_comes_from(peer);
        peer->quiet_out = nothing_goes_to(controller, peer);
    }
}

/* Answers take time to arrive: one that is there already is not taken before its doorbell. */
static bool is_timed(const struct controller *controller, const struct peer *peer)
{
    if (controller->interconnect.model != MODEL_DIRECT)
        return true;
    for (uint32_t fabric = 0; fabric < FABRICS; fabric++) {
        if (link_fault_of(peer->in[fabric]).delay_ns != 0)
            return true;
    }
    return false;
}

/* Whether its doorbell has been missed in two sweeps, or for so long that it does not matter. */
static bool is_lost(const struct controller *controller, struct command *command,
                    enum slot_state state)
{
    const struct peer *peer = &controller->peers.all[command->target];
    bool missed = false;

    if (state == SLOT_DONE)
        missed = !is_timed(controller, peer) && peer->quiet_in;
    else if (state == SLOT_POSTED)
        missed = peer->quiet_out;
    else
        return false;
    bool again = missed && command->suspected == state;
    command->suspected = missed ? (uint8_t)state : 0;
    return again || loop_now_ns(controller->loop) - command->announced_ns > SWEEP_NS_MAX;
}

/* Whether its doorbell was missed. */
static bool look_at(struct controller *controller, struct command *command)
{
    struct peer *peer = &controller->peers.all[command->target];
    /* relaxed: only a hint of what to do; the functions called look again. */
    enum slot_state state =
        slot_word_state(load_relaxed(&controller->slots.slots[command->slot].state));

    if (peer_is_cut(peer) && !(state == SLOT_DONE && peer->way_back)) {
        look_at_cut(controller, command, state);
        return false;
    }
    bool lost = is_lost(controller, command, state);
    bool missed = command->suspected != 0; /* else its target may only not have come to it */
    if (!lost)
        return missed;
    count_up(&controller->counters->doorbells_swept, 1);
    if (state == SLOT_DONE && !is_timed(controller, peer))
        redirect_answered(controller, peer->id, command->slot, command->slot_generation);
    else
        redirect_announce(controller, command); /* of one that is DONE: its target answers again */
    return missed;
}

static bool look_at_slots(struct controller *controller, bool *ret_missed)
{
    bool outstanding = false;

    for (uint32_t i = 0; i < controller->slots.count; i++) {
        if (controller->slot_commands[i] == NULL)
            continue;
        outstanding = true;
        *ret_missed = look_at(controller, controller->slot_commands[i]) || *ret_missed;
    }
    return outstanding;
}

void redirect_way_found(struct controller *controller, uint32_t id)
{
    struct peer *peer = &controller->peers.all[id];

    peer->cut_said = false;
    for (uint32_t i = 0; i < controller->slots.count; i++) {
        struct command *command = controller->slot_commands[i];
        if (command == NULL || command->target != id)
            continue;
        redirect_announce(controller, command);
    }
    redirect_wake_way_waiters(controller);
}

static uint64_t next_sweep_ns(uint64_t last_ns, bool missed)
{
    if (missed)
        return SWEEP_NS_MIN;
    return 2 * last_ns < SWEEP_NS_MAX ? 2 * last_ns : SWEEP_NS_MAX;
}

void redirect_sweep(struct controller *controller)
{
    bool missed = false, outstanding;

    /* Nobody tells us that a peer refuses us, or, with the configuration controller gone, that one
     * has stopped. */
    peers_look_at_seats(controller);
    ways_update(controller);
    look_at_peers(controller);
    redirect_wake_way_waiters(controller);
    owner_wake_waiters(controller);
    outstanding = look_at_slots(controller, &missed);
    outstanding = peers_recovering(controller) || outstanding;
    outstanding = coordinate_sweep(controller) || outstanding;
    outstanding = controller->way_waiters.head != NULL || outstanding;
    outstanding = controller->owner_waiters.head != NULL || outstanding;
    controller->sweep_ns = next_sweep_ns(controller->sweep_ns, missed);
    if (outstanding)
        redirect_start_sweeping(controller);
}
