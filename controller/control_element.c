/*
 * What the configuration controller may ask of an element's owner.
 */
#include <errno.h>

#include "controller/controller.h"

/* The element that a request names, or -errno: there is no such, or it is not ours. */
static int find_own(const struct control_request *request, uint32_t *ret_element)
{
    const struct controller *controller = request->controller;
    uint64_t element = request->message.arguments[0];

    if (element >= controller->elements_count)
        return -EPROTO;
    if (controller->elements[element].file.fd < 0)
        return -ENOENT;
    *ret_element = (uint32_t)element;
    return 0;
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
