#include "controller/path/component.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

static void give(struct controller *controller, struct command *component)
{
    component->next = controller->free_components;
    controller->free_components = component;
}

/* Those who wait for a component, in line, as long as there are any. One that goes on may end at
 * once and give back what it took: the loop that is running sees that. */
static void wake_waiters(struct controller *controller)
{
    struct command *waiter;

    if (controller->waking_component_waiters)
        return;
    controller->waking_component_waiters = true;
    while (controller->free_components != NULL &&
           (waiter = command_queue_pop(&controller->component_waiters)) != NULL)
        command_complete(controller, waiter, 0);
    controller->waking_component_waiters = false;
}

/* Whether the member still is what it was when it was asked. One that has failed meanwhile may have
 * been given another image before the owner came to read, which is being rebuilt: below the cursor
 * it is as good as any, and the cursor does not rise from 0 before this command has ended
 * (recovery/fence.h). */
static bool may_be_believed(const struct command *component)
{
    const struct command *parent = component->owner;
    struct volume_record *record = parent->virtual->record;
    struct member_states now = member_states_now(record);
    uint32_t bit = UINT32_C(1) << component->member;

    if ((now.failed & bit) == 0)
        return true;
    return (now.rebuilding & bit) != 0 &&
           component->offset_bytes + component->length_bytes <= member_states_rebuilt_bytes(record);
}

static int32_t status_of(const struct command *component)
{
    bool reads = component->op == COMMAND_READ || component->op == COMMAND_EXTENTS;

    return reads && component->status == 0 && !may_be_believed(component) ? -EIO
                                                                          : component->status;
}

static void count_in_parent(struct controller *controller, struct command *component)
{
    struct command *parent = component->owner;
    struct component_end end = {.member = component->member,
                                .status = status_of(component),
                                .count = component->count,
                                .virtual_offset_bytes = component->cookie};

    give(controller, component);
    split_component_ended(controller, parent, &end);
    wake_waiters(controller);
}

static const struct command_origin component_origin = {
    .name = "component", .travels = true, .reply = count_in_parent};

/* Not one that a dead peer may still be answering into the same payload. */
bool component_can_be_read_elsewhere(const struct command *command)
{
    return command->origin == &component_origin && command->op == COMMAND_READ &&
           command->late_claimants == 0 && split_reads_elsewhere(command->owner, command->member);
}

struct command *component_payload_owner(struct command *command)
{
    return command->origin == &component_origin ? command->owner : command;
}

bool component_send(struct controller *controller, struct command *parent,
                    const struct component_wanted *wanted)
{
    struct command *component = controller->free_components;

    if (component == NULL) {
        command_queue_push(&controller->component_waiters, parent);
        count_up(&controller->counters->waits_for_component, 1);
        return false;
    }
    controller->free_components = component->next;
    component->next = NULL;
    component->origin = &component_origin;
    component->owner = parent;
    component->cookie = wanted->virtual_offset_bytes;
    component->received_ns = parent->received_ns;
    component->number = parent->number;
    component->op = wanted->op;
    component->flags = wanted->flags;
    component->member = (uint8_t)wanted->member;
    component->volume = parent->virtual->members[wanted->member].volume;
    component->offset_bytes = wanted->member_offset_bytes;
    component->length_bytes = wanted->length_bytes;
    component->payload_offset_bytes = wanted->payload_offset_bytes;
    component->payload = controller->segment.base + wanted->payload_offset_bytes;
    component->shape = wanted->shape;
    component->count = 0;
    component->status = 0;
    parent->aggregate.remaining++;
    command_start(controller, component, STAGE_MAP);
    return true;
}
