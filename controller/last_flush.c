#include "controller/last_flush.h"

#include <errno.h>

#include "controller/controller.h"

/* Those whose failure others can be told of: what is lost on others the flush at the end finds. */
static bool is_to_be_flushed(const struct controller *controller, uint32_t index)
{
    const struct owned_element *element = &controller->elements[index];

    /* relaxed: we are its only writer */
    return element->mark != NULL && mark_has_members(element->mark) && element->file.fd >= 0 &&
           !element->file.read_only && controller_owns(controller, index) &&
           load_relaxed(&element->record->state) == ELEMENT_ONLINE;
}

/* Nothing is dirty in a cache any more: it goes to the element itself. */
static void flush(struct controller *controller, uint32_t index)
{
    struct command *command = &controller->last_flush.command;

    command->op = COMMAND_FLUSH;
    command->target = (uint8_t)controller->id;
    command->element = index;
    command->received_ns = loop_now_ns(controller->loop);
    command->cache = (struct command_cache){0};
    command->status = 0;
    command_start(controller, command, STAGE_EXECUTE);
}

/* When all are flushed, those that failed are marked; then it is answered. */
static void go_on(struct controller *controller)
{
    struct last_flush *last = &controller->last_flush;
    struct control_request *request = last->request;

    while (last->element < controller->elements_count) {
        uint32_t index = last->element++;
        if (is_to_be_flushed(controller, index)) {
            flush(controller, index);
            return;
        }
    }
    last->request = NULL;
    settle_failed_elements(controller, request);
}

static void is_flushed(struct controller *controller, struct command *command)
{
    (void)command; /* EXECUTE has made the element fail, if it did */
    go_on(controller);
}

static const struct command_origin origin = {
    .name = "last flush", .uncounted = true, .reply = is_flushed};

static void io_completed(struct completion *completion, int result)
{
    struct command *command = (struct command *)(void *)completion;

    command_complete(command->controller, command, result);
}

void last_flush_init(struct controller *controller)
{
    struct command *command = &controller->last_flush.command;

    command->controller = controller;
    command->receiver = (uint8_t)controller->id;
    command->origin = &origin;
    command->io.completion.fire = io_completed;
}

/* No arguments. */
void control_flush_elements(struct control_request *request)
{
    struct controller *controller = request->controller;

    if (controller->last_flush.request != NULL) {
        control_answer(request, -EBUSY);
        return;
    }
    controller->last_flush.request = request;
    controller->last_flush.element = 0;
    go_on(controller);
}
