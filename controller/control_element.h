/*
 * How an open image is described to the owner of an element over the control channel.
 */
#ifndef CONTROLLER_CONTROL_ELEMENT_H
#define CONTROLLER_CONTROL_ELEMENT_H

#include "controller/control.h"
#include "io/element.h"

struct controller;

/* The message that asks the owner to take this image, which has a superblock in its tail; its
 * descriptor goes beside it. */
void control_element_describe(struct control_message *message, uint32_t index,
                              const struct element *element);

/* Makes the open image `fresh` that of an element which has none: its descriptor is the element's
 * then, and its record says what it is. 0 or -errno: then nothing has changed. */
int controller_take_image(struct controller *controller, uint32_t index,
                          const struct element *fresh);

/* Gives up the element's image, and with it the lock; nothing is in flight. */
void controller_give_up_image(struct controller *controller, uint32_t index);

#endif
