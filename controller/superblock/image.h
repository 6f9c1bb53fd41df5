/*
 * The superblock of an open image that nobody serves: read and written at once, by the
 * configuration controller, before any controller starts. Whoever calls holds the image's lock.
 */
#ifndef CONTROLLER_SUPERBLOCK_IMAGE_H
#define CONTROLLER_SUPERBLOCK_IMAGE_H

#include "controller/superblock/superblock.h"
#include "io/element.h"

/* The superblock of an image. */
struct superblock_of_image {
    struct superblock content;
    uint32_t copy; /* the newest good one; the other is written next */
};

/* Looks at the last bytes of the image. -ENOENT: it has none. -EBADMSG, -EPROTONOSUPPORT as
 * superblock_decode. Else 0 or -errno. The element may have a tail or none yet. */
int superblock_read(const struct element *element, struct superblock_of_image *ret_superblock);

/* Writes the content to the other copy, with the next sequence, durably; the element has its tail.
 * 0 or -errno: then the copy that was the newest still is, and what stands in the other is unknown.
 */
int superblock_write(const struct element *element, struct superblock_of_image *superblock);

/* Writes the content to both copies: the first superblock of a new image, whose blocks it takes, so
 * that later ones need none. */
int superblock_create(const struct element *element, struct superblock_of_image *superblock);

/* 16 random bytes. 0 or -errno. */
int superblock_make_id(uint8_t ret_id[SUPERBLOCK_ID_BYTES]);

#endif
