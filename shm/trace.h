/*
 * The trace: the last events of each controller, in the segment, so that what happened can be read
 * while it happens and after the controller has died.
 *
 * A ring of entries, each one cache line; the writer laps its readers and waits for nobody.
 *
 *      ring     offset 0    written         events written ever; writer: the controller
 *               offset 64   entries, `events` of them
 *
 *      entry    offset 0    sequence        1 + the number of the event that is in it; 0: none, or
 *                                           it is being written
 *               offset 8    time_ns         CLOCK_MONOTONIC
 *               offset 16   command         number of the host command at its receiver; 0: of none
 *               offset 24   detail          what the kind says
 *               offset 32   offset_bytes
 *               offset 40   length_bytes
 *               offset 48   status | volume << 32
 *               offset 56   7..0 kind | op | stage | verdict | receiver | peer | 63..48 unused (0)
 *
 * Invariants
 *  1. One writer: the controller of the seat. A later life of the seat goes on where the last one
 *     ended.
 *  2. Event number n is in entry n modulo `events`.
 *  3. An entry's sequence is stored twice for each event: 0 before its other words, and 1 + number
 *     after them. A reader takes a copy only if the sequence was 1 + number before and after it
 *     copied. All of an entry's words are stored with release and loaded with acquire: a reader
 *     that saw one word of a newer event sees at least the 0 that went before it. So what is copied
 *     is whole, or known to be torn or overrun; on x86 this costs plain moves.
 *  4. What is read may have been written by a process that was damaged: readers check it.
 */
#ifndef SHM_TRACE_H
#define SHM_TRACE_H

#include <stddef.h>

#include "shm/atomic.h"
#include "shm/limits.h"

/* How much is traced; each level has all of those before it. X(value, its name in a configuration)
 */
#define TRACE_LEVELS(X)                                                                            \
    X(TRACE_OFF, "off")                                                                            \
    X(TRACE_EVENTS, "events")     /* deaths, failures, membership: rare */                         \
    X(TRACE_COMMANDS, "commands") /* each command where it arrives and leaves, and what it met */  \
    X(TRACE_STAGES, "stages")     /* and each stage's verdict, with the exact time */

#define X(value, name) value,
enum trace_level { TRACE_LEVELS(X) TRACE_LEVELS_END, TRACE_LEVEL_DEFAULT = TRACE_COMMANDS };
#undef X

/* X(value, name, its level) */
#define TRACE_KINDS(X)                                                                             \
    X(TRACE_ARRIVED, "arrived", COMMANDS) /* from a host; detail: its cookie */                    \
    X(TRACE_TAKEN, "taken", COMMANDS)     /* from a peer; detail: slot */                          \
    X(TRACE_SENT, "component", STAGES)    /* of a virtual volume's command; detail: member */      \
    X(TRACE_STAGE, "stage", STAGES)       /* stage, and its verdict */                             \
    X(TRACE_HELD, "held", COMMANDS)       /* for a reservation of another command */               \
    X(TRACE_HANDED, "handed", COMMANDS)   /* it was given that; by peer */                         \
    X(TRACE_REDIRECTED, "redirected", COMMANDS)       /* to peer; detail: slot */                  \
    X(TRACE_REPLIED, "replied", COMMANDS)             /* status; detail: ns since it arrived */    \
    X(TRACE_SEAT, "seat", EVENTS)                     /* our own; detail: enum seat_state */       \
    X(TRACE_MEMBERSHIP, "membership", EVENTS)         /* it changed; detail: the new count */      \
    X(TRACE_PEER_LOST, "peer-lost", EVENTS)           /* dead or damaged; detail: its epoch */     \
    X(TRACE_PEER_RECOVERED, "peer-recovered", EVENTS) /* what it had reserved is given up */       \
    X(TRACE_PEER_BACK, "peer-back", EVENTS)           /* a new life runs; detail: its epoch */     \
    X(TRACE_REDONE, "redone", EVENTS)                 /* of volume; detail: whose write */         \
    X(TRACE_ELEMENT_FAILED, "element-failed", EVENTS) /* detail: the element */                    \
    X(TRACE_ELEMENT_TAKING, "element-taking", EVENTS) /* we take it; detail: the element */        \
    X(TRACE_ELEMENT_LET_GO, "element-let-go", EVENTS) /* to peer; detail: the element */           \
    X(TRACE_ELEMENT_TAKEN, "element-taken", EVENTS)   /* it is ours; detail: the element */        \
    X(TRACE_MEMBERS_FAILED, "members-failed", EVENTS) /* of volume; detail: mask of them */        \
    X(TRACE_JOB, "job", COMMANDS)                     /* as arrived, of a job instead of a host */

