/*
 * Marking: the superblock of an element, in its owner's hands (claim 9). COMMAND_MARK asks that it
 * say, durably, which members of redundant volumes have failed by now: those that the mapping table
 * says have. Who asks is in split_mark.c; what it is good for in controller/superblock/standing.h.
 *
 * One writing at a time, to the copy that is not the newest; those who ask meanwhile wait, and most
 * of them then find that everything has been written.
 */
#ifndef CONTROLLER_PATH_MARK_H
#define CONTROLLER_PATH_MARK_H

#include "controller/path/command.h"
#include "controller/superblock/image.h"
#include "shm/segment.h"

struct mark {
    struct superblock_of_image *superblock;   /* what is durable; the starter's, for our lifetime */
    uint32_t volumes[SUPERBLOCK_MEMBERS_MAX]; /* by record; ELEMENT_NONE: it stays as it is */
    uint8_t *copy; /* what is being written; SUPERBLOCK_COPY_BYTES, aligned for direct I/O */
    struct superblock next;
    bool writing;
    struct command_queue waiting;
};

/* Makes the superblock of `element` ready to be written. 0 or -ENOMEM. */
int mark_new(struct mark **ret_mark, const struct segment *segment, uint32_t element,
             struct superblock_of_image *superblock);
void mark_free(struct mark *mark); /* NULL is allowed */

/* Whether the element carries a member of a volume whose failed members are marked. */
bool mark_has_members(const struct mark *mark);

/* Lays out the next copy. False: the newest one says all of it already. */
bool mark_begin(struct mark *mark, const struct segment *segment);

/* Where in the element's tail that copy goes, and what. */
struct loop_io mark_io(const struct mark *mark);

/* The copy is durable: it is the newest now. */
void mark_written(struct mark *mark);

#endif
