/*
 * SPLIT: what parts of it that send round after round have in common.
 */
#include "controller/controller.h"
#include "controller/path/split.h"

enum stage_verdict split_rounds_go_on(const struct split_rounds *rounds,
                                      struct controller *controller, struct command *command)
{
    enum stage_verdict verdict;

    do {
        if (!rounds->send(controller, command) || !aggregate_add(&command->aggregate, 0, 0))
            return STAGE_WAIT;
        verdict = rounds->end(controller, command);
    } while (verdict == STAGE_NEXT);
    return verdict;
}

enum stage_verdict split_rounds_complete(const struct split_rounds *rounds,
                                         struct controller *controller, struct command *command)
{
    if (!command->split->in_round && rounds->end(controller, command) == STAGE_DONE)
        return STAGE_DONE;
    return split_rounds_go_on(rounds, controller, command);
}
