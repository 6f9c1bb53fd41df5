/*
 * The gate: what changes one block of an element is done one after the other, in order of arrival.
 *
 * Each write, zero and trim stands on its element's list while it is in progress, and waits while
 * an earlier one overlaps it (in whole blocks). Why:
 *  - One that covers a part of a block of a direct element reads the block, changes it and writes
 *    it back; another write of the same block in between would be lost.
 *  - Where blocks have checksums, that of a block must be of the write whose data stays. (A READ
 *    enters only after it met a block that does not fit, so that no write is under way when it
 *    looks again.)
 *  - All that goes below the cache of a cached element enters it, reads too (cache/cache.h); two of
 *    them that overlap may be there together if both are shared.
 *  - A write is executed once more when its owner dies before it has answered (path/owner.h), and
 *    must not undo what came after it. So one of a peer leaves the gate only after its answer is
 *    published in its slot (command_origin.answers_in_gate). Let W1 be a write of a peer and W2 one
 *    that overlaps it and began later, at this owner. W2 began when W1 had left the gate, so W1's
 *    slot was DONE before W2 reached the element, or the cache. Its source finds DONE when it takes
 *    its slots back, whatever the epoch of who wrote it, and does not send W1 again. What is sent
 *    again is a write that no later one overlaps which has begun; a host of the dead owner itself
 *    has no answer, and nobody sends its write again.
 *
 * That is about writes. A read that overlaps W1 does not wait for it: it may see W1, be answered,
 * and then W1's owner dies; W1 is executed again when its source has found the next owner, and a
 * write that was waiting as well may come before it. Who asks for both at the same time is promised
 * no order between them by NBD; volumes with a reservation (path/coordinate.c) have one.
 *
 * Each command counts the earlier ones that hold it up, and each that leaves counts down in those
 * it held up: nobody is looked at who does not lie near. What lies near is found by regions of
 * GATE_REGION_BLOCKS: a short command stands in the chains of the one or two regions that it
 * touches; a longer one stands in a chain of its own kind, and looks at everybody.
 */
#ifndef CONTROLLER_PATH_GATE_H
#define CONTROLLER_PATH_GATE_H

#include "controller/path/command.h"

enum {
    GATE_REGION_BLOCKS = 16, /* 64 KiB */
    GATE_CHAINS = 256,       /* regions share them by hash; a power of two */
};

struct gate_chain {
    struct gate_place *first, *last;
};

struct gate {
    struct command *first, *last;
    uint32_t waiting;
    bool letting_go;                    /* somebody up the stack lets those go on that are ready */
    struct command *ready, *ready_last; /* of those that wait: whom nobody holds up any more */
    struct gate_chain chains[GATE_CHAINS], long_ones;
};

/* Puts the command on the list. True: go on. False: it waits, and gate_next_ready will name it. */
bool gate_enter(struct gate *gate, struct command *command);

/* Puts it on the list only where it need not wait. */
bool gate_try_enter(struct gate *gate, struct command *command);

/* Whether nobody is on the list. */
static inline bool gate_is_empty(const struct gate *gate)
{
    return gate->first == NULL;
}

/* Takes it off. */
void gate_leave(struct gate *gate, struct command *command);

/* One that waited and may go on now, or NULL; it is no longer waiting. */
struct command *gate_next_ready(struct gate *gate);

#endif
