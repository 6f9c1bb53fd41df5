#include "controller/recovery/errand.h"

#include <assert.h>
#include <errno.h>

#include "controller/controller.h"

void errands_init(struct errands *errands)
{
    *errands = (struct errands){.over_end = &errands->over};
}

/* Told later, because what it does then may end at once, and again, and so on. */
static void end(struct errand *errand, int32_t status)
{
    struct errands *errands = &errand->controller->errands;

    errand->status = status;
    errand->next_over = NULL;
    *errands->over_end = errand;
    errands->over_end = &errand->next_over;
}

static void errand_reply(struct controller *controller, struct command *command)
{
    struct errand *errand = command->owner;
    int32_t status = command->status;

    errand->count = command->count;
    command_give(controller, command);
    end(errand, status);
}

static const struct command_origin errand_origin = {
    .name = "job", .travels = true, .reply = errand_reply};

static void try_to_start(struct command_waiter *waiter)
{
    struct errand *errand = (struct errand *)((char *)waiter - offsetof(struct errand, waiter));
    struct controller *controller = errand->controller;
    struct command *command;
    int error =
        command_take(controller, errand->payload_bytes, errand->offset_bytes, waiter, &command);

    if (error == -EAGAIN) /* it stands in line */
        return;
    if (error != 0) {
        end(errand, error);
        return;
    }
    command->origin = &errand_origin;
    command->owner = errand;
    command->op = errand->op;
    command->flags = errand->flags;
    command->volume = errand->volume;
    command->members = errand->members;
    command->offset_bytes = errand->offset_bytes;
    command->length_bytes = errand->length_bytes;
    command->shape = (struct payload_shape){0};
    command->status = 0;
    command->count = 0;
    command_start(controller, command, STAGE_MAP);
}

void errand_send(struct controller *controller, struct errand *errand)
{
    assert(!errand->sent);
    errand->sent = true;
    errand->controller = controller;
    errand->waiter.fire = try_to_start;
    controller->errands.sent++;
    try_to_start(&errand->waiter);
}

/* Only those that are over now: what they send and ends at once is the next turn's. */
void errands_turn(struct controller *controller)
{
    struct errands *errands = &controller->errands;
    struct errand *errand = errands->over;

    errands->over = NULL;
    errands->over_end = &errands->over;
    while (errand != NULL) {
        struct errand *next = errand->next_over;
        errand->sent = false;
        errands->sent--;
        errand->over(errand);
        errand = next;
    }
}
