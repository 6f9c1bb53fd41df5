#include "controller/tracing.h"

#include "controller/controller.h"

static int commit_trace(void *context, uint64_t offset_bytes, uint64_t bytes)
{
    const struct controller *controller = context;
    const struct trace_ring *ring = segment_trace(&controller->segment, controller->id);
    uint64_t start = (uint64_t)((const uint8_t *)ring - controller->segment.base);

    return segment_commit(&controller->segment, start + offset_bytes, bytes);
}

int tracing_init(struct controller *controller)
{
    struct trace_ring *ring = segment_trace(&controller->segment, controller->id);

    controller->tracing.level = TRACE_OFF;
    if (ring == NULL)
        return 0;
    int error =
        trace_writer_init(&controller->tracing.writer, ring,
                          controller->segment.geometry.trace_events, commit_trace, controller);
    if (error == 0)
        tracing_turn(controller);
    return error;
}

void tracing_turn(struct controller *controller)
{
    struct tracing *tracing = &controller->tracing;

    if (tracing->writer.ring == NULL)
        return;
    /* relaxed: nothing else is read because of it. */
    tracing->level = load_relaxed(&segment_header(&controller->segment)->trace_level);
}

/* At the level `stages` the exact time tells what a stage took. */
void tracing_write(struct controller *controller, struct trace_event *event)
{
    event->time_ns = controller->tracing.level >= TRACE_STAGES ? loop_clock_ns(controller->loop)
                                                               : loop_now_ns(controller->loop);
    trace_write(&controller->tracing.writer, event);
}

static void write_rare(struct controller *controller, struct trace_event *event)
{
    event->receiver = (uint8_t)controller->id;
    event->time_ns = loop_clock_ns(controller->loop);
    if (controller->tracing.level >= TRACE_EVENTS)
        trace_write(&controller->tracing.writer, event);
}

void tracing_event(struct controller *controller, enum trace_kind kind, uint32_t peer,
                   uint64_t detail)
{
    struct trace_event event = {
        .kind = (uint8_t)kind, .peer = (uint8_t)peer, .detail = detail, .volume = TRACE_NO_VOLUME};
    write_rare(controller, &event);
}

void tracing_volume(struct controller *controller, enum trace_kind kind, uint32_t volume,
                    uint64_t detail)
{
    struct trace_event event = {
        .kind = (uint8_t)kind, .peer = TRACE_NO_CONTROLLER, .detail = detail, .volume = volume};
    write_rare(controller, &event);
}
