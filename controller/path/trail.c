#include "controller/path/trail.h"

/* What events of a command have in common. */
static inline struct trace_event event_of(const struct command *command, enum trace_kind kind)
{
    return (struct trace_event){
        .command = command->number,
        .offset_bytes = command->offset_bytes,
        .length_bytes = command->length_bytes,
        .volume = command->volume,
        .kind = (uint8_t)kind,
        .op = command->op,
        .stage = command->stage,
        .receiver = command->receiver,
        .peer = TRACE_NO_CONTROLLER,
    };
}

/* A part of a command, here where that was received. */
static bool is_component(const struct command *command)
{
    return command->split == NULL && command->origin->travels;
}

static enum trace_kind kind_of_beginning(const struct command *command)
{
    if (command->origin->host)
        return TRACE_ARRIVED;
    if (is_component(command))
        return TRACE_SENT;
    return command->origin->travels ? TRACE_JOB : TRACE_TAKEN;
}

void trail_begun(struct controller *controller, const struct command *command)
{
    enum trace_kind kind = kind_of_beginning(command);

    DTRACE_PROBE7(anyport, begun, controller->id, command->receiver, command->number, command->op,
                  command->volume, command->offset_bytes, command->length_bytes);
    if (!trail_wanted(controller, kind == TRACE_SENT ? TRACE_STAGES : TRACE_COMMANDS))
        return;
    struct trace_event event = event_of(command, kind);
    event.detail = kind == TRACE_SENT ? command->member : kind == TRACE_JOB ? 0 : command->cookie;
    if (kind == TRACE_TAKEN)
        event.peer = command->receiver;
    tracing_write(controller, &event);
}

void trail_replied(struct controller *controller, const struct command *command)
{
    uint64_t took_ns = loop_now_ns(controller->loop) - command->received_ns;

    DTRACE_PROBE5(anyport, replied, controller->id, command->receiver, command->number,
                  command->status, took_ns);
    if (!trail_wanted(controller, is_component(command) ? TRACE_STAGES : TRACE_COMMANDS))
        return;
    struct trace_event event = event_of(command, TRACE_REPLIED);
    event.status = command->status;
    event.detail = took_ns;
    tracing_write(controller, &event);
}

void trail_held(struct controller *controller, const struct command *command)
{
    DTRACE_PROBE2(anyport, held, controller->id, command->number);
    if (!trail_wanted(controller, TRACE_COMMANDS))
        return;
    struct trace_event event = event_of(command, TRACE_HELD);
    tracing_write(controller, &event);
}

void trail_handed(struct controller *controller, const struct command *command, uint32_t by)
{
    DTRACE_PROBE3(anyport, handed, controller->id, command->number, by);
    if (!trail_wanted(controller, TRACE_COMMANDS))
        return;
    struct trace_event event = event_of(command, TRACE_HANDED);
    event.peer = (uint8_t)by;
    tracing_write(controller, &event);
}

void trail_redirected(struct controller *controller, const struct command *command)
{
    DTRACE_PROBE4(anyport, redirected, controller->id, command->target, command->number,
                  command->slot);
    if (!trail_wanted(controller, TRACE_COMMANDS))
        return;
    struct trace_event event = event_of(command, TRACE_REDIRECTED);
    event.peer = command->target;
    event.detail = command->slot;
    tracing_write(controller, &event);
}

enum stage_verdict trail_run_traced(struct controller *controller, struct command *command,
                                    stage_fn *run)
{
    struct trace_event event = event_of(command, TRACE_STAGE);
    enum stage_verdict verdict = run(controller, command);

    DTRACE_PROBE4(anyport, stage, controller->id, event.command, event.stage, verdict);
    if (event.stage == STAGE_REPLY) /* it has its own event */
        return verdict;
    event.verdict = (uint8_t)verdict;
    tracing_write(controller, &event);
    return verdict;
}
