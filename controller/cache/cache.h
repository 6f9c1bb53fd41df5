/*
 * The cache of a controller, at the owner of an element (claim 11): what the stages CACHE and KEEP
 * do with commands. The blocks themselves are in blocks.h.
 *
 * Order. Below CACHE there is at most one command on any block of a cached element: whatever goes
 * on to EXECUTE enters the element's gate (path/gate.h), and leaves it in KEEP, or, for a peer,
 * when its answer is published. Reads that are answered from the cache do not enter it.
 *
 *      CACHE                                            EXECUTE                    KEEP
 *      read, all in the cache ---------------------------------------------------> done
 *      read --> gate --> range clean? --write back--> --> read whole blocks -----> take in, leave
 *      write, through --> gate --> range clean? --------> write -----------------> take in, leave
 *      trim, zero --> gate --> range clean? ------------> ... -------------------> drop, leave
 *      write, back --> room? --> gate --> fill partial blocks --> put dirty, leave --> done
 *      flush --> what was dirty before it is written back --> fdatasync
 *
 * Invariants
 *  1. Nothing goes below CACHE for a range that has dirty blocks, but the writing back of these.
 *  2. While a command is in the gate, only itself changes which blocks of its range the cache
 *     holds, except that clean ones may be evicted.
 *  3. So a clean block holds what its element holds, whenever no command that changes it is in the
 *     gate; and a read that hits one while such a command is there is answered as if before it.
 *  4. A command that waits for room is not in the gate, for those who make room have to enter it.
 *     dirty + reserved blocks are at most dirty_limit.
 *
 * Two commands on one block
 *      fill, then write        the write waits in the gate
 *      write back, then write  so does the write; reads are answered meanwhile
 *      write back, then trim   so does the trim; it finds the range clean
 *      trim, then write back   cannot be: the trim has made the range clean before it went below
 *      write, then write       written through: the second waits; back: the first has ended at once
 *
 * Nothing here allocates or locks once it is made; only write-back, fills and read-ahead do I/O, by
 * commands of the cache's own, which go through EXECUTE like any other.
 */
#ifndef CONTROLLER_CACHE_CACHE_H
#define CONTROLLER_CACHE_CACHE_H

#include "controller/cache/blocks.h"
#include "controller/path/command.h"

struct owned_element;

/* Where a sequential reader is. */
struct read_stream {
    uint64_t next_bytes;  /* on the element: where it will go on */
    uint64_t run_bytes;   /* that it has read in sequence */
    uint64_t ahead_bytes; /* on the element: up to here has been read ahead */
};

struct cached_element {
    struct command_queue flushers; /* FLUSHes that wait for write-back, in order */
    uint32_t own;                  /* commands of the cache's own */
    bool leaves;                   /* all that is dirty of it is wanted on the element */
    uint8_t next_stream;
    struct read_stream streams[CACHE_STREAMS];
};

/* Dirty blocks that are being written back, a batch in order of address after the other. */
struct write_back {
    uint64_t batch[CACHE_BATCH_BLOCKS]; /* keys */
    uint32_t batch_count, batch_next;
    uint32_t element;   /* of the batch */
    uint32_t in_flight; /* commands */
    uint32_t blocks_in_flight;
    struct command_queue watchers; /* commands whose range others are writing back */
    bool pumping;                  /* somebody up the stack does */
    bool stopping;                 /* everything goes, and nothing becomes dirty */
    uint64_t aged_number;          /* what became dirty before this goes, whoever wants it */
    uint64_t tick_number;          /* what will be that a tick later */
    uint32_t slice_blocks;         /* that were started since hosts were looked at */
    struct timer slice_timer;
};

struct cache {
    enum cache_mode mode;
    struct cache_blocks blocks;
    struct cached_element *elements; /* by element */
    uint32_t dirty_limit, dirty_background, reserved;
    uint32_t lent_blocks, pinned_blocks;    /* lend.h */
    uint32_t (*payloads)[CACHE_RUN_BLOCKS]; /* blocks of each host command that has some */
    uint32_t ahead_blocks;                  /* that are being read ahead */
    struct command_queue room_waiters;      /* writes, for room */
    bool waking_room_waiters;
    uint32_t busy;                      /* commands between CACHE and KEEP */
    struct command *own;                /* CACHE_COMMANDS_MAX */
    uint32_t (*runs)[CACHE_RUN_BLOCKS]; /* the blocks of each */
    struct command *free_own;
    struct command_queue own_waiters; /* commands whose range has to be written back */
    struct write_back write_back;
    struct timer timer;
    struct controller *controller;
};

/* Makes the controller's cache, if the array has caches and the controller an element that is to be
 * cached. On failure *ret_what says at what. */
int cache_new(struct controller *controller, const char **ret_what);
void cache_free(struct cache *cache); /* NULL is allowed */

