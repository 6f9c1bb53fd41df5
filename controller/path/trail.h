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

/* Runs a stage, whatever the trace wants to know of it. */
enum stage_verdict trail_run_traced(struct controller *controller, struct command *command,
                                    stage_fn *run);

/* Runs a stage, after which the command may be over, or another one. This is once for each stage of
 * each command: what only the level `stages` needs is elsewhere, so that nothing of it is made,
 * copied or cleared here. */
static inline enum stage_verdict trail_run(struct controller *controller, struct command *command,
                                           stage_fn *run)
{
    if (trail_wanted(controller, TRACE_STAGES))
        return trail_run_traced(controller, command, run);
    uint64_t number = command->number;
    uint8_t stage = command->stage;
    enum stage_verdict verdict = run(controller, command);
    DTRACE_PROBE4(anyport, stage, controller->id, number, stage, verdict);
    return verdict;
}

#endif
