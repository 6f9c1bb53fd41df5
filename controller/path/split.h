/*
 * SPLIT: a host command on a virtual volume becomes component commands, and their statuses its one
 * status (claim 4).
 *
 * The work is done in rounds. A round sends some components and ends when the last of them has
 * ended; what a round left to do is done by another. A read that met a failing member asks another
 * copy in the next round. A TRIM or ZERO of any length is worked off in parts of at most
 * SPLIT_PART_BYTES_MAX, each coordinated for itself.
 *
 * Files: split.c the stage, and layouts without parity; split_parity.c writes of layouts with
 * parity, and reads of them that must do without a member; split_extents.c block status;
 * split_mark.c the marking of members that failed; split_restore.c what is special about RESTORE;
 * split_scrub.c SCRUB; split_clear.c CLEAR; split_rounds.c what these four have in common;
 * split_divide.c reads that no member can answer as a whole; split_redo.c what is said before a
 * round of writes.
 */
#ifndef CONTROLLER_PATH_SPLIT_H
#define CONTROLLER_PATH_SPLIT_H

#include "controller/layout/parity_plan.h"
#include "controller/path/component.h"
#include "shm/redo.h"
#include "shm/reserve.h"

enum { SPLIT_PART_BYTES_MAX = PAYLOAD_BYTES_MAX };

/* How a component ended. */
struct component_end {
    uint32_t member;
    int32_t status; /* 0 or -errno */
    uint32_t count; /* EXTENTS */
    uint64_t virtual_offset_bytes;
};

enum slice_step {
    SLICE_NEXT,      /* the slice is over, or none has begun */
    SLICE_WORKSPACE, /* it is planned; its workspace may have to be waited for */
    SLICE_READ,      /* what its plan reads is under way */
    SLICE_JOURNAL,   /* a record of what it writes is to be durable first */
    SLICE_WRITE,     /* what it writes is */
};

/* A range of a layout with parity is worked off slice by slice (controller/layout/parity_row.h),
 * each by a plan of its own. */
struct split_slices {
    bool in_use;
    bool has_workspace;
    uint8_t step;                    /* enum slice_step */
    uint32_t transfer;               /* the next one of the step to be sent */
    uint64_t workspace_offset_bytes; /* in the pool of workspaces */
    uint64_t memory_offset_bytes;    /* in the segment: what the plan's places count from */
    bool journaled;                  /* the journal keeps its record for it (journal_end) */
    int32_t journal_status;          /* how that ended */
    uint32_t journal_batch;          /* the journal's own */
    uint32_t unreadable;             /* members that a write of this slice could not read */
    uint64_t lost_before;            /* the command's lost_claimants when it was taken */
    struct parity_walk walk;
    struct parity_slice slice;
    struct parity_plan plan;
};

/* The marking of failed members before a write is answered. */
struct split_mark {
    bool in_use;
    struct member_marking marking; /* who is being marked as absent */
    uint32_t member;               /* the next one to be told */
};

/* A RESTORE where there are copies: what is read of one, and then written to others. */
struct split_restore {
    bool in_use;
    bool writing;
    uint32_t set;    /* mask of the members that have this range */
    uint32_t source; /* and of the one that it was read from */
    uint32_t member; /* the next one to be sent to */
    uint64_t member_offset_bytes;
};

/* A SCRUB: what is read of all members, and then written to some. */
struct split_scrub {
    bool in_use;
    bool writing;
    uint32_t set;    /* mask of the members that have this range */
    uint32_t wanted; /* and of those of this round */
    uint32_t member; /* the next one to be sent to */
    uint64_t member_offset_bytes;
};

/* A CLEAR: what is asked of all members in this round. */
struct split_clear {
    bool in_use;
    uint8_t op;      /* COMMAND_QUIET or COMMAND_CLEAR */
    uint32_t member; /* the next one to be sent to */
};

/* What is said of the command's writes before they begin (shm/redo.h). */
struct split_redo {
    uint8_t phase; /* enum redo_phase: what we have said */
    bool adopted;  /* it does again what a dead controller began; reserved by that one */
    struct redo_record
        *record;             /* adopted: that one's; else it is the command's own, by its number */
    struct redo_slice slice; /* adopted in REDO_SLICE: the slice, as it was found and checked */
    bool has_slice;
};

/* What a command waits for in COORDINATE. */
enum split_wait {
    SPLIT_WAITS_NOT,
    SPLIT_WAITS_HELD,  /* that a reservation is handed to it */
    SPLIT_WAITS_PLACE, /* a place in the table */
};

/* The state of a host command in COORDINATE and SPLIT; private to its controller, one for each host
 * command. */
struct split {
    struct reservation reservation;         /* in the coordination table (coordinate.h) */
    bool reserved;                          /* it is granted */
    bool active;                            /* the command is on its way */
    uint64_t number;                        /* when it began, among all of the controller */
    uint8_t waits;                          /* enum split_wait: for that */
    uint64_t part_offset_bytes, part_bytes; /* what is being worked on */
    uint32_t absent;                        /* members that this command does without */
    uint32_t good, bad;                     /* how members ended in this round, as masks */
    uint32_t away;                          /* of `absent`, or `bad`: only nobody's just now */
    bool patient;                           /* what is away is waited for */
    int32_t mark_status;                    /* the command's own, while members are marked */
    bool in_round;                          /* some components of the round are not sent yet, or a
                                               workspace is waited for */
    bool divided;                           /* a READ goes block by block (split_divide.c) */
    bool has_next;                          /* `next` is the first of them */
    struct layout_walk walk;
    struct component next;
    struct split_mark mark;
    struct split_slices slices; /* instead of `walk`, where parity takes part */
    struct split_restore restore;
    struct split_scrub scrub;
    struct split_clear clear;
    struct split_redo redo;
    uint32_t flush_member;
    uint32_t extents_count[MEMBERS_MAX];
};

