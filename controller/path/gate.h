/*
 * The gate: order between writes of one direct element where one of them covers part of a block.
 *
 * Such a write reads the block, changes it and writes it back; another write of the same block in
 * between would be lost. So each write, zero and trim of a direct element stands on its element's
 * list while it is in progress, in order of arrival, and waits while an earlier one overlaps it (in
 * whole blocks) and one of the two is partial. Whole-block writes never wait for each other.
 *
 * Where blocks have checksums (`exclusive`), all that overlap wait: of two writes of one block the
 * checksum must be that of the one whose data stays. A READ enters only after it met a block that
 * does not fit, so that no write is under way when it looks again.
 *
 * The gate of a cached element is exclusive as well. All that goes below its cache enters it, reads
 * too (cache/cache.h); two of them that overlap may be there together if both are shared.
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
    uint32_t partial; /* of those on the list; 0: nobody needs to look */
    uint32_t waiting;
    bool exclusive; /* any two that overlap wait for each other; set before the first enters */
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
