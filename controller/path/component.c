#include "controller/path/component.h"

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

static void count_in_parent(struct controller *controller, struct command *component)
{
    struct command *parent = component->owner;
    struct component_end end = {.member = component->member,
                                .status = component->status,
                                .count = component->count,
                                .virtual_offset_bytes = component->cookie};

    give(controller, component);
    split_component_ended(controller, parent, &end);
    wake_waiters(controller);
}

static const struct command_origin component_origin = {
    .name = "component", .travels = true, .reply = count_in_parent};

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
