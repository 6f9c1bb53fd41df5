#include "controller/config/seats.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"

static struct seat_care *care_of(struct configurator *configurator, uint32_t id)
{
    return &configurator->controllers[id].care;
}

/* --- the end of what is done --- */

/* The care is free before its asker is told: it may ask for something else at once. */
static void end(struct configurator *configurator, uint32_t id, const char *why)
{
    struct seat_care over = *care_of(configurator, id);

    *care_of(configurator, id) = (struct seat_care){.task = SEAT_TASK_NONE};
    if (over.changed != NULL)
        over.changed(over.context, why);
}

void seats_ended(struct configurator *configurator, uint32_t id)
{
    switch (care_of(configurator, id)->task) {
    case SEAT_TASK_NONE:
        break;
    case SEAT_TASK_KILL:
        end(configurator, id, NULL);
        break;
    }
}

/* --- what can be done --- */

const char *seats_refusal(const struct configurator *configurator)
{
    switch (configurator->phase) {
    case CONFIGURATOR_STARTING:
        return "the array is still starting; allowed: when it runs";
    case CONFIGURATOR_RUNNING:
        return NULL;
    default:
        return "the array ends; allowed: while it runs";
    }
}

static const char *task_name(enum seat_task task)
{
    return task == SEAT_TASK_KILL ? "it is being killed already" : NULL;
}

static uint32_t count_alive(const struct configurator *configurator)
{
    uint32_t count = 0;

    for (uint32_t id = 0; id < configurator->config->controllers; id++)
        count += configurator->controllers[id].alive;
    return count;
}

/* --- killing --- */

static const char *why_not_kill(struct configurator *configurator, uint32_t id, bool force)
{
    const char *why = seats_refusal(configurator);

    if (why != NULL)
        return why;
    if (!configurator->controllers[id].alive)
        return "it does not run; allowed: one that does";
    if (care_of(configurator, id)->task == SEAT_TASK_KILL)
        return task_name(SEAT_TASK_KILL);
    if (!force && count_alive(configurator) == 1)
        return "it is the last one that runs, and the array ends with it; allowed: another one, or "
               "--force";
    return NULL;
}

void seat_kill(struct configurator *configurator, uint32_t id, bool force, seat_changed *changed,
               void *context)
{
    const char *why = why_not_kill(configurator, id, force);

    /* By its pidfd: a number may be another process's by now. */
    if (why == NULL && syscall(SYS_pidfd_send_signal, configurator->controllers[id].death.fd,
                               SIGKILL, NULL, 0) < 0)
        why = strerror(errno);
    if (why != NULL) {
        changed(context, why);
        return;
    }
    end(configurator, id, "its controller was killed");
    *care_of(configurator, id) =
        (struct seat_care){.task = SEAT_TASK_KILL, .changed = changed, .context = context};
}
