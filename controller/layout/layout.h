/*
 * Layouts: where the bytes of a virtual volume lie on its members (claims 4 to 6, 9 and 10). Pure
 * arithmetic: a range goes in, components come out; no I/O, no shared memory, no allocation.
 *
 *      concat   member after member, each wholly used
 *      stripe   chunk after chunk over the members in turn
 *      mirror   every member holds every byte
 *      raid10   a stripe over mirror sets; set S is `copies` members, from S * copies on
 *      raid5    a stripe with a parity chunk (P) in each row, rotating "left-symmetric" as md does
 *      raid6    the same with two (P, Q)
 *
 * Left-symmetric: in row R of N members, P lies on member N - 1 - R % N, Q (raid6) on the member
 * after it, and data columns 0, 1, ... on the members after that, wrapping round.
 *
 *      raid5 of 4                   raid6 of 5
 *      row  m0  m1  m2  m3          row  m0  m1  m2  m3  m4
 *       0    0   1   2   P           0    Q   0   1   2   P
 *       1    4   5   P   3           1    3   4   5   P   Q
 *       2    8   P   6   7           2    7   8   P   Q   6
 *       3    P   9  10  11           3   11   P   Q   9  10
 *
 * Invariants:
 *  1. The components of a walk cover its range exactly once (each copy, where it is written).
 *  2. They come in address order of their first bytes; copies of the same bytes in member order.
 *  3. A component is one contiguous range of one member. Without parity no walk has more than
 *     MEMBERS_MAX components, whatever its length: one a member.
 *  4. A byte is at the same place within its block (BLOCK_BYTES) on the member as in the virtual
 *     volume, but for concat, where that depends on the sizes of the members.
 */
#ifndef CONTROLLER_LAYOUT_LAYOUT_H
#define CONTROLLER_LAYOUT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/limits.h"

enum layout_kind {
    LAYOUT_NONE, /* a plain volume; no layout is made of it */
    LAYOUT_CONCAT,
    LAYOUT_STRIPE,
    LAYOUT_MIRROR, /* from here on: redundant */
    LAYOUT_RAID10,
    LAYOUT_RAID5,
    LAYOUT_RAID6,
    LAYOUT_KINDS
};

/* A virtual volume's arithmetic. A plain value; init makes it, nothing changes it afterwards. */
struct layout {
    enum layout_kind kind;
    uint32_t members;
    uint32_t copies;       /* of each byte: 1, or those of a mirror set */
    uint32_t columns;      /* what data is striped over: members, sets, members without parity; 1 */
    uint32_t parities;     /* chunks of parity in a row: 0, 1, 2 */
    uint32_t chunk_bytes;  /* a power of two; 0 where there are none (concat, mirror) */
    uint64_t member_bytes; /* used of each member; concat: 0, it uses all of each */
    uint64_t size_bytes;   /* of the virtual volume */
    const uint64_t *starts; /* concat: where each member begins, and the size; else NULL */
};

/* What a virtual volume is to be. */
struct layout_wanted {
    enum layout_kind kind;
    uint32_t members;
    uint32_t copies;              /* 0: the default (raid10: 2, mirror: all members) */
    uint32_t chunk_bytes;         /* 0: the default, where there are chunks */
    const uint64_t *member_bytes; /* sizes, as many as members; the caller's, not kept */
};

/* What is wrong with it: the field that a message should name. */
enum layout_fault {
    LAYOUT_FINE,
    LAYOUT_FAULT_MEMBERS,     /* too few, too many, no multiple of copies */
    LAYOUT_FAULT_COPIES,      /* too few, too many, or the layout has none */
    LAYOUT_FAULT_CHUNK,       /* no power of two, out of bounds, or the layout has none */
    LAYOUT_FAULT_MEMBER_SIZE, /* a member that holds not one chunk, or nothing */
    LAYOUT_FAULT_SIZE,        /* more than VIRTUAL_BYTES_MAX in all */
};

/* Whether it can do without some member. */
static inline bool layout_kind_redundant(enum layout_kind kind)
{
    return kind >= LAYOUT_MIRROR && kind < LAYOUT_KINDS;
}

/* "concat", "stripe" ...; NULL for LAYOUT_NONE and what is no kind. Lives for ever. */
const char *layout_name(enum layout_kind kind);
/* Chunks of parity in a row of this kind: 0, 1, 2; 0 for what is no kind. */
uint32_t layout_parities(enum layout_kind kind);
/* The kind of this name, or -ENOENT. */
int layout_kind_of(const char *name, enum layout_kind *ret_kind);

