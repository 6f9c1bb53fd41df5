/*
 * SPLIT: a host command on a virtual volume becomes component commands, and their statuses its one
 * status (claim 4).
 *
 * The work is done in rounds. A round sends some components and ends when the last of them has
 * ended; what a round left to do is done by another. A read that met a failing member asks another
 * copy in the next round. A TRIM or ZERO of any length is worked off in parts of at most
 * SPLIT_PART_BYTES_MAX, each coordinated for itself.
 */
#ifndef CONTROLLER_PATH_SPLIT_H
#define CONTROLLER_PATH_SPLIT_H

#include "controller/path/component.h"

enum { SPLIT_PART_BYTES_MAX = PAYLOAD_BYTES_MAX };

/* How a component ended. */
struct component_end {
    uint32_t member;
    int32_t status; /* 0 or -errno */
    uint32_t count; /* EXTENTS */
    uint64_t virtual_offset_bytes;
};

/* The state of a host command in SPLIT; private to its controller, one for each host command. */
struct split {
    uint64_t part_offset_bytes, part_bytes; /* what is being worked on */
    uint32_t absent;                        /* members that this command does without */
    uint32_t good, bad;                     /* how members ended in this round, as masks */
    bool in_round;                          /* some components of the round are not sent yet */
    bool has_next;                          /* `next` is the first of them */
    struct layout_walk walk;
    struct component next;
    uint32_t flush_member;
    uint32_t extents_count[MEMBERS_MAX];
};

void split_component_ended(struct controller *controller, struct command *parent,
                           const struct component_end *end);

/* The part that is coordinated and worked on next: MAP begins with the first. */
void split_begin(struct command *command);

#endif
