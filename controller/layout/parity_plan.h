/*
 * What is to be read, computed and written for one slice of a row (parity_row.h), with any members
 * failed that the layout can do without. Pure: a plan is data. Its executor
 *
 *  1. makes every transfer of `read`, from the members to the payload or the workspace;
 *  2. calls parity_plan_compute;
 *  3. makes every transfer of `write`, from the payload or the workspace to the members.
 *
 * All transfers are [member_offset, member_offset + length) of their members; those of a step go in
 * any order, and a step begins when the one before has ended. A plan holds nothing and costs
 * little: it may be made again rather than kept.
 *
 * How a write keeps parity right, W being the columns that are written and U those that are not:
 *
 *      method       possible when          reads               then
 *      reconstruct  no member of U failed  U                   P, Q = of W and U
 *      modify       no member of W failed  W, P, Q             P, Q += of (old W + new W)
 *      recover      one of each failed     all that is left    U's lost, then as reconstruct
 *      plain        no parity is left      nothing             nothing
 *
 * A full row is written by reconstruct: U is empty, and nothing is read.
 *
 * Of reconstruct and modify the one that reads fewer members is taken where both can be; they write
 * the same. A failed member is neither read nor written: new data of it live in the parity.
 */
#ifndef CONTROLLER_LAYOUT_PARITY_PLAN_H
#define CONTROLLER_LAYOUT_PARITY_PLAN_H

#include "controller/layout/parity_row.h"

enum {
    /* What a plan can want at most: a slot for each member. */
    PARITY_WORKSPACE_BYTES_MAX = MEMBERS_MAX * PARITY_COLUMN_BYTES,
};

/* A place in memory, slice->length_bytes long. */
struct parity_place {
    bool payload;      /* of the host command; else of the workspace */
    uint64_t at_bytes; /* from its beginning */
};

struct parity_transfer {
    uint32_t member;
    struct parity_place place;
};

enum parity_method {
    PARITY_READ,              /* what is wanted is there */
    PARITY_READ_RECOVER,      /* some of it has to be computed */
    PARITY_REBUILD,           /* failed members' bytes are made for their successors */
    PARITY_WRITE_PLAIN,       /* the rest as above */
    PARITY_WRITE_RECONSTRUCT, /* full rows too: `reads` is 0 then */
    PARITY_WRITE_MODIFY,
    PARITY_WRITE_RECOVER,
};

struct parity_plan {
    enum parity_method method;
    uint64_t member_offset_bytes;
    uint32_t length_bytes;
    uint32_t reads, writes;
    struct parity_transfer read[MEMBERS_MAX];
    struct parity_transfer write[MEMBERS_MAX];
    /* The workspace's bytes; its beginning is to be aligned to BLOCK_BYTES. Its slots lie within
     * their blocks as on the members, so that direct I/O needs no copy. */
    uint32_t workspace_bytes;

    /* --- what parity_plan_compute goes by --- */
    uint32_t columns;    /* of the layout */
    uint32_t lost;       /* mask of the columns to recover first */
    uint32_t changed;    /* mask of the columns by whose change parity is modified */
    bool generate;       /* parity of `fresh` */
    bool use_p, use_q;   /* for recovering */
    bool make_p, make_q; /* by modifying or generating */
    struct parity_place p, q;
    struct parity_place old[MEMBERS_MAX];   /* of each column: as it was read or is recovered */
    struct parity_place fresh[MEMBERS_MAX]; /* as it will be */
};

/* Plans the write of the slice's columns from the payload (or of zeros: then the transfers of
 * `write` whose place is in the payload are ZERO commands, and compute gets NULL for it). `failed`
 * is a mask of members; those of the mask `unreadable` are written and not read, because a block of
 * theirs is bad, here or there: one can always be done without while none has failed. -EIO: more
 * members failed than the layout can do without, or there is no such plan; nothing is to be done.
 */
int parity_plan_write(struct parity_plan *ret_plan, const struct layout *layout,
                      const struct parity_slice *slice, uint32_t failed, uint32_t unreadable);

/* Plans making the writes of such a plan once more, with `failed` left out: parity is already where
 * `p` and `q` say (NULL: it was not written). Reads nothing, and has nothing to compute. Members
 * that are not enough are no error: as many are written as there are. */
void parity_plan_write_again(struct parity_plan *ret_plan, const struct layout *layout,
                             const struct parity_slice *slice, uint32_t failed,
                             const struct parity_place *p, const struct parity_place *q);

/* Plans the read of the slice's columns into the payload; `writes` is 0. -EIO: as above, and at
 * least one column that is wanted is lost. */
int parity_plan_read(struct parity_plan *ret_plan, const struct layout *layout,
                     const struct parity_slice *slice, uint32_t failed);

/* Plans making what members `targets` (a mask) should hold from the others and writing it to them,
 * in the workspace alone. The slice's columns do not matter. `failed` is who cannot be read;
 * targets are taken to be among them. -EIO: as above. */
int parity_plan_rebuild(struct parity_plan *ret_plan, const struct layout *layout,
                        const struct parity_slice *slice, uint32_t failed, uint32_t targets);

/* Step 2. `payload` is where the host command's payload begins, `workspace` has
 * plan->workspace_bytes bytes (NULL when that is 0); both are the caller's. Does not block; its
 * time grows with members and length: microseconds for 8 members of PARITY_COLUMN_BYTES. */
void parity_plan_compute(const struct parity_plan *plan, uint8_t *payload, uint8_t *workspace);

#endif
