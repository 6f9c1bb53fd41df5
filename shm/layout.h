/*
 * The segment: what lies where. One sealed memfd, mapped whole by every process of the array.
 *
 *      header      struct segment_header, one page
 *      seats       controllers x struct seat
 *      elements    elements x struct element_record
 *      volumes     volumes x struct volume_record
 *      members     members x struct member_record
 *      names       hash of volume names: names_buckets x uint32_t (mapping.c)
 *      links       controllers x controllers x FABRICS x link_bytes
 *      slots       controllers x slots x struct slot
 *      redo        controllers x COMMANDS_MAX x struct redo_record
 *      region sets regions / REGION_WAYS x struct region_set
 *      words       regions x struct region_words
 *      conflicts   regions x struct region_conflicts
 *      traces      controllers x struct trace_ring of trace_events; none when that is 0
 *      buffers     controllers x buffers_bytes
 *      caches      controllers x what cache_region.h draws
 *
 * Each part starts on a page. The geometry is computed once, by the process that makes the segment,
 * and inherited as private memory (struct segment); nobody computes an address from the header in
 * shared memory except a tool that has just attached, and that one checks it first.
 *
 * Pages come into being when first touched, so a large limit costs address space, not memory.
 */
#ifndef SHM_LAYOUT_H
#define SHM_LAYOUT_H

#include <stddef.h>

#include "shm/cache_mode.h"
#include "shm/cache_region.h"
#include "shm/coordination_policy.h"
#include "shm/counters.h"
#include "shm/interconnect_settings.h"
#include "shm/journal.h"
#include "shm/limits.h"
#include "shm/owner.h"
#include "shm/redo.h"
#include "shm/region.h"
#include "shm/ring.h"
#include "shm/slot.h"
#include "shm/trace.h"

#define SEGMENT_MAGIC 0x0074726f70796e61ull /* "anyport" */
enum { SEGMENT_VERSION = 1 };

struct segment_geometry {
    uint32_t controllers;
    uint32_t elements;
    uint32_t volumes;
    uint32_t members;       /* of all virtual volumes together */
    uint32_t names_buckets; /* a power of two, at least twice the volumes */
    uint32_t slots;         /* of each controller */
    uint32_t ring_entries;
    uint32_t regions;       /* region structures; a power of two */
    uint32_t region_shift;  /* each covers 1 << region_shift bytes */
    uint32_t trace_events;  /* kept of each controller; a power of two, or 0 */
    uint32_t unused;        /* 0 */
    uint64_t buffers_bytes; /* of each controller */
    uint64_t cache_bytes;   /* blocks of each controller's cache; 0: it has none */
    uint64_t link_bytes;
    uint64_t seats_offset;
    uint64_t elements_offset;
    uint64_t volumes_offset;
    uint64_t members_offset;
    uint64_t names_offset;
    uint64_t links_offset;
    uint64_t slots_offset;
    uint64_t redo_offset;
    uint64_t region_sets_offset;
    uint64_t region_words_offset;
    uint64_t region_conflicts_offset;
    uint64_t traces_offset;
    uint64_t buffers_offset;
    uint64_t caches_offset;
    uint64_t bytes;
};

/* Written before any controller starts and constant then, except where _Atomic says otherwise. */
struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t pid; /* of the configuration controller */
    struct segment_geometry geometry;
    char array[NAME_BYTES_MAX + 1];
    uint64_t started_ns;             /* CLOCK_REALTIME */
    uint32_t coordination_policy;    /* enum coordination_policy */
    uint32_t cache_mode;             /* enum cache_mode */
    uint32_t cache_policy;           /* enum cache_policy_kind */
    uint32_t cache_in_memory;        /* 1: elements whose images live in memory are cached too */
    uint32_t takeover;               /* 1: survivors take a dead controller's elements */
    uint64_t intents_clear_ns;       /* write intents of regions left alone so long go; 0: none */
    _Atomic uint64_t job_rate_bytes; /* of a job, in a second; 0: any; JOB_RATE_YIELDING */
    struct interconnect_settings interconnect;
    /* Grows whenever a seat changes state, a link what is injected, or an element its owner;
     * controllers look at it once a turn. Writers: any process of the array, by addition
     * (segment_raise_membership). Stale: a death is noticed a turn later. */
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t membership;
    /* No volume has, or ever had, this number or a higher one: so far those who look at all volumes
     * look. Writer: the configuration controller; it only grows. Stale: a new one is seen later. */
    _Atomic uint32_t volumes_end;
    /* enum trace_level; controllers look at it once a turn. Writer: the configuration controller.
     * Stale: a turn is traced at the level before. */
    _Atomic uint32_t trace_level;
    struct journal_shared journal;
};

