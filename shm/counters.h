/*
 * Counters in shared memory. Each has one writer (count_up); anybody may read one late, nobody
 * torn. Rates are made by readers: two looks and the time between them.
 */
#ifndef SHM_COUNTERS_H
#define SHM_COUNTERS_H

#include "shm/atomic.h"
#include "shm/limits.h"

/* What is counted, once: X(name). The same list names the fields, the JSON and the columns. */
#define COUNTERS_IO(X)                                                                             \
    X(reads)                                                                                       \
    X(writes)                                                                                      \
    X(flushes)                                                                                     \
    X(trims)                                                                                       \
    X(zeroes)                                                                                      \
    X(others)                                                                                      \
    X(read_bytes)                                                                                  \
    X(write_bytes)                                                                                 \
    X(errors)                                                                                      \
    X(checksum_errors) /* commands that met a block which does not fit its checksum */             \
    X(in_flight)                                                                                   \
    X(latency_ns)

/* Of one volume or element; the writer is the element's owner. `in_flight` is a level, the others
 * only grow; latency_ns is a sum over finished commands. */
struct io_counters {
#define X(name) _Atomic uint64_t name;
    COUNTERS_IO(X)
#undef X
};

/* Of what a controller's cache does for one volume; the writer is the element's owner. `dirty` is a
 * level, in blocks; the others only grow. Hits and misses are commands. */
#define COUNTERS_CACHE(X)                                                                          \
    X(hits)         /* reads that were answered from the cache, all of them */                     \
    X(misses)       /* reads of a cached element that were not */                                  \
    X(dirty)        /* blocks that the element does not have yet */                                \
    X(evictions)    /* blocks that went to make room */                                            \
    X(written_back) /* blocks */                                                                   \
    X(write_backs)  /* I/Os that wrote them: fewer, where they lie together */                     \
    X(read_ahead)   /* blocks that were brought before they were asked for */

struct cache_counters {
#define X(name) _Atomic uint64_t name;
    COUNTERS_CACHE(X)
#undef X
};

#define COUNTERS_CONTROLLER(X)                                                                     \
    X(executed)        /* commands of its own hosts whose storage it owns */                       \
    X(redirected_out)  /* commands of its own hosts that went to another controller */             \
    X(redirected_in)   /* component commands executed for other controllers */                     \
    X(failed)          /* host commands answered with an error */                                  \
    X(host_latency_ns) /* sum over host commands, received to reply queued */                      \
    X(host_in_flight)  /* level */                                                                 \
    X(peer_in_flight)  /* level */                                                                 \
    X(connections)     /* level */                                                                 \
    X(connections_total)                                                                           \
    X(connections_refused)                                                                         \
    X(connections_dropped) /* by us: garbage, handshake limit, stalled while others waited */      \
    X(bytes_received)                                                                              \
    X(bytes_sent)                                                                                  \
    X(turns)     /* of the loop */                                                                 \
    X(sleeps)    /* turns that blocked */                                                          \
    X(spins_won) /* spins that ended in work */                                                    \
    X(spins_lost)                                                                                  \
    X(idle_ns)         /* time blocked in the kernel; the rest is busy */                          \
    X(asleep_since_ns) /* level: when the present sleep began (CLOCK_MONOTONIC), 0: awake */       \
    X(doorbells_rung)                                                                              \
    X(doorbells_swept) /* doorbells sent again because no answer had come */                       \
    X(hand_offs_swept) /* commands that were held and went on without being told */                \
    X(repaired)        /* blocks of members that could not be read, and were written anew */       \
    X(waits_for_buffer)                                                                            \
    X(waits_for_slot)                                                                              \
    X(waits_for_component)                                                                         \
    X(waits_for_owner)                                                                             \
    X(waits_for_journal) /* writes for room in its journal */                                      \
    X(journal_records)   /* slices of rows that were written to its journal */                     \
    X(journal_batches)   /* writes that took them there */                                         \
    X(journal_bytes)                                                                               \
    X(journal_checkpoints) /* flushes of all members, by which room becomes free */                \
    X(journal_used_bytes)  /* level: of its journal */                                             \
    X(buffers_bytes)       /* level: taken from its pool */                                        \
    X(slots_used)          /* level */

struct controller_counters {
#define X(name) _Atomic uint64_t name;
    COUNTERS_CONTROLLER(X)
#undef X
};

/* Of one link on one fabric; the writer is the link's source. */
#define COUNTERS_LINK(X)                                                                           \
    X(requests)                                                                                    \
    X(answers)                                                                                     \
    X(hand_offs) /* and places in the coordination table */                                        \
    X(batches)                                                                                     \
    X(full)                                                                                        \
    X(sent)     /* entries published */                                                            \
    X(lost)     /* entries that were not published: injected, or no way was left */                \
    X(repeated) /* entries published twice: injected */                                            \
    X(moved)    /* entries that were to take this link and took another way, for it had failed */  \
    X(relayed)  /* entries to or for a third controller, which could not be reached directly */

struct link_counters {
#define X(name) _Atomic uint64_t name;
    COUNTERS_LINK(X)
#undef X
};

/* Of one controller's use of the coordination table (reserve.h); the writer is the controller. */
#define COUNTERS_COORDINATION(X)                                                                   \
    X(granted)         /* reservations, each once, however many regions it spans */                \
    X(released)        /* of those granted */                                                      \
    X(cancelled)       /* given up before they were granted */                                     \
    X(held)            /* times that a command was held for a conflict */                          \
    X(held_ns)         /* sum of the times they were held */                                       \
    X(conflicts_true)  /* hand-offs from a reservation whose bytes overlap */                      \
    X(conflicts_false) /* hand-offs from one that only shares a unit at an edge */                 \
    X(handed_off)      /* hand-offs of this controller's reservations to held commands */          \
    X(full)            /* verdicts FULL: no place, no structure, or no number */                   \
    X(helped)          /* numbers given to reservations of others */                               \
    X(allocations)     /* region structures */                                                     \
    X(evictions)                                                                                   \
    X(recovered) /* reservations of dead controllers that were ended here */

struct coordination_counters {
#define X(name) _Atomic uint64_t name;
    COUNTERS_COORDINATION(X)
#undef X
    _Atomic uint64_t held_histogram[HELD_HISTOGRAM_BUCKETS]; /* see limits.h */
};

#define count_down(word, value) count_up((word), -(uint64_t)(value))

#endif
