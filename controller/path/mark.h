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

/* Something that the next writing is to change in the list of records, beside what the mapping
 * table says of those that are there: a member that becomes one while the array runs, or is one no
 * more. Its maker's, until it is `written`, or taken back. */
struct mark_edit {
    enum mark_edit_kind {
        MARK_ADD,    /* `record`, of `volume` */
        MARK_REMOVE, /* that of `volume` */
        MARK_CLEAR,  /* those of volumes that are not there, where they overlap record's range */
    } kind;
    uint32_t volume; /* the virtual one */
    struct superblock_member record;
    bool begun; /* it is in the copy that is being written */
    bool written;
};

struct mark {
    struct superblock_of_image *superblock;   /* what is durable; the starter's, for our lifetime */
    uint32_t volumes[SUPERBLOCK_MEMBERS_MAX]; /* by record; ELEMENT_NONE: it stays as it is */
    uint8_t *copy; /* what is being written; SUPERBLOCK_COPY_BYTES, aligned for direct I/O */
    struct superblock next;
    uint32_t next_volumes[SUPERBLOCK_MEMBERS_MAX];
    struct mark_edit *edit; /* NULL: none */
    bool writing;
    struct command_queue waiting;
};

/* Makes the superblock of `element` ready to be written. 0 or -ENOMEM. */
int mark_new(struct mark **ret_mark, const struct segment *segment, uint32_t element,
             struct superblock_of_image *superblock);
void mark_free(struct mark *mark); /* NULL is allowed */

/* Whether the element carries a member of a volume whose failed members are marked. */
bool mark_has_members(const struct mark *mark);

/* Whether the edit could be made: -ENOSPC: there is no room for a record; -EEXIST: another
 * volume's, or one of the same name, claims some of the range. 0: the next writing makes it.
 * -EBUSY: there is another. */
int mark_want(struct mark *mark, struct mark_edit *edit);

/* The edit is not wanted any more. One that was written, or was never wanted, is allowed. */
void mark_want_no_more(struct mark *mark, const struct mark_edit *edit);

/* Lays out the next copy. False: the newest one says all of it already. */
bool mark_begin(struct mark *mark, const struct segment *segment);

/* Where in the element's tail that copy goes, and what. */
struct loop_io mark_io(const struct mark *mark);

/* The copy is durable: it is the newest now. */
void mark_written(struct mark *mark);

#endif