enum seat_state {
    SEAT_EMPTY = 0,
    SEAT_STARTING, /* the process exists */
    SEAT_RUNNING,  /* its ports answer */
    SEAT_QUIESCED, /* asked to stop; its hosts are gone and it waits for nobody */
    SEAT_STOPPED,  /* flushed and exited in order */
    SEAT_DEAD,     /* the process is gone; I/O it had submitted may still land */
    SEAT_DRAINED,  /* dead, and all of its I/O has landed */
};

/* Of a seat's first life. A life's epoch is odd; who declares it dead makes it even, and the next
 * life has the odd one after that: nothing that an earlier life or its death says fits a later one.
 * 0: there was none yet. */
enum { SEAT_EPOCH_FIRST = 1 };

enum seat_request { SEAT_REQUEST_NONE = 0, SEAT_REQUEST_QUIESCE, SEAT_REQUEST_STOP };

/*
 * A controller's place.
 *
 *      offset 0    state, epoch, pid, request    writer: configuration controller (state EMPTY and
 *                                                STARTING with a new epoch, DRAINED); the
 *                                                controller itself (RUNNING to STOPPED); any
 *                                                process of the array: epoch and state DEAD, by
 *                                                seat_declare_dead
 *      offset 64   sleeping                      writers: the controller (1), its wakers (0)
 *      offset 128  counters                      writer: the controller
 *                  coordination                  writer: the controller
 */
struct seat {
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t state;
    _Atomic uint32_t epoch; /* only its low 16 bits go into slot words */
    _Atomic uint32_t pid;
    _Atomic uint32_t request;
    _Atomic uint32_t cpu_pinned; /* processor + 1, 0: not pinned */
    _Atomic uint32_t tcp_port;   /* 0: none */
    /* Seats that this controller no longer speaks to because their shared memory is damaged, a bit
     * each. Writer: the controller. Stale: such a peer's commands end a sweep later. */
    _Atomic uint64_t refuses;
    /* Seats of dead controllers that this one executes nothing for any more, a bit each. Writer:
     * the controller. Stale: what the dead one had reserved is given up a sweep later. */
    _Atomic uint64_t done_with;
    _Atomic uint64_t since_ns;     /* CLOCK_REALTIME: when this life began. Writer: as of `state` */
    _Atomic uint32_t restarts;     /* lives after the first. Writer: the configuration controller */
    _Atomic uint64_t journal_open; /* journal.h. Writer: the controller. Stale: records are kept */
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t sleeping;
    _Alignas(CACHELINE_BYTES) struct controller_counters counters;
    _Alignas(CACHELINE_BYTES) struct coordination_counters coordination;
};

_Static_assert(offsetof(struct seat, sleeping) == 64, "as drawn above");
_Static_assert(offsetof(struct seat, counters) == 128, "as drawn above");

enum element_state {
    ELEMENT_ONLINE = 0,
    ELEMENT_FAILED, /* found truncated, or a flush of it failed: EIO until its image is replaced */
};

enum element_flags {
    ELEMENT_READ_ONLY = 1 << 0,
    ELEMENT_DIRECT = 1 << 1,
    ELEMENT_DEVICE = 1 << 2,
    ELEMENT_INLINE = 1 << 3,
    ELEMENT_SUPERBLOCK = 1 << 4,
    ELEMENT_CHECKSUMS = 1 << 5,
};

