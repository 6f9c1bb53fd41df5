#include "controller/control_volume.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"
#include "controller/path/virtual.h"
#include "controller/path/workspaces.h"

enum { LOOK_MS = 2 };

/* The volume that a request names, or -EPROTO. */
static int64_t volume_of(const struct control_request *request)
{
    uint64_t volume = request->message.arguments[0];

    return volume < request->controller->segment.geometry.volumes ? (int64_t)volume : -EPROTO;
}

/* --- ADD --- */

static void add(struct control_request *request)
{
    struct controller *controller = request->controller;
    uint32_t volume = (uint32_t)request->message.arguments[0];
    int error = virtual_find(controller, volume) == NULL ? virtual_add(controller, volume) : 0;

    controller->control_volumes.adding = NULL;
    if (error == 0 && virtual_find(controller, volume)->layout.parities > 0)
        error = workspaces_make(controller, &controller->control_volumes.waiter);
    if (error == -EAGAIN)
        controller->control_volumes.adding = request;
    else
        control_answer(request, error);
}

static void may_go_on(struct command_waiter *waiter)
{
    struct controller *controller =
        (struct controller *)((char *)waiter - offsetof(struct controller, control_volumes.waiter));

    add(controller->control_volumes.adding);
}

void control_add_volume(struct control_request *request)
{
    if (volume_of(request) < 0)
        control_answer(request, -EPROTO);
    else if (request->controller->control_volumes.adding != NULL)
        control_answer(request, -EBUSY);
    else
        add(request);
}

/* --- RELEASE, DROP --- */

/* Commands of those who have died hold what no session holds. */
static bool executes_for_the_dead(const struct controller *controller)
{
    for (uint32_t i = 0; i < controller->peers.count; i++) {
        if (controller->peers.all[i].lost && controller->peers.all[i].executing > 0)
            return true;
    }
    return false;
}

/* An errand of ours is no session's either. */
static bool is_worked_on(const struct controller *controller, uint32_t volume)
{
    for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
        const struct command *command = &controller->commands[i];
        if (command->split->active && command->virtual->volume == volume)
            return true;
    }
    return redo_works_on(controller, volume);
}

static enum host_use use_of(const struct controller *controller, uint32_t volume)
{
    if (controller->hooks.uses_volume == NULL)
        return HOST_USES_NOT;
    return controller->hooks.uses_volume(controller->hooks.context, volume);
}

/* Whoever asks has waited for an ADD as long as it cares to. */
static void stop_adding(struct controller *controller, uint32_t volume)
{
    struct control_volumes *volumes = &controller->control_volumes;
    struct control_request *adding = volumes->adding;

    if (adding == NULL || adding->message.arguments[0] != volume)
        return;
    command_stop_waiting(controller, &volumes->waiter);
    volumes->adding = NULL;
    control_answer(adding, -ECANCELED);
}

/* Whether it could be answered. A host that has just said good-bye may not have been heard yet: so
 * one that stays is one that is still there a little later. */
static bool release(struct controller *controller, const struct releasing *one)
{
    uint32_t volume = (uint32_t)one->request->message.arguments[0];
    uint64_t waited_ns = loop_now_ns(controller->loop) - one->asked_ns;
    enum host_use use = use_of(controller, volume);

    if (use == HOST_USES && waited_ns < RELEASE_PATIENCE_MS * 1000000ull)
        return false;
    if (use == HOST_USES) {
        control_answer(one->request, -EBUSY);
        return true;
    }
    if (use == HOST_LEAVES || executes_for_the_dead(controller) ||
        is_worked_on(controller, volume) || journal_holds_volume(controller, volume))
        return false;
    if (one->request->message.kind == CONTROL_DROP_VOLUME)
        virtual_drop(controller, volume);
    control_answer(one->request, 0);
    return true;
}

static void look(struct controller *controller)
{
    struct control_volumes *volumes = &controller->control_volumes;
    bool any = false;

    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        struct releasing *one = &volumes->releasing[i];
        if (one->request != NULL && release(controller, one))
            one->request = NULL;
        any = any || one->request != NULL;
    }
    if (any && volumes->timer.next == NULL)
        loop_timer_start(controller->loop, &volumes->timer, LOOK_MS * 1000000ull);
}

static void timer_fired(struct timer *timer)
{
    look((struct controller *)((char *)timer - offsetof(struct controller, control_volumes.timer)));
}

/* There are as many places as there can be requests. */
void control_release_volume(struct control_request *request)
{
    struct controller *controller = request->controller;
    struct releasing *place = controller->control_volumes.releasing;

    if (volume_of(request) < 0) {
        control_answer(request, -EPROTO);
        return;
    }
    while (place->request != NULL)
        place++;
    *place = (struct releasing){.request = request, .asked_ns = loop_now_ns(controller->loop)};
    look(controller);
}

/* The same, and when nothing uses it any more it is forgotten. */
void control_drop_volume(struct control_request *request)
{
    if (volume_of(request) >= 0)
        stop_adding(request->controller, (uint32_t)volume_of(request));
    control_release_volume(request);
}

void control_volumes_init(struct controller *controller)
{
    controller->control_volumes.timer.fire = timer_fired;
    controller->control_volumes.waiter.fire = may_go_on;
}
