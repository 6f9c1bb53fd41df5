/*
 * GREET_PEER: a new life is to begin in another seat.
 */
#include <errno.h>

#include "controller/controller.h"
#include "controller/deaths.h"
#include "shm/crash_point.h"

/* Of its last life nothing is left with us; and its end was heard, so that nobody declares the new
 * life dead for it. */
static bool is_over(struct controller *controller, struct fence *fence)
{
    return peer_is_over(&controller->peers.all[fence->what]) &&
           deaths_was_heard(controller, fence->what);
}

static int greet(struct controller *controller, const struct fence *fence)
{
    struct control_request *request = fence->request;
    uint32_t life = (uint32_t)request->message.arguments[1];
    int error = peer_await(controller, fence->what, life);

    CRASH_POINT("greet.awaited");
    if (error == 0) {
        deaths_watch_again(controller, fence->what, life, request->fd);
        request->fd = -1;
    }
    CRASH_POINT("greet.watched");
    return error;
}

/* Arguments: seat, epoch of its new life; with the reading end of that one's lifeline. */
void control_greet_peer(struct control_request *request)
{
    const struct controller *controller = request->controller;
    const uint64_t *arguments = request->message.arguments;

    if (arguments[0] >= controller->peers.count || arguments[0] == controller->id ||
        arguments[1] > UINT32_MAX || arguments[1] % 2 == 0 ||
        arguments[1] <= seat_life(controller->peers.all[arguments[0]].seat))
        control_answer(request, -EPROTO);
    else
        fence_wait(request->controller, (struct fence){.request = request,
                                                       .is_passed = is_over,
                                                       .pass = greet,
                                                       .what = (uint32_t)arguments[0]});
}
