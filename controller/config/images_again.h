/*
 * Images that are opened again while the array runs: their owner has died, or was stopped, still
 * owns them, and gets a new life.
 */
#ifndef CONTROLLER_CONFIG_IMAGES_AGAIN_H
#define CONTROLLER_CONFIG_IMAGES_AGAIN_H

#include "controller/config/images.h"

/* Opens and locks the image that an element had last, of which `size_bytes` are the element, and
 * reads its superblock as it is now. All I/O of its last owner has landed. 0, or -errno and
 * *ret_error: the element is not open. */
int images_open_again(const struct config *config, struct images *images, uint32_t element,
                      uint64_t size_bytes, struct config_error *ret_error);

/* Closes those that are open. */
void images_close_again(struct images *images);

#endif
