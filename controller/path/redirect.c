#include "controller/path/redirect.h"

#include <assert.h>
#include <errno.h>

#include "controller/controller.h"
#include "controller/path/component.h"
#include "controller/path/owner.h"
#include "controller/path/trail.h"

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

/* What the request takes along, for the models. */
static uint64_t request_payload_bytes(const struct command *command)
{
    return command->op == COMMAND_WRITE ? command->length_bytes : 0;
}

static void ring_for(struct controller *controller, struct command *command, uint64_t payload_bytes)
{
    command->announced_ns = loop_now_ns(controller->loop);
    command->suspected = 0;
    peer_post_with(controller, command->target,
                   (struct doorbell){.generation = command->slot_generation,
                                     .index = command->slot,
                                     .kind = DOORBELL_REQUEST},
                   payload_bytes);
}

void redirect_announce(struct controller *controller, struct command *command)
{
    ring_for(controller, command, 0);
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
    ring_for(controller, command, request_payload_bytes(command));
    count_up(&controller->counters->slots_used, 1);
    redirect_start_sweeping(controller);
}

static enum stage_verdict fail(struct command *command, int32_t status)
{
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    return STAGE_DONE;
}

/* Without a slot, which others need whose targets can be reached. */
static enum stage_verdict wait_for_way(struct controller *controller, struct command *command)
{
    if (redirect_waited_long(controller, command))
        return fail(command, -EIO);
    command_queue_push(&controller->way_waiters, command);
    redirect_start_sweeping(controller);
    return STAGE_WAIT;
}

static enum stage_verdict try_to_post(struct controller *controller, struct command *command)
{
    uint32_t index;

    if (controller->peers.all[command->target].lost)
        return owner_again(controller, command);
    if (peer_is_cut(&controller->peers.all[command->target]))
        return wait_for_way(controller, command);
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
    command->announced_ns = loop_now_ns(controller->loop);
    return try_to_post(controller, command);
}

/* Either a slot has become free for a command that waited for one, or its answer is here; -ESTALE:
 * its target has died, or does not own the element. */
enum stage_verdict redirect_complete(struct controller *controller, struct command *command)
{
    if (command->slot == UINT32_MAX)
        return try_to_post(controller, command);
    if (command->io.result == -ESTALE)
        return owner_again(controller, command);
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

void redirect_end(struct controller *controller, struct command *command, int32_t status)
{
    release_slot(controller, command);
    command_complete(controller, command, status);
    wake_slot_waiters(controller);
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
    command->count = answer.count;
    redirect_end(controller, command, checked_status(command, &answer));
}

/* Takes back one slot of a lost peer; where that is gone its command looks for another owner, which
 * there is also when it was stopped in order: its elements had been moved away. What it had claimed
 * may still be written by the kernel on its behalf, so the buffer is not used again before the
 * peer's I/O has landed. */
static void take_back_one(struct controller *controller, struct command *command)
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
    bool gone = seat_is_gone(seat_state(controller->peers.all[peer].seat));
    if (was_claimed && gone)
        command->late_claimants |= 1ull << peer;
    else if (was_claimed)
        component_payload_owner(command)->lost_claimants |= 1ull << peer;
    command->count = 0;
    redirect_end(controller, command, gone ? -ESTALE : -EIO);
}

void redirect_take_back_all(struct controller *controller, uint32_t peer)
{
    for (uint32_t i = 0; i < controller->slots.count; i++) {
        struct command *command = controller->slot_commands[i];
        if (command != NULL && command->target == peer)
            take_back_one(controller, command);
    }
    redirect_wake_way_waiters(controller);
}
