#include "controller/recovery/fence.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

enum { LOOK_MS = 2 };

/* Whether anything that began before the fence is still on its way, or is executed here for a
 * controller that has died. */
static bool is_passed(const struct controller *controller, const struct fence *fence)
{
    for (uint32_t i = 0; i < controller->peers.count; i++) {
        if (controller->peers.all[i].lost && controller->peers.all[i].executing > 0)
            return false;
    }
    for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
        const struct command *command = &controller->commands[i];
        if (command->split->active && command->split->number <= fence->number &&
            command->virtual->volume == fence->volume)
            return false;
    }
    return true;
}

static void look(struct controller *controller)
{
    struct fences *fences = &controller->fences;
    bool any = false;

    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        struct fence *fence = &fences->all[i];
        if (fence->request != NULL && is_passed(controller, fence)) {
            control_answer(fence->request, 0);
            fence->request = NULL;
        }
        any = any || fence->request != NULL;
    }
    if (any && fences->timer.next == NULL)
        loop_timer_start(controller->loop, &fences->timer, LOOK_MS * 1000000ull);
}

static void timer_fired(struct timer *timer)
{
    look((struct controller *)((char *)timer - offsetof(struct controller, fences.timer)));
}

void fences_init(struct controller *controller)
{
    controller->fences.timer.fire = timer_fired;
}

/* Arguments: volume. There are as many places as there can be requests. */
void control_fence_volume(struct control_request *request)
{
    struct controller *controller = request->controller;
    uint64_t volume = request->message.arguments[0];

    if (volume >= controller->segment.geometry.volumes) {
        control_answer(request, -EPROTO);
        return;
    }
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        struct fence *fence = &controller->fences.all[i];
        if (fence->request != NULL)
            continue;
        *fence = (struct fence){
            .request = request, .number = controller->splits_begun, .volume = (uint32_t)volume};
        break;
    }
    look(controller);
}
