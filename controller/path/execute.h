/* EXECUTE: what other parts of the path need of it. */
#ifndef CONTROLLER_PATH_EXECUTE_H
#define CONTROLLER_PATH_EXECUTE_H

#include "controller/path/command.h"

/* Counts a command that was answered without EXECUTE, from the owner's cache, as executed here. */
void execute_count_served(struct controller *controller, struct command *command, int32_t status);

#endif