/* Makes the layout, or -EINVAL with no other effect. `starts` has room for wanted->members + 1; it
 * is filled for concat only, belongs to the caller, and has to live as long as the layout; other
 * kinds do not look at it and NULL will do. */
int layout_init(struct layout *ret_layout, const struct layout_wanted *wanted, uint64_t *starts);

/* What layout_init would object to first. */
enum layout_fault layout_check(const struct layout_wanted *wanted);
/* The same in words, what is wrong and what is allowed: "raid5 has 3 to 32 members, not 2". Returns
 * the fault; with LAYOUT_FINE the text is empty. Always terminated; LAYOUT_TEXT_BYTES suffice. */
enum { LAYOUT_TEXT_BYTES = 160 };
enum layout_fault layout_explain(const struct layout_wanted *wanted, char *ret_text,
                                 size_t text_bytes);

/* The member that holds data column `column` of `row`, its P and (raid6) its Q. Layouts with parity
 * only. */
static inline uint32_t layout_p_member(const struct layout *layout, uint64_t row)
{
    return layout->members - 1 - (uint32_t)(row % layout->members);
}

static inline uint32_t layout_data_member(const struct layout *layout, uint64_t row,
                                          uint32_t column)
{
    return (layout_p_member(layout, row) + layout->parities + column) % layout->members;
}

static inline uint32_t layout_q_member(const struct layout *layout, uint64_t row)
{
    return (layout_p_member(layout, row) + 1) % layout->members;
}

/* --- components --- */

/*
 * The part of a host command that lies in one piece on one member. Its bytes are scattered over the
 * host command's payload by a rule, so that a stripe needs one component a member, however many
 * chunks it has there:
 *
 *      component   | first |  chunk 1  |  chunk 2  | last |     a contiguous range of the member
 *      payload  ...| first |....|  chunk 1  |....|  chunk 2  |....| last |...
 *                  ^            ^
 *                  |            (payload_offset + first_bytes - chunk_bytes) + 1 * stride_bytes
 *                  payload_offset
 *
 * Where a byte of it lies is payload_place's to say (controller/path/payload.h). Commands without
 * payload (TRIM, ZERO, block status) use the same rule: a payload offset is the
 * distance from the beginning of the range.
 */
struct component {
    uint32_t member;
    bool lost; /* no copy of it can be reached: to be had by parity (parity_plan.h) or not at all;
                  `member` is the first that should have it */
    uint64_t member_offset_bytes;
    uint64_t length_bytes;
    uint64_t payload_offset_bytes; /* of its first byte */
    uint64_t first_bytes;          /* so many lie there; == length_bytes when it is in one piece */
    uint32_t chunk_bytes;          /* of each following piece; the last may be cut short */
    uint64_t stride_bytes;         /* from one following piece to the next */
};

/* --- walks --- */

enum layout_access {
    LAYOUT_READ,  /* from one copy; also block status */
    LAYOUT_WRITE, /* to every copy; also TRIM and ZERO; layouts with parity: see parity_plan.h */
};

/* Who is to be asked. */
struct layout_choice {
    uint32_t absent;               /* mask of members that cannot be reached, or must not be read */
    const uint8_t *preferred_copy; /* reads: a copy for each mirror set (the next one that is not
                                      absent is taken); NULL: copy 0. The caller's, for the walk */
};

/* A walk over the components of a range. Belongs to the caller, may be copied, needs no end. */
struct layout_walk {
    const struct layout *layout;
    const uint8_t *preferred_copy;
    uint32_t absent;
    enum layout_access access;
    uint64_t begin_bytes, end_bytes; /* the range */
    uint64_t at;   /* the chunk, or the member, that the next component begins in */
    uint32_t left; /* mask of the members that `piece` is still to be given for */
    struct component piece;
};

/* Begins a walk over [offset, offset + length) of the virtual volume, which must lie inside it
 * (that has been checked at the edge; asserted here). `choice` may be NULL: nobody is absent.
 * LAYOUT_WRITE is not for layouts with parity. The layout has to outlive the walk.
 *
 * Absent members: a read goes to another copy, a write leaves them out; where no copy is left, and
 * in layouts without copies, the component comes and is `lost`. */
void layout_walk_begin(struct layout_walk *ret_walk, const struct layout *layout,
                       enum layout_access access, uint64_t offset_bytes, uint64_t length_bytes,
                       const struct layout_choice *choice);

/* The next component, or false: there are no more. A read of a layout with parity gives data chunks
 * only, joined where they lie side by side on a member: at most columns chunks a component. */
bool layout_walk_next(struct layout_walk *walk, struct component *ret_component);

#endif
