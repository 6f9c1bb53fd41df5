/*
 * The orderly end of what an owner keeps beside an element's data.
 */
#ifndef CONTROLLER_INTEGRITY_ENDING_H
#define CONTROLLER_INTEGRITY_ENDING_H

#include <stdint.h>

struct controller;

/* The element's data is durable, and this controller executes nothing any more. Makes durable what
 * is kept, and takes away the intents that may be (integrity.h). 0 or -errno: then the next start
 * finds an end without order. */
int ending_settle(struct controller *controller, uint32_t element);

#endif