/* The mapping table, first half. Constant but for the _Atomic fields. */
struct element_record {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t owner; /* owner.h, where its writers are named */
    _Atomic uint32_t state;                           /* writer: the owner, and who takes it */
    /* Writer: the owner, when it takes another image. */
    _Atomic uint32_t flags;
    _Atomic uint64_t size_bytes;
    _Atomic uint32_t tail_bytes; /* of the image, behind size_bytes; writer: as of flags */
    uint32_t configured_owner;   /* seat that the configuration names */
    _Atomic uint32_t takeovers;  /* how often another controller took it; writer: who takes it */
    _Atomic uint64_t taken_ns;   /* how long that took the last time; writer: as above */
    /* For the witnesses (io/witness.h) of the description that the owner uses: where its mark is,
     * written before who holds it, seat | epoch << 8. Writer: who takes it, when it has the lock,
     * so what the holder before had submitted has landed. Stale: that is found out later. */
    _Atomic uint64_t mark_byte;
    _Atomic uint32_t mark_holder;
    /* 1: the image that it failed on lacks something that was acknowledged. Writer: the owner, and
     * who takes it; it means something only where the element has failed. */
    _Atomic uint32_t lost_writes;
    char name[NAME_BYTES_MAX + 1];
    _Alignas(CACHELINE_BYTES) struct io_counters counters; /* writer: the owner */
    /* By the controller whose host asked; of what `counters` counts. Writer: the owner. */
    _Atomic uint64_t commands_from[CONTROLLERS_MAX];
};

enum job_state {
    JOB_NONE = 0, /* there was none */
    JOB_WAITING,  /* for a controller to run it, or for its next piece after a death */
    JOB_RUNNING,
    JOB_DONE,
    JOB_FAILED,
};

#define JOB_NO_RUNNER UINT32_MAX

/* The job of a virtual volume, at most one at a time (controller/recovery/job.h). Writers: the
 * configuration controller, to begin it (kind, state WAITING); then the controller that runs it.
 * Stale: what is shown is late. Rates and what is left of the time are made by readers. */
struct job_record {
    _Atomic uint32_t kind;   /* enum job_kind */
    _Atomic uint32_t state;  /* enum job_state */
    _Atomic uint32_t runner; /* seat; WAITING: who has stopped working on it, or JOB_NO_RUNNER */
    _Atomic uint32_t phase;  /* the kind's own */
    _Atomic int32_t status;  /* FAILED: -errno */
    _Atomic uint64_t position_bytes, end_bytes;
    _Atomic uint64_t began_at_bytes;       /* the position when this controller began */
    _Atomic uint64_t started_ns, ended_ns; /* CLOCK_MONOTONIC; 0: not yet */
    _Atomic uint64_t found, repaired;      /* the kind's own */
};

enum volume_flags {
    VOLUME_READ_ONLY = 1 << 0,
    VOLUME_EXPORTED = 1 << 1,
    VOLUME_ROTATIONAL = 1 << 2,
    VOLUME_REDUNDANT_MEMBER = 1 << 3, /* what it holds can be had from others */
};

/* The mapping table, second half: volume -> element and place on it, or, of a virtual volume,
 * -> its members. Constant, but for the _Atomic fields, while anybody can know the volume
 * (mapping.h). */
