/*
 * Moving an element to another controller while the array runs, as the configuration controller
 * sees to it: it asks the owner to let it go (recovery/let_go.h), and waits until the word says who
 * has it. Nothing of it stops when the configuration controller dies.
 */
#ifndef CONTROLLER_CONFIG_ELEMENT_MOVE_H
#define CONTROLLER_CONFIG_ELEMENT_MOVE_H

#include <stdbool.h>
#include <stdint.h>

struct configurator;
struct element_move;

struct element_moved {
    int status;       /* 0: the target owns it; or -errno */
    const char *text; /* what kept it from being so; valid during the call */
};
typedef void element_moved_fn(void *context, const struct element_moved *moved);

/* Moves `element` to controller `target`; where it is already, nothing is done, and that is fine.
 * `done` is called exactly once, before this returns or from a later turn. */
void element_move_start(struct configurator *configurator, uint32_t element, uint32_t target,
                        element_moved_fn *done, void *context);

/* Whether an element is on its way to this controller. */
bool element_moves_to(const struct configurator *configurator, uint32_t target);

/* Something has changed, or time has gone by: looks at all that are under way. */
void element_moves_look(struct configurator *configurator);

/* When nobody answers any more: those that are under way are told so. */
void element_moves_done(struct configurator *configurator);

#endif
