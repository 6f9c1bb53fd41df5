/*
 * The images of a configuration: all are looked at before any is created.
 */
#ifndef CONTROLLER_CONFIG_IMAGES_H
#define CONTROLLER_CONFIG_IMAGES_H

#include "controller/config/config.h"
#include "controller/superblock/image.h"
#include "controller/superblock/standing.h"
#include "io/element.h"

struct journals;

struct images {
    uint32_t count;           /* of elements */
    struct element *elements; /* open and locked */
    bool *missing;            /* those that were created, or would be */
    bool *absent;             /* those that the array starts without; they are missing as well */
    struct superblock_of_image **superblocks; /* by element; NULL: a bare image */
    bool *changed;                            /* superblocks that are to be written */
    struct standing *standings;               /* by volume; of redundant ones */
    char **later; /* by element: the path of an image that came later; NULL: the configuration's */
    uint64_t *doubtful; /* by volume: regions in which its members may differ */
    bool *covered;      /* by volume: the journal knows all that was under way in its regions */
    bool *replayed;     /* by volume, of those: there are such regions */
    struct journals *journals; /* NULL: none (journals.h) */
};

/* Opens and locks every image, creating those that are missing once all others were found good, and
 * enters the new run of redundant volumes in their superblocks. *ret_images is the caller's, and
 * ends with images_close. When one is refused nothing that was created remains; *ret_error names
 * file, line and field. */
int images_open(const struct config *config, struct images *ret_images,
                struct config_error *ret_error);

/* Lists of nothing, of a configuration's elements and volumes. 0 or -ENOMEM; images_free takes them
 * away in any case. */
int images_make_lists(const struct config *config, struct images *images);

/* Looks only: whether images_open would work now. Nothing is created or written, no lock is kept.
 */
int images_check(const struct config *config, struct config_error *ret_error);

/* Closes the descriptors that are still open; all zeroes are allowed. */
void images_close(struct images *images);

/* The same, of one whose descriptors belong to somebody else by now. */
void images_free(struct images *images);

/* The size of a plain volume: also where its image is still to be created. */
uint64_t images_volume_bytes(const struct config *config, const struct images *images,
                             uint32_t volume);

/* The layout of a virtual volume. As config_layout_of (config_layout.h). */
int images_layout_of(const struct config *config, const struct images *images, uint32_t volume,
                     struct layout *ret_layout, uint64_t *starts, struct config_error *ret_error);

#endif
