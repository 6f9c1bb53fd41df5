#include "controller/recovery/let_go.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/cache/cache.h"
#include "controller/control_element.h"
#include "controller/controller.h"
#include "shm/crash_point.h"

static _Atomic uint64_t *word_of(const struct controller *controller, uint32_t element)
{
    return &controller->elements[element].record->owner;
}

static void tell_everybody(struct controller *controller)
{
    segment_raise_membership(&controller->segment);
    peers_wake(controller);
}

/* We alone change it while we live. */
static void change(struct controller *controller, uint32_t element, enum owner_state state,
                   uint32_t seat, uint16_t epoch)
{
    struct owner owner = owner_load(word_of(controller, element));

    (void)owner_change(word_of(controller, element), owner, owner_next(owner, state, seat, epoch));
    tell_everybody(controller);
}

/* --- the end --- */

/* Checksums are in our memory: the next owner reads them from the image. What is meant by intents
 * stays meant, for writes of other members may be under way. */
static int write_checksums(struct controller *controller, uint32_t index)
{
    struct owned_element *element = &controller->elements[index];
    struct integrity *integrity = element->integrity;

    if (integrity == NULL || integrity->checksums == NULL)
        return 0;
    return integrity_keep(integrity, &element->file);
}

static int take_back(struct controller *controller, uint32_t element, int error)
{
    cache_element_stays(controller, element);
    change(controller, element, OWNER_OWNED, controller->id, controller->epoch);
    return error;
}

static int hand_over(struct controller *controller, const struct fence *fence)
{
    uint32_t element = fence->what;
    uint32_t target = (uint32_t)fence->request->message.arguments[1];

    /* relaxed: we are its only writer */
    if (load_relaxed(&controller->elements[element].record->state) != ELEMENT_ONLINE)
        return take_back(controller, element, -EIO);
    /* Who has stopped, or died, meanwhile: without takeover it would be out of reach there. */
    if (seat_state(controller->peers.all[target].seat) != SEAT_RUNNING)
        return take_back(controller, element, -EHOSTDOWN);
    if (controller->elements[element].busy > 0 || cache_element_is_busy(controller, element))
        return take_back(controller, element, -ETIMEDOUT);
    CRASH_POINT("move.ended");
    int error = write_checksums(controller, element);
    if (error != 0)
        return take_back(controller, element, error);
    cache_element_stays(controller, element);
    cache_element_forget(controller, element);
    controller_give_up_image(controller, element);
    CRASH_POINT("move.given_up");
    tracing_event(controller, TRACE_ELEMENT_LET_GO, (uint8_t)target, element);
    /* Not the epoch that its seat has now: it may have died meanwhile, and be named as dead then.
     */
    change(controller, element, OWNER_TAKING, target, controller->peers.all[target].epoch);
    CRASH_POINT("move.handed");
    return 0;
}

/* --- the beginning --- */

/* Also when it has failed, or does not come to an end: hand_over sees that. */
static bool nothing_is_under_way(struct controller *controller, struct fence *fence)
{
    const struct owned_element *element = &controller->elements[fence->what];

    if (loop_now_ns(controller->loop) > fence->deadline_ns)
        return true;
    return element->busy == 0 && !cache_element_is_busy(controller, fence->what) &&
           (element->mark == NULL || !element->mark->writing);
}

static int check(const struct controller *controller, uint64_t index, uint64_t target)
{
    if (index >= controller->elements_count || target >= controller->peers.count)
        return -EPROTO;
    const struct owned_element *element = &controller->elements[index];
    if (!controller_owns(controller, (uint32_t)index))
        return -ENOENT;
    if (target == controller->id)
        return -EALREADY;
    /* relaxed: we are its only writer */
    if (load_relaxed(&element->record->state) != ELEMENT_ONLINE || element->file.fd < 0)
        return -EIO;
    if (seat_state(controller->peers.all[target].seat) != SEAT_RUNNING)
        return -EHOSTDOWN;
    return element->mark != NULL && element->mark->edit != NULL ? -EBUSY : 0;
}

/* Arguments: element, the target's seat. */
void control_move_element(struct control_request *request)
{
    struct controller *controller = request->controller;
    const uint64_t *arguments = request->message.arguments;
    int error = check(controller, arguments[0], arguments[1]);

    if (error != 0) {
        control_answer(request, error);
        return;
    }
    uint32_t element = (uint32_t)arguments[0];
    change(controller, element, OWNER_MOVING, controller->id, controller->epoch);
    CRASH_POINT("move.begun");
    cache_element_leaves(controller, element);
    fence_wait(controller, (struct fence){.request = request,
                                          .is_passed = nothing_is_under_way,
                                          .pass = hand_over,
                                          .deadline_ns = loop_now_ns(controller->loop) +
                                                         MOVE_SECONDS * 1000000000ull,
                                          .what = element});
}

/* Arguments: element; a descriptor of its image. */
void control_watch_element(struct control_request *request)
{
    if (request->message.arguments[0] >= request->controller->elements_count) {
        control_answer(request, -EPROTO);
        return;
    }
    takeover_image_replaced(request->controller, (uint32_t)request->message.arguments[0],
                            request->fd);
    request->fd = -1; /* the takeover's */
    control_answer(request, 0);
}
