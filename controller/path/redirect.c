#include "controller/path/redirect.h"

#include <assert.h>
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/component.h"
#include "controller/path/trail.h"

enum { SWEEP_MS = 50 };

static void fill_request(const struct command *command, struct slot_request *request)
{
    *request = (struct slot_request){
        .sequence = command->number,
        .op = command->op,
        .flags = command->flags,
        .element = command->element,
        .volume = command->volume,
        .offset_bytes = command->element_offset_bytes,
        .length_bytes = command->length_bytes,
        .buffer = command->payload_offset_bytes,
        .target = command->target,
        .first_bytes = command->shape.first_bytes,
        .chunk_bytes = command->shape.chunk_bytes,
        .stride_bytes = command->shape.stride_bytes,
    };
}

void redirect_start_sweeping(struct controller *controller)
{
    if (controller->sweep_timer.next == NULL)
        loop_timer_start(controller->loop, &controller->sweep_timer, SWEEP_MS * 1000000ull);
}

static void post(struct controller *controller, struct command *command, uint32_t index)
{
    struct slot *slot = &controller->slots.slots[index];
    struct slot_request request;

    fill_request(command, &request);
    command->slot = index;
    command->slot_generation =
        slot_post(slot, &request, (uint8_t)controller->id, controller->epoch);
    controller->slot_commands[index] = command;
    trail_redirected(controller, command);
    controller->peers.all[command->target].in_flight++;
    peer_post(controller, command->target,
              (struct doorbell){.generation = command->slot_generation,
                                .index = index,
                                .kind = DOORBELL_REQUEST});
    count_up(&controller->counters->slots_used, 1);
    redirect_start_sweeping(controller);
}

static enum stage_verdict fail(struct command *command, int32_t status)
{
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    return STAGE_DONE;
}

static enum stage_verdict try_to_post(struct controller *controller, struct command *command)
{
    uint32_t index;

    if (controller->peers.all[command->target].lost)
        return fail(command, -EIO);
    if (slot_table_take(&controller->slots, &index) != 0) {
        count_up(&controller->counters->waits_for_slot, 1);
        command_queue_push(&controller->slot_waiters, command);
        return STAGE_WAIT;
    }
    post(controller, command, index);
    return STAGE_WAIT;
}

enum stage_verdict redirect_run(struct controller *controller, struct command *command)
{
    assert(command->target != controller->id && command->target < controller->peers.count);
    /* A component command never travels on: its sender's table said this is the owner. */
    if (!command->origin->travels)
        return fail(command, -EIO);
    count_up(&controller->counters->redirected_out, 1);
    command->slot = UINT32_MAX;
    return try_to_post(controller, command);
}

/* Either a slot has become free for a command that waited for one, or its answer is here. */
enum stage_verdict redirect_complete(struct controller *controller, struct command *command)
{
    if (command->slot == UINT32_MAX)
        return try_to_post(controller, command);
    return fail(command, (int32_t)command->io.result);
}

static void release_slot(struct controller *controller, struct command *command)
{
    controller->slot_commands[command->slot] = NULL;
    controller->peers.all[command->target].in_flight--;
    slot_table_give(&controller->slots, command->slot);
    count_down(&controller->counters->slots_used, 1);
}

/* As long as there are slots: a waiter whose target was lost meanwhile ends without taking one. */
static void wake_slot_waiters(struct controller *controller)
{
    struct command *waiter;

    while (controller->slots.free_count > 0 &&
           (waiter = command_queue_pop(&controller->slot_waiters)) != NULL)
        command_complete(controller, waiter, 0);
}

/* Another process wrote the answer: an error is an errno, extents are not more than there is room
 * for, and at least one. */
static int32_t checked_status(const struct command *command, const struct slot_answer *answer)
{
    if (answer->status > 0 || answer->status < -4095 || answer->count > EXTENTS_MAX)
        return -EIO;
    if (command->op == COMMAND_EXTENTS && answer->status == 0 && answer->count == 0)
        return -EIO;
    return answer->status;
}

void redirect_answered(struct controller *controller, uint32_t peer, uint32_t slot_index,
                       uint32_t generation)
{
    struct command *command = controller->slot_commands[slot_index];
    struct slot *slot = &controller->slots.slots[slot_index];
    struct slot_answer answer;

    if (command == NULL || command->target != peer || command->slot_generation != generation ||
        !slot_is_done(slot, generation, &answer))
        return;
    slot_free(slot);
    release_slot(controller, command);
    command->count = answer.count;
    command_complete(controller, command, checked_status(command, &answer));
    wake_slot_waiters(controller);
}

/* Takes back one slot of a lost peer. What it had claimed may still be written by the kernel on its
 * behalf, so the buffer is not used again before the peer's I/O has landed. */
static void fail_one(struct controller *controller, struct command *command)
{
    uint32_t index = command->slot, generation = command->slot_generation;
    struct slot *slot = &controller->slots.slots[index];
    bool was_claimed = false;
    uint32_t peer = command->target;

    if (!slot_retract(slot, generation, &was_claimed)) {
        redirect_answered(controller, peer, index, generation);
        /* It ended well, and command and slot may already be used for something else. */
        if (controller->slot_commands[index] != command || command->slot_generation != generation)
            return;
        slot_seize(slot, generation); /* neither taken back nor answered: it is damaged */
        was_claimed = true;
    }
    release_slot(controller, command);
    if (was_claimed)
        component_payload_owner(command)->lost_claimants |= 1ull << peer;
    command->count = 0;
    command_complete(controller, command, -EIO);
    wake_slot_waiters(controller);
}

void redirect_fail_all(struct controller *controller, uint32_t peer)
{
    for (uint32_t i = 0; i < controller->slots.count; i++) {
        struct command *command = controller->slot_commands[i];
        if (command != NULL && command->target == peer)
            fail_one(controller, command);
    }
}

void redirect_sweep(struct controller *controller)
{
    bool outstanding = false;

    /* Nobody tells us that a peer refuses us, or, with the configuration controller gone, that one
     * has stopped. */
    peers_look_at_seats(controller);
    outstanding = peers_recovering(controller);
    for (uint32_t i = 0; i < controller->slots.count; i++) {
        struct command *command = controller->slot_commands[i];
        if (command == NULL)
            continue;
        outstanding = true;
        uint32_t peer = command->target, generation = command->slot_generation;
        /* relaxed: only a hint of what to do; the functions called look again. */
        enum slot_state state = slot_word_state(load_relaxed(&controller->slots.slots[i].state));
        bool old = loop_now_ns(controller->loop) - command->received_ns > SWEEP_MS * 1000000ull;
        if (state == SLOT_DONE && old) {
            count_up(&controller->counters->doorbells_swept, 1);
            redirect_answered(controller, peer, i, generation);
        } else if (state == SLOT_POSTED && old) {
            count_up(&controller->counters->doorbells_swept, 1);
            peer_post(
                controller, peer,
                (struct doorbell){.generation = generation, .index = i, .kind = DOORBELL_REQUEST});
        }
    }
    outstanding = coordinate_sweep(controller) || outstanding;
    if (outstanding)
        redirect_start_sweeping(controller);
}
