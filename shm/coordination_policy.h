/*
 * The policy of coordination: a setting of the array, in its header in shared memory.
 */
#ifndef SHM_COORDINATION_POLICY_H
#define SHM_COORDINATION_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* Which commands on virtual volumes reserve their range: X(value, its name in a configuration). */
#define COORDINATION_POLICIES(X)                                                                   \
    X(COORDINATION_STRICT, "strict") /* reads too: each host command is atomic and linearizable */ \
    X(COORDINATION_WRITES, "writes") /* what changes data */                                       \
    X(COORDINATION_NONE, "none")

#define X(value, name) value,
enum coordination_policy { COORDINATION_POLICIES(X) };
#undef X

/* The name, which lives for ever; NULL for what is no policy. */
static inline const char *coordination_policy_name(uint32_t policy)
{
#define X(value, name) [value] = name,
    static const char *const names[] = {COORDINATION_POLICIES(X)};
#undef X
    return policy < sizeof names / sizeof names[0] ? names[policy] : NULL;
}

#endif