#define X(value, name, level) value,
enum trace_kind { TRACE_NOTHING, TRACE_KINDS(X) TRACE_KINDS_END };
#undef X

enum { TRACE_NO_CONTROLLER = 0xff, TRACE_NO_VOLUME = UINT32_MAX };

/* An event, in private memory. */
struct trace_event {
    uint64_t time_ns;
    uint64_t command;
    uint64_t detail;
    uint64_t offset_bytes, length_bytes;
    int32_t status; /* 0 or -errno */
    uint32_t volume;
    uint8_t kind; /* enum trace_kind */
    uint8_t op, stage, verdict;
    uint8_t receiver; /* seat of the host command's receiver, which numbered it */
    uint8_t peer;
    uint8_t unused[2]; /* 0 */
};

enum { TRACE_ENTRY_WORDS = 7 }; /* of an entry, behind its sequence */

struct trace_entry {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t sequence;
    _Atomic uint64_t words[TRACE_ENTRY_WORDS];
};

struct trace_ring {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t written;
    struct trace_entry entries[];
};

_Static_assert(sizeof(struct trace_event) == TRACE_ENTRY_WORDS * sizeof(uint64_t), "as drawn");
_Static_assert(offsetof(struct trace_event, status) == 40 &&
                   offsetof(struct trace_event, kind) == 48,
               "as drawn: an entry's words from its offset 8 on");
_Static_assert(sizeof(struct trace_entry) == CACHELINE_BYTES, "as drawn");
_Static_assert(offsetof(struct trace_ring, entries) == CACHELINE_BYTES, "as drawn");

/* Bytes of a ring of so many events. */
static inline uint64_t trace_ring_bytes(uint32_t events)
{
    return sizeof(struct trace_ring) + (uint64_t)events * sizeof(struct trace_entry);
}

/* Names live for ever; NULL for what is none. */
const char *trace_level_name(uint32_t level);
const char *trace_kind_name(uint32_t kind);

/* The level of a name, or -EINVAL. */
int trace_level_of(const char *name);

/* --- writing: private to the controller --- */

/* Asks the kernel for memory behind these bytes of the ring; 0 or -errno. */
typedef int trace_commit_fn(void *context, uint64_t offset_bytes, uint64_t bytes);

struct trace_writer {
    struct trace_ring *ring;
    uint32_t events;
    uint64_t next;      /* number of the next event */
    uint64_t committed; /* entries from the first on that have memory, or UINT64_MAX: all */
    trace_commit_fn *commit;
    void *context;
};

/* Begins to write a ring that was zeroed, or goes on after what an earlier life wrote. `events`: a
 * power of two. `commit` (NULL: all is committed) is called before entries are first touched,
 * TRACE_COMMIT_EVENTS of them at once. The ring stays the segment's. 0, or what `commit` said:
 * there is no memory and nothing may be written. */
int trace_writer_init(struct trace_writer *writer, struct trace_ring *ring, uint32_t events,
                      trace_commit_fn *commit, void *context);

/* Writes an event; one is lost when the kernel has no memory for its entry. Wait-free, about ten
 * stores; a system call once in TRACE_COMMIT_EVENTS until the ring has been filled once. */
void trace_write(struct trace_writer *writer, const struct trace_event *event);

/* --- reading: anybody, also from memory that is mapped read-only --- */

enum trace_verdict {
    TRACE_READ,    /* *ret_event is the event */
    TRACE_NOT_YET, /* it was not written yet */
    TRACE_LOST,    /* overrun by a later one, or never finished: the writer died over it */
};

/* The number of the next event to be written. */
uint64_t trace_written(const struct trace_ring *ring);

/* The oldest event that a reader may hope for, when so many were written. */
static inline uint64_t trace_oldest(uint64_t written, uint32_t events)
{
    return written > events ? written - events : 0;
}

/* Copies event number `number` of a ring of `events`. Wait-free. What it says is to be checked. */
enum trace_verdict trace_read(const struct trace_ring *ring, uint32_t events, uint64_t number,
                              struct trace_event *ret_event);

#endif
