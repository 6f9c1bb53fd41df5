/*
 * Replacing the image of an element that has failed, while the array runs.
 *
 *      owner gives up the old image (CONTROL_RELEASE_ELEMENT), and its lock with it
 *      a new image is created, with a superblock; or the same one is opened again
 *      owner takes it (CONTROL_REPLACE_ELEMENT): the element is online
 *      every member on it is wanted to be rebuilt (rebuilds.h)
 *
 * Until a member is rebuilt it is absent, whatever the image holds: so neither a wrong image nor an
 * end of everything in between can be taken for the member. When one of the steps fails the element
 * has failed as before, and another image may be tried.
 */
#ifndef CONTROLLER_CONFIG_REPLACE_H
#define CONTROLLER_CONFIG_REPLACE_H

#include <stdint.h>

struct configurator;

/* What has come of it. */
struct replaced {
    int status;          /* 0 or -errno; then: */
    const char *text;    /* why, in words */
    const char *image;   /* path of the image that is in use now */
    uint64_t size_bytes; /* of the element */
    uint32_t members;    /* that are being rebuilt, or will be */
};

/* Called once, from a later turn of the watch or before replace_element returns. What it points to
 * lives until it returns. */
typedef void replace_done(void *context, const struct replaced *replaced);

/* Replaces the image of an element by a new one at `image`, an absolute path where nothing is; or,
 * when that is NULL, by the one it had. `size_bytes` (0: as it was) is that of the element. */
void replace_element(struct configurator *configurator, uint32_t element, const char *image,
                     uint64_t size_bytes, replace_done *done, void *context);

#endif
