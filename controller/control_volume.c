#include "controller/control_volume.h"

#include <errno.h>

#include "controller/controller.h"
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

/* --- RELEASE --- */

/* Commands of those who have died hold what no session holds. */
static bool executes_for_the_dead(const struct controller *controller)
{
    for (uint32_t i = 0; i < controller->peers.count; i++) {
        if (controller->peers.all[i].lost && controller->peers.all[i].executing > 0)
            return true;
    }
    return false;
}

static enum host_use use_of(const struct controller *controller, uint32_t volume)
{
    if (controller->hooks.uses_volume == NULL)
        return HOST_USES_NOT;
    return controller->hooks.uses_volume(controller->hooks.context, volume);
}

/* Whether it could be answered. A host that has just said good-bye may not have been heard yet: so
 * one that stays is one that is still there a little later. */
static bool release(struct controller *controller, const struct releasing *one)
{
    uint64_t waited_ns = loop_now_ns(controller->loop) - one->asked_ns;
    enum host_use use = use_of(controller, (uint32_t)one->request->message.arguments[0]);

    if (use == HOST_USES && waited_ns >= RELEASE_PATIENCE_MS * 1000000ull)
        control_answer(one->request, -EBUSY);
    else if (use == HOST_USES_NOT && !executes_for_the_dead(controller))
        control_answer(one->request, 0);
    else
        return false;
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

/* --- DROP --- */

/* Who asks has waited for an ADD as long as it cares to. */
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

void control_drop_volume(struct control_request *request)
{
    int64_t volume = volume_of(request);

    if (volume >= 0) {
        stop_adding(request->controller, (uint32_t)volume);
        virtual_drop(request->controller, (uint32_t)volume);
    }
    control_answer(request, volume < 0 ? -EPROTO : 0);
}

void control_volumes_init(struct controller *controller)
{
    controller->control_volumes.timer.fire = timer_fired;
    controller->control_volumes.waiter.fire = may_go_on;
}
