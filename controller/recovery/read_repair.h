/*
 * Read repair: a host's READ that met a member which could not be read, and was answered from
 * others, has the range made right on that member: by a SCRUB that repairs (path/split_scrub.c), an
 * errand of ours, later. Not where the member's element has failed as a whole.
 *
 * The line is short, and who finds it full is not repaired now: the next read that meets the block
 * asks again. One range at a time is worked on. COUNTERS_CONTROLLER's `repaired` counts blocks.
 */
#ifndef CONTROLLER_RECOVERY_READ_REPAIR_H
#define CONTROLLER_RECOVERY_READ_REPAIR_H

#include "controller/recovery/errand.h"

struct read_repairs {
    struct errand errand;
    struct read_repair {
        uint32_t volume;
        uint64_t offset_bytes, end_bytes; /* what is left of it, in the virtual volume */
    } line[READ_REPAIRS_MAX];             /* a ring; the first is being worked on */
    uint32_t first, count;
    uint64_t short_until_bytes; /* of the first: up to there block by block */
};

void read_repairs_init(struct controller *controller);

/* The READ has met members (a mask) that could not be read. Allocates nothing, sends nothing yet.
 */
void read_repair_want(struct controller *controller, const struct command *command,
                      uint32_t members);

/* Once a turn: begins with the next one, if none is worked on. */
void read_repairs_turn(struct controller *controller);

static inline bool read_repairs_have_work(const struct read_repairs *repairs)
{
    return repairs->count > 0 && !repairs->errand.sent;
}

#endif
