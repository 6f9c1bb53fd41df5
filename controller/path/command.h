/*
 * A command: a host command in the controller that received it, or a component command in the
 * controller that executes it for a peer. Private memory of its controller, from a fixed set.
 *
 * Life of a host command: command_take (with its buffer) -> filled in by the session ->
 * command_start -> stages -> origin->reply -> command_give, by the session, when the reply is sent.
 */
#ifndef CONTROLLER_PATH_COMMAND_H
#define CONTROLLER_PATH_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/path/aggregate.h"
#include "controller/path/payload.h"
#include "controller/path/stages.h"
#include "io/element.h"
#include "io/loop.h"
#include "shm/limits.h"

struct controller;
struct split;
struct virtual_volume;

/* What a command does; also the `op` of a slot, so a number is never given a new meaning. */
enum command_op {
    COMMAND_READ = 1,
    COMMAND_WRITE,
    COMMAND_FLUSH,
    COMMAND_TRIM,
    COMMAND_ZERO,
    COMMAND_PREFETCH,
    COMMAND_EXTENTS,     /* the payload is an array of struct extent */
    COMMAND_MARK,        /* of an element: its superblock says which members have failed (mark.h) */
    COMMAND_RESTORE = 9, /* of a virtual volume: some members' bytes are made from the others' */
    COMMAND_SCRUB = 10,  /* of a virtual volume: do its members agree? (split_scrub.c) */
    COMMAND_INTENTS = 11, /* in how many regions members may differ, at a range of each member: of
                             one; of a redundant volume: of all of them, added up */
    COMMAND_SETTLE = 13,  /* of a virtual volume: what its members' superblocks say is up to date */
    COMMAND_QUIET = 14,   /* of a member's range: what was written there is durable, and nothing is
                             being written (execute_clear.c) */
    COMMAND_CLEAR = 15,   /* its write intents go; of a redundant volume: at a range of all members,
                             where nothing needs them (split_clear.c) */
    COMMAND_OPS_END,
};

enum command_flags {
    COMMAND_FUA = 1 << 0,       /* durable before it is answered */
    COMMAND_NO_HOLE = 1 << 1,   /* ZERO: keep the range allocated */
    COMMAND_FAST_ZERO = 1 << 2, /* ZERO: rather fail than write zeroes */
    COMMAND_ONE = 1 << 3,       /* EXTENTS: the first extent suffices */
    COMMAND_UNCACHED = 1 << 4,  /* READ: what the element has, whatever the cache remembers */
    COMMAND_FLAGS_ALL = (1 << 5) - 1,
};

/* Who wants the answer. */
struct command_origin {
    const char *name;
    bool host;            /* a host command: counted as such */
    bool travels;         /* may be redirected to the owner of its element */
    bool uncounted;       /* nobody asked for it: no volume counts it */
    bool answers_in_gate; /* its reply calls execute_answered, when the answer is published (gate.h)
                           */
    bool finds; /* what it READs wherever command_place says: it need not be in its buffer */
    /* The command has its status and, for READ and EXTENTS, its payload; it is the origin's again.
     */
    void (*reply)(struct controller *controller, struct command *command);
};

enum { COMMAND_VECTORS = 16 };

/* Where a command stands among those that lie near it (gate.h). */
struct gate_place {
    struct command *command;
    uint64_t region;
    struct gate_chain *chain;
    struct gate_place *next, *previous;
};

/* Progress of element I/O: the range is worked through in pieces (execute.c). */
struct command_io {
    struct completion completion;
    int64_t result;               /* of the piece that has just ended */
    uint64_t at_bytes, end_bytes; /* on the element */
    uint32_t piece_bytes, piece_done_bytes;
    uint8_t step;       /* enum execute_step */
    uint8_t waits_for;  /* enum execute_wait */
    uint8_t retries;    /* of the piece, after EAGAIN and EINTR */
    bool gated;         /* is on the element's list of writes (gate.h) */
    bool gate_waits;    /* and waits there for its turn */
    bool gate_shared;   /* a read that may be there beside other such reads */
    bool marks;         /* is the one that writes the superblock (mark.h) */
    uint8_t writes_age; /* of its element, when this change of data began */
    bool damages; /* changes a part of a block that is damaged, and stays so (execute_verify.c) */
    uint8_t *scratch; /* one block, or NULL */
    struct command *gate_next, *gate_previous, *gate_next_ready;
    struct gate_place gate_places[2];
    uint32_t gate_held_by;                 /* so many earlier ones */
    struct iovec vectors[COMMAND_VECTORS]; /* of a piece whose payload is in several */
};

