/*
 * EXECUTE: no write to a region begins before the image says, durably, that there may be one
 * (controller/integrity/intents.h). Where it says so already, that is one load. One command writes
 * the bitmap for all that wait.
 */
#include <errno.h>

#include "controller/path/execute.h"

int execute_intend(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);

    if (element->integrity == NULL || command->length_bytes == 0)
        return NEXT_OVER;
    struct intents *intents = element->integrity->intents;
    if (intents_cover(intents, command->element_offset_bytes, command->length_bytes))
        return NEXT_OVER;
    intents_want(intents, command->element_offset_bytes, command->length_bytes);
    clearing_wake(controller);
    if (intents_cover(intents, command->element_offset_bytes, command->length_bytes))
        return NEXT_OVER; /* they were at rest */
    if (intents->writing) {
        command->io.waits_for = WAIT_INTENT;
        command_queue_push(&element->intent_waiters, command);
        return NEXT_WAIT;
    }
    intents_begin(intents);
    command->io.step = STEP_INTENT;
    return NEXT_STEP;
}

/* Of one that failed before it had any there are none to hold. */
void execute_hold_intents(struct controller *controller, const struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);

    if (element->integrity != NULL && command->length_bytes > 0 &&
        intents_cover(element->integrity->intents, command->element_offset_bytes,
                      command->length_bytes))
        intents_hold(element->integrity->intents, command->element_offset_bytes,
                     command->length_bytes);
}

/* Those that waited for this writing; who must wait once more stands in a new line. */
static void wake(struct controller *controller, struct owned_element *element, int error)
{
    struct command_queue waiters = element->intent_waiters;
    struct command *waiter;

    element->intent_waiters = (struct command_queue){0};
    while ((waiter = command_queue_pop(&waiters)) != NULL)
        command_complete(controller, waiter, error);
}

int execute_after_intent(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    struct intents *intents = element->integrity->intents;
    int error = 0;

    if (command->io.result < 0)
        error = execute_write_failed(controller, command);
    else if (command->io.result != intents->image_bytes)
        error = execute_once_more(command);
    if (error == NEXT_STEP)
        return NEXT_STEP;
    if (error == 0)
        intents_written(intents);
    else
        intents_failed(intents);
    wake(controller, element, error);
    if (error != 0 || command->op == COMMAND_CLEAR)
        return error;
    return execute_begin_change(controller, command);
}

int execute_begin_change(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    int next = execute_intend(controller, command);

    if (next != NEXT_OVER)
        return next;
    if (!command->cache.ordered && !gate_enter(&element->gate, command)) {
        command->io.waits_for = WAIT_GATE;
        return NEXT_WAIT;
    }
    return execute_first(controller, command);
}

uint32_t execute_count_doubt(struct controller *controller, const struct command *command)
{
    const struct integrity *integrity = execute_owned(controller, command)->integrity;

    if (integrity == NULL)
        return 0;
    uint64_t count = intents_count(integrity->intents, command->element_offset_bytes,
                                   command->length_bytes, INTENTS_MEMBERS_AGREE);
    return count < EXTENTS_MAX ? (uint32_t)count : EXTENTS_MAX;
}
