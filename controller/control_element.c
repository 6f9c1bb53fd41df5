/*
 * What the configuration controller may ask of an element's owner.
 */
#include <errno.h>
#include <stdlib.h>

#include "controller/cache/cache.h"
#include "controller/controller.h"
#include "controller/control_element.h"

/* The element that a request names, or -errno: there is no such, or it is not ours. */
static int find_own(const struct control_request *request, uint32_t *ret_element)
{
    const struct controller *controller = request->controller;
    uint64_t element = request->message.arguments[0];

    if (element >= controller->elements_count)
        return -EPROTO;
    if (!controller_owns(controller, (uint32_t)element))
        return -ENOENT;
    *ret_element = (uint32_t)element;
    return 0;
}

static bool has_failed(const struct owned_element *element)
{
    /* relaxed: we are its only writer */
    return load_relaxed(&element->record->state) != ELEMENT_ONLINE;
}

void control_fail_element(struct control_request *request)
{
    uint32_t element;
    int error = find_own(request, &element);

    if (error != 0) {
        control_answer(request, error);
        return;
    }
    controller_fail_element(request->controller, element, "so it was asked for");
    settle_failed_elements(request->controller, request);
}

/* --- giving up an image --- */

/* New commands for a failed element end before they reach its image. The cache's own count for
 * nobody, and are in the gate as long as they are under way. */
static bool nothing_in_flight(struct controller *controller, struct fence *fence)
{
    const struct owned_element *element = &controller->elements[fence->what];

    /* relaxed: our own counter */
    return load_relaxed(&element->record->counters.in_flight) == 0 && element->gate.first == NULL &&
           takeover_has_landed(controller, fence->what);
}

/* Takes away what is kept in memory of an image. Returns `error`. */
static int forget_image(struct owned_element *element, int error)
{
    integrity_free(element->integrity);
    mark_free(element->mark);
    free(element->superblock);
    element->integrity = NULL;
    element->mark = NULL;
    element->superblock = NULL;
    return error;
}

void controller_give_up_image(struct controller *controller, uint32_t index)
{
    struct owned_element *element = &controller->elements[index];

    element_release(&element->file, controller->loop);
    (void)forget_image(element, 0);
}

static int release(struct controller *controller, const struct fence *fence)
{
    controller_give_up_image(controller, fence->what);
    return 0;
}

/* Answered when the image's lock is given up. */
void control_release_element(struct control_request *request)
{
    uint32_t element;
    int error = find_own(request, &element);

    if (error == 0 && !has_failed(&request->controller->elements[element]))
        error = -EBUSY;
    if (error != 0)
        control_answer(request, error);
    else
        fence_wait(request->controller, (struct fence){.request = request,
                                                       .is_passed = nothing_in_flight,
                                                       .pass = release,
                                                       .what = element});
}

/* --- taking another one --- */

enum { DEVICE = 1 << 8 }; /* beside the mode */

void control_element_describe(struct control_message *message, uint32_t index,
                              const struct element *element)
{
    *message = (struct control_message){
        .kind = CONTROL_REPLACE_ELEMENT,
        .arguments = {index, element->size_bytes, element->image_bytes, element->mark_byte,
                      (uint64_t)element->mode | (element->device ? DEVICE : 0),
                      element->tail_bytes}};
}

/* The image that a request describes: what is said of it is checked, and looked at. */
static int image_of(const struct control_request *request, struct element *ret_element)
{
    const uint64_t *arguments = request->message.arguments;
    uint64_t mode = arguments[4] & ~(uint64_t)DEVICE, tail_bytes = arguments[5];

    if (mode > ELEMENT_MODE_INLINE || tail_bytes < SUPERBLOCK_BYTES || tail_bytes > UINT32_MAX ||
        arguments[2] <= tail_bytes)
        return -EPROTO;
    struct element element = {.fd = request->fd,
                              .file = -1,
                              .mode = (enum element_mode)mode,
                              .device = (arguments[4] & DEVICE) != 0,
                              .size_bytes = arguments[1],
                              .image_bytes = arguments[2],
                              .tail_offset_bytes = arguments[2] - tail_bytes,
                              .tail_bytes = (uint32_t)tail_bytes,
                              .mark_byte = arguments[3]};
    if (element.size_bytes == 0 || element.size_bytes > element.tail_offset_bytes ||
        element_check_size(&element) != 0)
        return -EPROTO;
    *ret_element = element;
    return 0;
}

