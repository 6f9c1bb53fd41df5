/*
 * The history checker: were these commands of several hosts linearizable? Pure: no I/O, no clock.
 *
 * A history is a list of reads and writes over an array of blocks. Each has the time before it was
 * sent and the time after it was answered. Every write writes one tag of its own into all its
 * blocks, so a read's tags say from which writes it read. A history is linearizable when its
 * operations can be put into one line such that
 *
 *   - whoever was answered before another was sent stands before it, and
 *   - each read saw, in each of its blocks, the last write of that block before it in the line.
 *
 * What is decided, by scope:
 *
 * HISTORY_BLOCKS: each block for itself, as if every operation were cut into one a block. Decided
 * exactly, in O(n log n), by the zones of P. B. Gibbons and E. Korach, "Testing Shared Memories",
 * SIAM Journal on Computing 26(4), 1997: with tags that are unique, a block's history is
 * linearizable if and only if no read was answered before its write was sent and no two tags
 * exclude each other (zones.c).
 *
 * HISTORY_COMMANDS: that, and every operation whole: all its blocks at one point of the line. What
 * must stand before what is collected until nothing is added (order.c): by real time, by tags that
 * were read, and by: if anything of tag A must stand before anything of tag B in a block that both
 * wrote, then all of A stands before all of B. A cycle is a violation. In general the question is
 * NP-complete, because the order of two writes that nothing tells apart is free; so where something
 * is free after that, the checker tries to find the line (HISTORY_LINE_TRIES_MAX limits how long).
 *
 * So there are three answers. HISTORY_VALID: a line was found; this is a proof. A violation: there
 * is none; this is a proof as well, nothing is ever reported that a correct array could have
 * answered. HISTORY_UNDECIDED (HISTORY_COMMANDS only): each block is linearizable and no cycle is
 * forced, but no line was found in the tries allowed. This is the one place where a violation can
 * be missed: one that shows only when the orders of many concurrent writes are tried one by one.
 *
 * An operation whose host never got an answer (HISTORY_LOST) may have taken effect at any time
 * after it was sent, or never.
 */
#ifndef TESTS_HISTORY_HISTORY_H
#define TESTS_HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_LOST   UINT64_MAX       /* a return_ns: it was never answered */
#define HISTORY_TORN   UINT64_MAX       /* a tag that was read: several tags in one block */
#define HISTORY_ASTRAY (UINT64_MAX - 1) /* a tag that was read: bytes of another place */

enum {
    HISTORY_BLOCKS_MAX = 1 << 16,
    HISTORY_OPERATIONS_MAX = 1 << 14, /* of one window: the closure takes their square in bits */
    HISTORY_LINE_TRIES_MAX = 256,     /* orders of two writes assumed in one window */
    HISTORY_CYCLE_MAX = 32,           /* operations that a violation names */
};

enum history_kind { HISTORY_READ, HISTORY_WRITE };

struct history_operation {
    uint64_t invoke_ns; /* before it was sent; above 0 */
    uint64_t return_ns; /* after its answer came, or HISTORY_LOST */
    uint32_t first_block, blocks;
    uint32_t host; /* for messages only */
    enum history_kind kind;
};

enum history_scope { HISTORY_BLOCKS, HISTORY_COMMANDS };

enum history_verdict {
    HISTORY_VALID,
    HISTORY_UNDECIDED,
    HISTORY_TORN_BLOCK,    /* one read, one block, several tags */
    HISTORY_ASTRAY_BLOCK,  /* a read brought what belongs elsewhere */
    HISTORY_NEVER_WRITTEN, /* a tag that no write of this block wrote, or that had been overwritten
                              before this window began */
    HISTORY_FROM_FUTURE,   /* a read was answered before the write of its tag was sent */
    HISTORY_BLOCK_ORDER,   /* in one block each of two tags must stand before the other */
    HISTORY_COMMAND_ORDER, /* a cycle of whole commands */
};

/* Why an operation stands before another. */
enum history_reason {
    HISTORY_BY_TIME,  /* it was answered before the other was sent */
    HISTORY_BY_TAG,   /* the other read its tag; or, in BLOCK_ORDER, both belong to one tag */
    HISTORY_BY_BLOCK, /* both concern tags of one block whose order follows from the rest */
};

struct history_step {
    uint32_t operation; /* in order of history_add, from 1; 0 is the state before the window */
    enum history_reason reason; /* why it stands before the next one (the last: before the first) */
    uint32_t block;             /* for BY_TAG and BY_BLOCK */
};

struct history_violation {
    enum history_verdict verdict;
    uint32_t block;                               /* but for COMMAND_ORDER */
    uint32_t count;                               /* of steps; a cycle, or those concerned */
    struct history_step steps[HISTORY_CYCLE_MAX]; /* the first ones of a longer cycle */
};

struct history; /* one window and what is carried from window to window */

/*
 * An empty history of `blocks` blocks that hold initial[0..blocks) before its first operation; the
 * tags are copied. NULL: no memory, or more than HISTORY_BLOCKS_MAX. The caller's, until
 * history_free (which accepts NULL).
 */
struct history *history_new(uint32_t blocks, const uint64_t *initial);
void history_free(struct history *history);

/*
 * Adds an operation; both arguments are copied. tags[0] is a write's tag; a read has one a block,
 * HISTORY_TORN and HISTORY_ASTRAY among them. A lost read says nothing and is dropped. -EINVAL:
 * outside the blocks, a return before the invocation, or a write of one of the two special tags;
 * -ENOSPC: HISTORY_OPERATIONS_MAX; -ENOMEM.
 */
int history_add(struct history *history, const struct history_operation *operation,
                const uint64_t *tags);

/* Operations in this window; lost writes that were carried into it count. */
uint32_t history_count(const struct history *history);

/*
 * Decides this window. 0 and *ret_violation, whatever the verdict; -EEXIST: two writes have one
 * tag; -ENOMEM. Does not change what was added.
 */
int history_check(struct history *history, enum history_scope scope,
                  struct history_violation *ret_violation);

/*
 * Begins the next window. Only at a quiescent point: every operation of this window was answered or
 * is lost, history_check found it VALID or UNDECIDED, and tags[0..blocks) are what a read of all
 * blocks that was part of this window, and sent after all others were answered, saw. Then the
 * windows are linearizable each if and only if the whole is. Lost writes are carried on as far as
 * they may still take effect: whole, if nothing of them was seen; in HISTORY_BLOCKS, in the blocks
 * where nothing was. 0 or -ENOMEM, after which the history is of no more use.
 */
int history_next_window(struct history *history, const uint64_t *tags);

/* Writes a violation in words, with the operations concerned, to `out`. */
void history_explain(const struct history *history, const struct history_violation *violation,
                     FILE *out);

/* One word or two for a verdict, such as "torn block". */
const char *history_verdict_name(enum history_verdict verdict);

#endif