/* What a command of the cache's own is for. */
enum cache_own { OWN_WRITE_BACK, OWN_FILL, OWN_READ_AHEAD };

/* What a host command has of the cache (cache/lend.h). */
enum cache_lends { CACHE_LENDS_NOTHING, CACHE_LENDS_BLOCKS, CACHE_LENDS_PINNED };

/* Where a command is with the owner's cache (cache/cache.h). */
struct command_cache {
    uint64_t number;        /* FLUSH: what became dirty before this is written back first */
    const uint32_t *blocks; /* the payload, if it is blocks of the cache: own commands', and what
                               was lent; else NULL */
    uint32_t blocks_count;
    uint8_t lends;        /* enum cache_lends */
    uint32_t volume;      /* own commands: by which the blocks come */
    uint32_t outstanding; /* own commands that this one waits for */
    uint32_t reserved;    /* blocks that it may make dirty */
    int32_t status;       /* of those that it waited for */
    uint8_t waits_for;    /* enum cache_wait */
    uint8_t kind;         /* own commands: enum cache_own */
    bool ordered;         /* nobody else works on its blocks: EXECUTE need not see to that */
    bool keeps;           /* a read whose blocks are taken in */
    bool starting;        /* those that it will wait for */
    bool tracked;         /* is counted in the cache's `busy` */
};

struct command {
    struct command_io io;
    struct controller *controller; /* whose it is, always */
    struct command *next;          /* of whatever list it is on */
    const struct command_origin *origin;
    void *owner;     /* the origin's: a session, a peer */
    uint64_t cookie; /* the origin's: the host's cookie, the slot's index and generation */
    uint64_t received_ns;
    uint64_t
        number; /* the receiver's, of this host command or the one it is a part of; 0: of none */

    uint8_t op;
    uint8_t flags;
    uint8_t stage;
    uint8_t target; /* seat of the owner of the element */
    uint32_t volume;
    uint32_t element;
    uint64_t offset_bytes; /* on the volume */
    uint64_t element_offset_bytes;
    uint64_t length_bytes;
    uint32_t members; /* RESTORE: mask of those that are made (0: what may differ is made equal);
                         SETTLE: of those that have failed */

    /* Payload, in the segment; a first byte at a multiple of BLOCK_BYTES plus the offset's
     * remainder, so that direct I/O of its whole blocks needs no copy. */
    uint8_t *payload;
    uint64_t payload_offset_bytes; /* in the segment */
    uint64_t buffer_offset_bytes;  /* in the pool: what pool_give wants */
    struct payload_shape shape;    /* host commands: one piece */
    bool has_buffer;

    /* Virtual volumes: the volume (NULL: a plain one), and the state of working on it. A split
     * belongs to its command for ever; NULL: this is not a host command. */
    const struct virtual_volume *virtual;
    struct split *split;
    struct command_cache cache;
    uint64_t lost_claimants;   /* mask of lost peers whose I/O may still reach the buffer */
    uint64_t late_claimants;   /* the same of this command alone, until another owner is found */
    uint32_t owner_generation; /* of the owner that OWNER found last (shm/owner.h) */

    struct aggregate aggregate; /* of the components' statuses */
    int32_t status;             /* 0 or -errno, once AGGREGATE has run */
    uint32_t count;             /* EXTENTS, INTENTS: how many; QUIET, CLEAR: 1: it is not so */
    uint32_t locations;         /* EXTENTS of a virtual volume: how many (split_extents.h) */
    uint32_t slot;              /* REDIRECT: index of the slot */
    uint32_t slot_generation;
    uint64_t announced_ns; /* REDIRECT: when its doorbell was posted last, or it began to wait */
    uint8_t suspected;     /* REDIRECT: enum slot_state in which the last sweep missed a doorbell */
    uint32_t held_bytes;   /* the origin's: of the buffer, as it counts them */
    uint8_t member;        /* of a component: the member of the virtual volume */
    uint8_t receiver;      /* seat of the controller whose number it is */
    uint8_t answer_flags;  /* the origin's: what form its answer has */
};