struct volume_record {
    /* 1: the volume is there for everybody. 0: it is being made, or taken away, or is none. Writer:
     * the configuration controller. Stale: it is listed, or missing in a list, a little longer. */
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t present;
    /* enum volume_flags. Writer: the configuration controller; EXPORTED and REDUNDANT_MEMBER change
     * when the volume becomes a member, or is one no more. Stale: it is found by a host that comes
     * just then. */
    _Atomic uint32_t flags;
    uint64_t offset_bytes; /* on the element; virtual: 0 */
    uint64_t size_bytes;
    uint32_t element; /* virtual: ELEMENT_NONE */
    uint32_t layout;  /* enum layout_kind (controller/layout/layout.h); 0: a plain volume */
    uint32_t members_first, members_count; /* in `members` */
    uint32_t copies;                       /* raid10: members in each mirror set */
    uint32_t chunk_bytes;                  /* 0 where the layout has no chunks */
    uint32_t marked; /* 1: members_marked is to follow members_now; their elements have
                        superblocks */
    /* Redundant: regions whose members may differ since an end without order, at most; 0: they
     * agree. Writers: the configuration controller before the start; by addition, who runs the
     * RESYNC, at its end, and who cannot finish what a dead controller had begun. Stale: an orderly
     * end keeps intents that need not be kept. */
    _Atomic uint64_t resync_regions;
    uint64_t run; /* how often the volume was started (controller/superblock/standing.h) */
    /* With parity: a sequence at least that of the last batch of a journal with a record of it.
     * Writers: any controller, before what the record says is written (journal_note_latest). */
    _Atomic uint64_t journal_latest;
    /* Virtual: which members have failed and which of those are being rebuilt, and what is durable
     * of it; the rules are in member_states.h. Writers: any controller, by compare-and-swap. Stale:
     * a failed member is met once more; what is marked is marked once more. */
    _Atomic uint64_t members_now, members_marked;
    /* The next run, and who is good in it. Writer: whoever rebuilds. */
    _Atomic uint32_t announced, completing;
    /* How far those that are being rebuilt hold all, and how far durably. Writer: whoever rebuilds.
     * Stale: a write does without them where it need not. */
    _Atomic uint64_t rebuilt_bytes, rebuilt_flushed_bytes;
    struct job_record job;
    char name[NAME_BYTES_MAX + 1];
    char description[DESCRIPTION_BYTES_MAX + 1];
    _Alignas(CACHELINE_BYTES) struct io_counters counters; /* writer: the element's owner */
    _Alignas(CACHELINE_BYTES) struct cache_counters cache; /* as above */
};

enum { ELEMENT_NONE = UINT32_MAX };

/* One member of a virtual volume, in the order of its layout. Constant. */
struct member_record {
    uint32_t volume;
    uint32_t reserved;   /* 0 */
    uint64_t size_bytes; /* of the volume; of a concat's, what is used of it */
};

/* What a link has carried under a model; and, of any process, wires (interconnect.h). Writers: all
 * controllers, by atomic addition, and only under a model. */
struct link_wires {
    _Atomic uint64_t busy_until_ns[2];
    _Atomic uint64_t transfers;
    _Atomic uint64_t bytes;
    _Atomic uint64_t busy_ns;       /* sum of the times that transfers took up a wire */
    _Atomic uint64_t queued_ns;     /* sum of the times that they waited for it */
    _Atomic uint64_t queued_max_ns; /* the longest one */
};

/*
 * One direction between two controllers on one fabric. (Those from a controller to itself carry
 * nothing; a switch has their wires as its ports.)
 *
 *      offset 0    blocked     1: the producer found the ring full and waits for a wake-up.
 *                              Writers: producer (1), consumer (0).
 *      offset 64   injected    faults (link.h). Writer: the configuration controller, which then
 *                              raises `membership`. Stale: acted upon a turn later.
 *      offset 128  counters    writer: the producer
 *      offset 256  wires
 *      offset 320  ring
 */
struct link {
    _Alignas(CACHELINE_BYTES) _Atomic uint32_t blocked;
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t injected;
    _Atomic uint64_t failed_since_ns; /* CLOCK_REALTIME; 0: it works. Writer: as of `injected` */
    _Alignas(CACHELINE_BYTES) struct link_counters counters;
    _Alignas(CACHELINE_BYTES) struct link_wires wires;
    _Alignas(CACHELINE_BYTES) struct ring ring;
};

_Static_assert(offsetof(struct link, injected) == 64, "as drawn above");
_Static_assert(offsetof(struct link, counters) == 128, "as drawn above");
_Static_assert(offsetof(struct link, wires) == 256, "as drawn above");
_Static_assert(offsetof(struct link, ring) == 320, "as drawn above");

#endif
