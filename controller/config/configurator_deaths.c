/*
 * Deaths of controllers, as the configuration controller sees them: by pidfd at once, and later,
 * by witnesses (io/witness.h), that the last I/O of a dead one has landed.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/scrubs.h"

static void say_death(const struct configurator *configurator, uint32_t id, const siginfo_t *info)
{
    char how[48] = "has ended";

    if (!configurator->controllers[id].adopted)
        snprintf(how, sizeof how, "%s %d",
                 info->si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
                 info->si_status);
    fprintf(stderr, "anyport: controller %u (process %d) %s; its elements %s\n", id,
            (int)configurator->controllers[id].pid, how,
            configurator->config->takeover ? "are taken over by those that are left"
                                           : "cannot be reached");
}

void configurator_declare_dead(struct configurator *configurator, uint32_t id)
{
    seat_declare_dead(configurator_seat(configurator, id), configurator->controllers[id].epoch);
    configurator_publish_membership(configurator);
    sockets_close_controller(&configurator->sockets, id);
}

/* An array that comes up without one of its controllers would be taken for a whole one. */
static void stop_if_starting(struct configurator *configurator, uint32_t id)
{
    if (configurator->phase != CONFIGURATOR_STARTING)
        return;
    fprintf(stderr, "anyport: the array is not started, because controller %u cannot run\n", id);
    configurator->failed = true;
    configurator_stop(configurator);
}

/* How the process ended. Of one that is not our child only its seat tells. */
static bool has_ended(const struct watched_controller *controller, siginfo_t *ret_info)
{
    *ret_info = (siginfo_t){0};
    if (!controller->adopted)
        return waitid(P_PID, (id_t)controller->pid, ret_info, WEXITED | WNOHANG) == 0 &&
               ret_info->si_pid != 0;
    ret_info->si_code = CLD_EXITED;
    return true;
}

void configurator_controller_died(struct watched *watched, uint32_t events)
{
    struct watched_controller *controller = (struct watched_controller *)(void *)watched;
    struct configurator *configurator = controller->configurator;
    siginfo_t info;

    (void)events;
    if (!has_ended(controller, &info))
        return;
    watch_remove(configurator->watch, watched);
    close(watched->fd);
    watched->fd = -1;
    controller->alive = false;
    control_line_close(&configurator->lines[controller->id]);
    bool in_order = info.si_code == CLD_EXITED && info.si_status == 0 &&
                    seat_state(configurator_seat(configurator, controller->id)) == SEAT_STOPPED;
    if (!in_order) {
        say_death(configurator, controller->id, &info);
        configurator_declare_dead(configurator, controller->id);
        stop_if_starting(configurator, controller->id);
    } else if (configurator->phase == CONFIGURATOR_RUNNING) {
        configurator_publish_membership(configurator);
        sockets_close_controller(&configurator->sockets, controller->id);
    }
    seats_ended(configurator, controller->id, in_order);
    configurator_look_at_phase(configurator);
    rebuilds_look(configurator);
    scrubs_look(configurator);
}

_Static_assert(offsetof(struct watched_controller, death) == 0,
               "configurator_controller_died relies on it");

/* Whether nothing that this seat had submitted reaches the element any more: who took it from it
 * has its own description, and had the lock before it said so. */
static bool has_landed(struct configurator *configurator, uint32_t element, uint32_t seat)
{
    const struct element_record *record = segment_element(&configurator->segment, element);
    /* pairs with enter_record: the mark is of this holder, or of one after it */
    uint32_t holder = load_acquire(&record->mark_holder);

    if (holder == 0 || (holder & 0xff) != seat)
        return true;
    configurator->witnesses[element].mark_byte =
        load_relaxed(&record->mark_byte); /* relaxed: as above */
    return witness_saw_end(&configurator->witnesses[element]);
}

void configurator_look_at_draining(struct configurator *configurator)
{
    const struct config *config = configurator->config;

    for (uint32_t id = 0; id < config->controllers; id++) {
        bool drained = seat_state(configurator_seat(configurator, id)) == SEAT_DEAD;
        for (uint32_t i = 0; i < config->elements_count && drained; i++)
            drained = has_landed(configurator, i, id);
        if (drained) {
            seat_set_state(configurator_seat(configurator, id), SEAT_DRAINED);
            configurator_publish_membership(configurator);
        }
    }
}