/* Whether a READ can have what this member holds from another copy, at once. */
bool split_reads_elsewhere(const struct command *command, uint32_t member);

void split_component_ended(struct controller *controller, struct command *parent,
                           const struct component_end *end);

/* How a part of SPLIT works in rounds; it begins the first one itself. */
struct split_rounds {
    /* Sends what is left of this round. False: a component is waited for. */
    bool (*send)(struct controller *controller, struct command *command);
    /* All of it has ended. NEXT: another one has begun. DONE: it was the last. */
    enum stage_verdict (*end)(struct controller *controller, struct command *command);
};

/* Round after round, until something must be waited for (WAIT) or the last is over (DONE). */
enum stage_verdict split_rounds_go_on(const struct split_rounds *rounds,
                                      struct controller *controller, struct command *command);
/* Goes on where it waited: either there is a component, or the round has ended. */
enum stage_verdict split_rounds_complete(const struct split_rounds *rounds,
                                         struct controller *controller, struct command *command);

/* Writes of a layout with parity, and reads of it without all of its members: begins to work off
 * the part by slices, and goes on where it had to wait. NEXT: the part is over. */
void split_wake_workspace_waiters(struct controller *controller);
bool split_wants_slices(const struct command *command);
void split_slices_begin(struct command *command);
enum stage_verdict split_slices_go_on(struct controller *controller, struct command *command);
/* From where write `index` of the slice's plan is made; NULL: it becomes zeroes. */
const uint8_t *split_slices_write_from(const struct controller *controller,
                                       const struct command *command, uint32_t index);
enum stage_verdict split_slices_complete(struct controller *controller, struct command *command);

/* Before a write is answered: the superblocks of all other members must say which have failed.
 * DONE: they do, or the aggregate has the error why they do not. `complete` goes on where `begin`
 * or it had to wait. */
enum stage_verdict split_mark_begin(struct controller *controller, struct command *command);
enum stage_verdict split_mark_complete(struct controller *controller, struct command *command);

/* RESTORE of a layout with copies, as with slices. */
void split_restore_begin(struct controller *controller, struct command *command);
enum stage_verdict split_restore_go_on(struct controller *controller, struct command *command);
enum stage_verdict split_restore_complete(struct controller *controller, struct command *command);
/* The members that a RESTORE is still to make; 0: all of them have failed again. */
uint32_t split_restore_targets(const struct command *command);
/* It has ended well: with parity, the cursor moves while the range is still reserved. */
void split_restore_done(const struct command *command);
/* A part is over. True: the read goes on with another one, for which any member may be asked again.
 */
bool split_divide(struct command *command);

/* It must be reserved, and is as a whole: then it begins anew. */
void split_undivide(struct command *command);

/* Where the part's first byte stands in the segment, of a command with payload. */
static inline uint64_t split_payload_offset_bytes(const struct command *command)
{
    return command->payload_offset_bytes + command->split->part_offset_bytes -
           command->offset_bytes;
}

/* SCRUB, as with slices. Its range: at most so many bytes; and what its buffer must hold. */
uint64_t split_scrub_bytes(const struct layout *layout);
uint64_t split_scrub_buffer_bytes(const struct layout *layout, uint64_t length_bytes);
void split_scrub_begin(struct command *command);
enum stage_verdict split_scrub_go_on(struct controller *controller, struct command *command);
enum stage_verdict split_scrub_complete(struct controller *controller, struct command *command);

/* CLEAR, as with slices. Its range of each member: at most so many bytes (0: the volume's chunks
 * are too long for it); and what is reserved for it. */
uint64_t split_clear_bytes(const struct layout *layout);
void split_clear_reserves(const struct command *command, uint64_t *ret_offset_bytes,
                          uint64_t *ret_length_bytes);
enum stage_verdict split_clear_go_on(struct controller *controller, struct command *command);
enum stage_verdict split_clear_complete(struct controller *controller, struct command *command);

/* Before the first component of a part that changes data; before the first write of a slice, when
 * its parity has been computed; when all of its writes have ended, before its workspace is given
 * back; when all of the part has ended, before its reservation is released. */
void split_redo_begin(struct controller *controller, struct command *command);
void split_redo_begin_slice(struct controller *controller, struct command *command);
void split_redo_end_slice(struct controller *controller, struct command *command);
void split_redo_end(struct controller *controller, struct command *command);

/* Of a command that redoes: plans the writes of the slice that was found begun; and whether the
 * slice that the walk is at is that one, which has been written first. */
void split_redo_plan(struct command *command);
bool split_redo_has_written(const struct command *command);

/* The part that is coordinated and worked on next: MAP begins with the first. */
void split_begin(struct controller *controller, struct command *command);

#endif