/* The end has been asked for: from now on everything is written through, and what is dirty is
 * written back as soon as can be. It does not wait: cache_is_settled. May be called again. */
void cache_quiesce(struct controller *controller);

/* Whether no element that is online has anything dirty. Once this is so after cache_quiesce, it
 * stays so: a write that fails fails at a time when the others can still be told. */
bool cache_is_settled(const struct controller *controller);

/* Writes everything back and waits for it. Elements that fail keep what is dirty. */
void cache_stop(struct controller *controller);

/* The element gets another image, or another owner: what is cached of it goes, dirty or not, for it
 * is nowhere any more. Nothing of it is under way. */
void cache_element_forget(struct controller *controller, uint32_t element);

/* It is to be let go: what is dirty of it is written back as soon as can be; or it stays. */
void cache_element_leaves(struct controller *controller, uint32_t element);
void cache_element_stays(struct controller *controller, uint32_t element);

/* Whether anything of it is dirty, or on its way through the cache. */
bool cache_element_is_busy(struct controller *controller, uint32_t element);

/* The element has an image now, perhaps its first one here: whether it is cached. */
void cache_element_taken(struct controller *controller, uint32_t element);

/* Whether commands or I/O are still on their way through the cache. */
bool cache_is_busy(const struct controller *controller);

/* --- for the parts of the cache --- */

struct block_range {
    uint64_t first, end; /* blocks of the element */
};

static inline struct block_range cache_range(const struct command *command)
{
    return (struct block_range){
        .first = command->element_offset_bytes / BLOCK_BYTES,
        .end = (command->element_offset_bytes + command->length_bytes + BLOCK_BYTES - 1) /
               BLOCK_BYTES};
}

struct cached_element *cache_element(struct controller *controller, uint32_t element);
struct cache_counters *cache_counters_of(struct controller *controller, uint32_t volume);

/* Leaves the gate, and lets those go on that waited for it there; but for a command that stays in
 * it until it has answered, or that is not in it. */
void cache_leave_gate(struct controller *controller, struct command *command);

/* A command of the cache's own, for `count` blocks of the element from `first` on; it has to be
 * given the cache's blocks (runs) and started, or freed. NULL: none is free. */
struct command *cache_own_take(struct controller *controller, uint32_t element, uint64_t first,
                               uint32_t count);
void cache_own_free(struct controller *controller, struct command *own);
uint32_t *cache_own_run(struct cache *cache, const struct command *own);
void cache_own_start(struct controller *controller, struct command *own);

/* One of those that `parent` waits for has ended, with this status. */
void cache_parent_told(struct controller *controller, struct command *parent, int32_t status);

/* Whether the write need not wait for room; or never gets any. */
bool cache_room_for(struct controller *controller, const struct command *command);

/* transfer.c: between payload and blocks. */
/* Has what is known of the range's blocks fetched side by side (cache_blocks_expect). */
void cache_expect(struct cache *cache, const struct command *command);
bool cache_holds_all(struct cache *cache, const struct command *command);
void cache_serve(struct cache *cache, struct command *command);
void cache_take_in_read(struct controller *controller, struct command *command);
void cache_take_in_write(struct controller *controller, struct command *command);
void cache_drop_range(struct controller *controller, struct command *command);
void cache_put_dirty_range(struct controller *controller, struct command *command);

/* lend.c: the blocks that a write was lent hold its payload, and become dirty; or clean, for it was
 * written through. */
void cache_put_lent(struct controller *controller, struct command *command, bool dirty);

/* write_back.c */
void write_back_pump(struct controller *controller);
void write_back_ended(struct controller *controller, struct command *own);
/* Whether the command's range has nothing dirty, or that could not be written (its status). If not,
 * its writing back has begun and the command is told (cache_parent_told), or it stands in line for
 * a command. It is in the gate. */
bool write_back_range(struct controller *controller, struct command *command);
/* Lets writes on that wait for room, in line, as long as the first one finds some. */
void write_back_wake_room_waiters(struct controller *controller);
void write_back_became_dirty(struct controller *controller);
void write_back_tick(struct timer *timer);
void write_back_next_slice(struct timer *timer);

/* fill.c: blocks that are brought. */
/* Whether the blocks of which the command writes a part are there, or could not be read (its
 * status). Else they are being read, and the command is told. It is in the gate. */
bool fill_edges(struct controller *controller, struct command *command);
void fill_ended(struct controller *controller, struct command *own);
/* Notes a read; brings what a sequential reader will ask for next. */
void read_ahead(struct controller *controller, const struct command *command);
/* Whether what the command reads belongs to a run that has become longer than the cache. */
bool read_ahead_is_scan(struct controller *controller, const struct command *command);
/* Brings a range as far as it can be done now. */
void read_ahead_range(struct controller *controller, const struct command *command);

#endif
