#include "controller/path/owner.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/component.h"
#include "controller/path/redirect.h"

static struct owner owner_now(const struct controller *controller, const struct command *command)
{
    return owner_load(&controller->elements[command->element].record->owner);
}

/* Whether commands may be given to it. One that is only not spoken to is for REDIRECT to refuse.
 * One whose new life we have not seen running yet, though it owns something, is waited for. */
static bool executes(const struct controller *controller, struct owner owner)
{
    if (owner.state != OWNER_OWNED)
        return false;
    if (owner.seat == controller->id)
        return owner.epoch == controller->epoch;
    const struct peer *peer = &controller->peers.all[owner.seat];
    return owner.epoch == peer->epoch && !peer->starts &&
           !(peer->lost && owner_has_left(&controller->segment, owner));
}

/* Whether somebody will own the element after all. */
static bool will_be_owned(const struct controller *controller, struct owner owner)
{
    if (owner.state == OWNER_NONE || owner.seat >= controller->peers.count)
        return false;
    if (!owner_has_left(&controller->segment, owner))
        return true;
    /* At the array's end nobody takes what one left that stopped in order. */
    return takeover_is_on(controller) &&
           (owner_is_gone(&controller->segment, owner) || !controller->quiescing ||
            controller_others_stay(controller));
}

/* What the dead had claimed of it has not landed for certain: the buffer is kept aside for that. */
static void keep_late_claimants(struct command *command)
{
    component_payload_owner(command)->lost_claimants |= command->late_claimants;
}

static enum stage_verdict fail(struct command *command)
{
    keep_late_claimants(command);
    aggregate_add(&command->aggregate, command->offset_bytes, -EIO);
    return STAGE_DONE;
}

/* One that has failed is owned although the I/O of its owner before may still land. The state is
 * looked at after the owner: one that is online then has a description which came after that
 * (takeover_has_landed). */
static bool is_owned_at_once(const struct controller *controller, const struct command *command)
{
    /* relaxed: written before the owner */
    return load_relaxed(&controller->elements[command->element].record->state) != ELEMENT_ONLINE;
}

enum stage_verdict owner_look(struct controller *controller, struct command *command)
{
    struct owner owner = owner_now(controller, command);

    if (owner.seat < controller->peers.count && executes(controller, owner)) {
        command->target = owner.seat;
        command->owner_generation = owner.generation;
        if (is_owned_at_once(controller, command))
            keep_late_claimants(command);
        command->late_claimants = 0; /* it has landed: else the element would not be owned */
        return STAGE_NEXT;
    }
    if (!will_be_owned(controller, owner))
        return fail(command);
    if (component_can_be_read_elsewhere(command)) {
        aggregate_add(&command->aggregate, command->offset_bytes, COMPONENT_AWAY);
        return STAGE_DONE;
    }
    count_up(&controller->counters->waits_for_owner, 1);
    command_queue_push(&controller->owner_waiters, command);
    redirect_start_sweeping(controller);
    return STAGE_WAIT;
}

enum stage_verdict owner_complete(struct controller *controller, struct command *command)
{
    return owner_look(controller, command);
}

enum stage_verdict owner_again(struct controller *controller, struct command *command)
{
    struct owner owner = owner_now(controller, command);

    if (owner.generation == command->owner_generation &&
        !owner_has_left(&controller->segment, owner))
        return fail(command);
    return STAGE_MOVED;
}

void owner_wake_waiters(struct controller *controller)
{
    struct command_queue all = controller->owner_waiters;
    struct command *command;

    controller->owner_waiters = (struct command_queue){NULL, NULL};
    while ((command = command_queue_pop(&all)) != NULL)
        command_complete(controller, command, 0);
}