/* FIFO of commands. */
struct command_queue {
    struct command *head, *tail;
};

void command_queue_push(struct command_queue *queue, struct command *command);
/* For one that was the first, and must be so again. */
void command_queue_push_front(struct command_queue *queue, struct command *command);
struct command *command_queue_pop(struct command_queue *queue); /* NULL when empty */

/*
 * Somebody who could not have a command or a buffer; it is told when one may be had, in the order
 * of asking. While anybody waits, newcomers wait behind, so a large buffer is not starved by small
 * ones.
 */
struct command_waiter {
    void (*fire)(struct command_waiter *waiter);
    struct command_waiter *next, *previous; /* NULL when it does not wait */
};

/*
 * Takes a command for a host, with a buffer for `payload_bytes` (0: none) whose first byte will be
 * at `offset_bytes` of a volume. -EAGAIN: not now; then the waiter is queued (if it is not already)
 * and fired later, and must ask again. -ENOMEM: the machine has no memory for the buffer.
 */
int command_take(struct controller *controller, uint64_t payload_bytes, uint64_t offset_bytes,
                 struct command_waiter *waiter, struct command **ret_command);

/* Takes a part of the buffers for longer than a command lives, in the same line. *ret_offset_bytes
 * counts from the pool's start. 0, -EAGAIN or -ENOMEM, as above. */
int command_take_memory(struct controller *controller, uint64_t bytes,
                        struct command_waiter *waiter, uint64_t *ret_offset_bytes);

/* Takes a waiter off the queue; nothing happens when it is not on it. */
void command_stop_waiting(struct controller *controller, struct command_waiter *waiter);

/* Fires those in line, in order, until one must go on waiting: after something was given back. */
void command_wake_waiters(struct controller *controller);

/* Ends a host command's life and fires waiters. */
void command_give(struct controller *controller, struct command *command);

/* Sends a filled-in command on its way, from `stage` on. It may be over when this returns. */
void command_start(struct controller *controller, struct command *command, enum stage stage);

/* THE function through which every completion comes back: of element I/O, of a redirected command,
 * of a wait. The stage that waited decides what it means. */
void command_complete(struct controller *controller, struct command *command, int64_t result);

const char *command_op_name(enum command_op op);
const char *stage_name(enum stage stage);

/* Where byte `at_bytes` of the command's range stands, from `payload` on, and how many follow in
 * one piece. It may lie before or behind the range, within the same block. */
static inline int64_t command_place(const struct command *command, int64_t at_bytes,
                                    uint64_t *ret_run_bytes)
{
    uint64_t lead_bytes = command->element_offset_bytes % BLOCK_BYTES;

    if (command->cache.blocks != NULL)
        return payload_block_place(command->cache.blocks, command->cache.blocks_count,
                                   lead_bytes + (uint64_t)at_bytes, ret_run_bytes);
    return payload_place(&command->shape, at_bytes, ret_run_bytes);
}

/* Names the places of the bytes [from, to) of the command's range, up to `vectors_max` of them.
 * Returns how many there are; *ret_bytes is what they hold, less than asked for if they are full.
 */
uint32_t command_name_places(const struct command *command, int64_t from_bytes, int64_t to_bytes,
                             struct iovec *vectors, uint32_t vectors_max, uint64_t *ret_bytes);

static inline bool command_has_payload(uint32_t op)
{
    return op == COMMAND_READ || op == COMMAND_WRITE || op == COMMAND_EXTENTS;
}

/* Of a whole virtual volume: never a component command. */
static inline bool command_is_maintenance(uint32_t op)
{
    return op == COMMAND_RESTORE || op == COMMAND_SCRUB || op == COMMAND_SETTLE;
}

static inline bool command_changes_data(uint32_t op)
{
    return op == COMMAND_WRITE || op == COMMAND_TRIM || op == COMMAND_ZERO;
}

#endif