static bool has_checksums(const struct owned_element *element)
{
    return element->integrity != NULL && element->integrity->checksums != NULL;
}

static uint32_t flags_of(const struct owned_element *element)
{
    const struct element *file = &element->file;

    return (file->tail_bytes != 0 ? ELEMENT_SUPERBLOCK : 0u) |
           (file->read_only ? ELEMENT_READ_ONLY : 0u) | (file->device ? ELEMENT_DEVICE : 0u) |
           (file->mode == ELEMENT_MODE_DIRECT ? ELEMENT_DIRECT : 0u) |
           (file->mode == ELEMENT_MODE_INLINE ? ELEMENT_INLINE : 0u) |
           (has_checksums(element) ? ELEMENT_CHECKSUMS : 0u);
}

static void enter_record(const struct controller *controller, const struct owned_element *element)
{
    const struct element *file = &element->file;
    struct element_record *record = element->record;

    /* relaxed: for whoever looks on */
    store_relaxed(&record->size_bytes, file->size_bytes);
    store_relaxed(&record->tail_bytes, file->tail_bytes); /* relaxed: as above */
    store_relaxed(&record->flags, flags_of(element));     /* relaxed: as above */
    store_relaxed(&record->mark_byte, file->mark_byte);   /* relaxed: with the next one */
    /* pairs with whoever looks whether a dead one's I/O has landed: the mark is ours, as well */
    store_release(&record->mark_holder, owner_holder(controller->id, controller->epoch));
    store_relaxed(&record->lost_writes, 0);        /* relaxed: we are its only writer */
    store_relaxed(&record->state, ELEMENT_ONLINE); /* relaxed: as above */
}

/* What the array keeps on the image, in memory. */
static int read_image(struct controller *controller, uint32_t index, const struct element *fresh)
{
    struct owned_element *element = &controller->elements[index];

    if (fresh->tail_bytes == 0)
        return 0;
    element->superblock = malloc(sizeof *element->superblock);
    if (element->superblock == NULL)
        return -ENOMEM;
    int error = superblock_read(fresh, element->superblock);
    if (error == 0 && tail_bytes(&element->superblock->content.tail) != fresh->tail_bytes)
        error = -EPROTO;
    if (error == 0)
        error = mark_new(&element->mark, &controller->segment, index, element->superblock);
    return error != 0 ? error : controller_open_integrity(element, fresh);
}

int controller_take_image(struct controller *controller, uint32_t index,
                          const struct element *fresh)
{
    struct owned_element *element = &controller->elements[index];
    int error = read_image(controller, index, fresh);

    if (error == 0)
        error = element_replace(&element->file, fresh, controller->loop);
    if (error != 0)
        return forget_image(element, error);
    element->size_checked_turn = 0;
    cache_element_taken(controller, index);
    enter_record(controller, element);
    return 0;
}

/* Its members are absent, and stay so until they are rebuilt. */
void control_replace_element(struct control_request *request)
{
    struct controller *controller = request->controller;
    struct element fresh;
    uint32_t element;
    int error = find_own(request, &element);

    if (error == 0 &&
        (!has_failed(&controller->elements[element]) || controller->elements[element].file.fd >= 0))
        error = -EBUSY;
    if (error == 0)
        error = image_of(request, &fresh);
    if (error == 0) {
        cache_element_forget(controller, element);
        error = controller_take_image(controller, element, &fresh);
    }
    if (error == 0)
        request->fd = -1; /* the element's */
    control_answer(request, error);
}
