#include "controller/recovery/fence.h"

#include <errno.h>

#include "controller/controller.h"
#include "controller/path/split.h"

enum { LOOK_MS = 2 };

/* Whether anything that began before the fence is still on its way, or is executed here for a
 * controller that has died. */
static bool commands_have_passed(struct controller *controller, const struct fence *fence)
{
    for (uint32_t i = 0; i < controller->peers.count; i++) {
        if (controller->peers.all[i].lost && controller->peers.all[i].executing > 0)
            return false;
    }
    for (uint32_t i = 0; i < COMMANDS_MAX; i++) {
        const struct command *command = &controller->commands[i];
        if (command->split->active && command->split->number <= fence->number &&
            command->virtual->volume == fence->what)
            return false;
    }
    return !redo_works_on(controller, fence->what);
}

/* Their records have the sequences up to now. */
static bool all_have_passed(struct controller *controller, struct fence *fence)
{
    if (!commands_have_passed(controller, fence))
        return false;
    if (fence->journal_sequence == 0)
        fence->journal_sequence = journal_next_sequence(controller, fence->what);
    return journal_is_past(controller, fence->journal_sequence) || journal_has_failed(controller);
}

/* A journal that cannot be written keeps its records. */
static int pass(struct controller *controller, const struct fence *fence)
{
    return journal_is_past(controller, fence->journal_sequence) ? 0 : -EIO;
}

static void look(struct controller *controller)
{
    struct fences *fences = &controller->fences;
    bool any = false;

    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        struct fence *fence = &fences->all[i];
        if (fence->request != NULL && fence->is_passed(controller, fence)) {
            struct control_request *request = fence->request;
            int status = fence->pass != NULL ? fence->pass(controller, fence) : 0;
            fence->request = NULL;
            control_answer(request, status);
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

/* There are as many places as there can be requests. */
void fence_wait(struct controller *controller, struct fence fence)
{
    for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++) {
        if (controller->fences.all[i].request != NULL)
            continue;
        fence.number = controller->splits_begun;
        controller->fences.all[i] = fence;
        break;
    }
    look(controller);
}

/* Arguments: volume. */
void control_fence_volume(struct control_request *request)
{
    uint64_t volume = request->message.arguments[0];

    if (volume >= request->controller->segment.geometry.volumes)
        control_answer(request, -EPROTO);
    else
        fence_wait(request->controller, (struct fence){.request = request,
                                                       .is_passed = all_have_passed,
                                                       .pass = pass,
                                                       .what = (uint32_t)volume});
}
