/*
 * The trail of a command: what is written into the trace along its way, and the USDT probes of the
 * same places. Only the path includes this.
 *
 * A probe is one instruction that does nothing until somebody attaches to it; its arguments are
 * what lies in registers anyway. docs/probes.md lists them; their order is never changed.
 */
#ifndef CONTROLLER_PATH_TRAIL_H
#define CONTROLLER_PATH_TRAIL_H

#include <sys/sdt.h>

#include "controller/controller.h"
#include "controller/tracing.h"

static inline bool trail_wanted(const struct controller *controller, enum trace_level level)
{
    return __builtin_expect(controller->tracing.level >= (uint32_t)level, false);
}

/* Its first stage: it has come from a host or a peer, or it is a component of one that has. */
void trail_begun(struct controller *controller, const struct command *command);

/* Its last: the origin has not been told yet. */
void trail_replied(struct controller *controller, const struct command *command);

void trail_held(struct controller *controller, const struct command *command);
/* Seat `by` has handed its reservation to it. */
void trail_handed(struct controller *controller, const struct command *command, uint32_t by);
void trail_redirected(struct controller *controller, const struct command *command);

/* A stage, which may be the last that is known of a command. */
struct trail_stage {
    uint64_t number;
    struct trace_event event; /* only at the level `stages` */
    uint8_t stage;
};

/* Before a stage runs. */
static inline struct trail_stage trail_stage(const struct controller *controller,
                                             const struct command *command)
{
    struct trail_stage stage;

    stage.number = command->number;
    stage.stage = command->stage;
    if (trail_wanted(controller, TRACE_STAGES))
        stage.event = tracing_of(command, TRACE_STAGE);
    return stage;
}

/* After it, when the command may be over, or another one. */
static inline void trail_verdict(struct controller *controller, struct trail_stage *stage,
                                 enum stage_verdict verdict)
{
    DTRACE_PROBE4(anyport, stage, controller->id, stage->number, stage->stage, verdict);
    if (!trail_wanted(controller, TRACE_STAGES) || stage->stage == STAGE_REPLY)
        return;
    stage->event.verdict = (uint8_t)verdict;
    tracing_write(controller, &stage->event);
}

#endif
