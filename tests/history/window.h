/*
 * What the parts of the history checker share: one window, and its tags sorted out.
 *
 *   operations[0]     the state before the window: a write of all blocks, answered at time 0
 *   operations[1..]   as they were added
 *   seen[]            the tags of all reads, one a block
 *   sources[]         beside seen[]: the operation that wrote that tag
 *   clusters[]        one for each block of each write: the write and the reads of its tag there.
 *                     Those of a write are consecutive; those of a block are listed in by_block[].
 *
 * Lost writes that nobody saw have no clusters: nothing follows from them.
 */
#ifndef TESTS_HISTORY_WINDOW_H
#define TESTS_HISTORY_WINDOW_H

#include "tests/history/history.h"

#define NO_CLUSTER UINT32_MAX

struct operation {
    struct history_operation is;
    uint64_t tag;     /* of a write */
    uint32_t seen;    /* of a read: its first one in seen[] and sources[] */
    uint32_t cluster; /* of a write: its first block's, or NO_CLUSTER */
    bool was_seen;    /* of a write: some read of this window has its tag */
};

struct cluster {
    uint32_t write, block;
    uint32_t first_returned, last_invoked; /* operations of the cluster */
    uint32_t first_read, reads;            /* in members[] */
};

/* A block of a lost write in which its tag was seen in an earlier window: it is done there. */
struct spent {
    uint64_t tag;
    uint32_t block;
};

struct history {
    uint32_t blocks;
    enum history_scope scope; /* of the last check */
    uint64_t *initial;        /* a tag a block */
    struct operation *operations;
    uint32_t count, operations_room;
    uint64_t *seen;
    uint32_t seen_count, seen_room;
    struct spent *spent;
    uint32_t spent_count, spent_room;

    /* made anew by each check */
    uint32_t *sources;
    struct cluster *clusters;
    uint32_t clusters_count;
    uint32_t *members;     /* the reads of each cluster */
    uint32_t *block_first; /* blocks + 1: where a block's clusters begin in by_block[] */
    uint32_t *by_block;
    struct tag_slot *tags; /* hash of tags; a power of two */
    uint32_t tags_mask;
};

static inline uint64_t returned_first_ns(const struct history *history,
                                         const struct cluster *cluster)
{
    return history->operations[cluster->first_returned].is.return_ns;
}

static inline uint64_t invoked_last_ns(const struct history *history, const struct cluster *cluster)
{
    return history->operations[cluster->last_invoked].is.invoke_ns;
}

/* The clusters of a block are by_block[block_first[block] .. block_first[block + 1]). */

bool is_spent(const struct history *history, uint64_t tag, uint32_t block);

/* Adds a step to a violation, as long as there is room. */
void violation_step(struct history_violation *violation, uint32_t operation,
                    enum history_reason reason, uint32_t block);

/*
 * Fills everything that each check makes anew. 0 and ret_violation->verdict: VALID, or the first
 * read that alone shows a violation (TORN_BLOCK, ASTRAY_BLOCK, NEVER_WRITTEN, FROM_FUTURE).
 * -EEXIST, -ENOMEM.
 */
int window_prepare(struct history *history, struct history_violation *ret_violation);

/* Each block for itself, of a prepared window: VALID or BLOCK_ORDER. -ENOMEM. */
int zones_check(const struct history *history, struct history_violation *ret_violation);

/* Whole commands, of a window that zones_check let pass: VALID, UNDECIDED, COMMAND_ORDER. -ENOMEM.
 */
int order_check(const struct history *history, struct history_violation *ret_violation);

#endif
