/*
 * The images of a configuration: all are looked at before any is created.
 */
#ifndef CONTROLLER_CONFIG_IMAGES_H
#define CONTROLLER_CONFIG_IMAGES_H

#include "controller/config/config.h"
#include "io/element.h"

/* Opens and locks every image, creating those that are missing once all others were found good. The
 * array has config->elements_count entries and is the caller's (images_close, then free). When one
 * is refused nothing that was created remains; *ret_error names file, line and field. */
int images_open(const struct config *config, struct element **ret_elements,
                struct config_error *ret_error);

/* Looks only: whether images_open would work now. Nothing is created, no lock is kept. */
int images_check(const struct config *config, struct config_error *ret_error);

void images_close(struct element *elements, uint32_t count);

#endif
