/*
 * How an open image is described to the owner of an element over the control channel.
 */
#ifndef CONTROLLER_CONTROL_ELEMENT_H
#define CONTROLLER_CONTROL_ELEMENT_H

#include "controller/control.h"
#include "io/element.h"

/* The message that asks the owner to take this image, which has a superblock in its tail; its
 * descriptor goes beside it. */
void control_element_describe(struct control_message *message, uint32_t index,
                              const struct element *element);

#endif
