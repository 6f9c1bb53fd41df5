/*
 * Asking controllers over their control channels: one of them, or all.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/config/configurator.h"

bool configurator_can_ask(const struct configurator *configurator, uint32_t id)
{
    return id < configurator->config->controllers && configurator->controllers[id].alive &&
           configurator->lines[id].watched.fd >= 0;
}

int configurator_ask(struct configurator *configurator, uint32_t id,
                     const struct control_message *message, int pass_fd, control_answered *answered,
                     void *context)
{
    if (!configurator_can_ask(configurator, id))
        return -EPIPE;
    return control_line_ask(&configurator->lines[id], message, pass_fd, answered, context);
}

/* One question to all. */
struct asked_all {
    control_answered *answered;
    void *context;
    uint32_t remaining;
    uint32_t first; /* the controller whose status it is */
    int status;
    struct asked_one {
        struct asked_all *all;
        uint32_t id;
    } one[CONTROLLERS_MAX];
};

static void end_one(struct asked_all *all)
{
    if (--all->remaining > 0)
        return;
    if (all->answered != NULL)
        all->answered(all->context, all->status);
    free(all);
}

static void one_answered(void *context, int status)
{
    const struct asked_one *one = context;
    struct asked_all *all = one->all;

    if (status != 0 && status != -EPIPE && (all->status == 0 || one->id < all->first)) {
        all->status = status;
        all->first = one->id;
    }
    end_one(all);
}

int configurator_ask_all(struct configurator *configurator, const struct control_message *message,
                         control_answered *answered, void *context)
{
    struct asked_all *all = calloc(1, sizeof *all);
    int error = 0;

    if (all == NULL)
        return -ENOMEM;
    *all = (struct asked_all){.answered = answered, .context = context, .remaining = 1};
    for (uint32_t id = 0; id < configurator->config->controllers && error == 0; id++) {
        all->one[id] = (struct asked_one){.all = all, .id = id};
        error = configurator_ask(configurator, id, message, -1, one_answered, &all->one[id]);
        all->remaining += error == 0;
        if (error == -EPIPE) /* not alive */
            error = 0;
    }
    if (error == 0 && all->remaining == 1) /* nobody is left to be asked */
        error = -EPIPE;
    if (error != 0)
        all->answered = NULL; /* those that were asked answer into nothing */
    end_one(all);
    return error;
}
