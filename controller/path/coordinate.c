#include "controller/path/coordinate.h"

#include "controller/controller.h"

enum stage_verdict coordinate_reserve(struct controller *controller, struct command *command)
{
    (void)controller;
    (void)command;
    return STAGE_NEXT;
}

enum stage_verdict coordinate_release(struct controller *controller, struct command *command)
{
    (void)controller;
    (void)command;
    return STAGE_NEXT;
}
