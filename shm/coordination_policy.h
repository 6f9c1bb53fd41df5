/*
 * The policy of coordination: a setting of the array, in its header in shared memory.
 */
#ifndef SHM_COORDINATION_POLICY_H
#define SHM_COORDINATION_POLICY_H

/* Which commands on virtual volumes reserve their range. */
enum coordination_policy {
    COORDINATION_STRICT, /* reads too: each host command is atomic and linearizable */
    COORDINATION_WRITES, /* what changes data */
    COORDINATION_NONE,
};

#endif
