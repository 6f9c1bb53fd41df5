/*
 * Every limit of the array, and the relations between them.
 *
 * A limit is here because something outside (a configuration, a host, another process) could exceed
 * it; whoever checks an input names one of these in its message.
 */
#ifndef SHM_LIMITS_H
#define SHM_LIMITS_H

#include <stdint.h>

/* The simulator's images are small, and are to have several regions (tests/sim/meson.build). */
#ifndef ANYPORT_INTENT_REGION_SHIFT_MIN
#define ANYPORT_INTENT_REGION_SHIFT_MIN 20
#endif

enum {
    /* --- the array --- */
    CONTROLLERS_MAX = 64,
    FABRICS = 2, /* primary, redundant */
    ELEMENTS_MAX = 4096,
    VOLUMES_MAX = 131072,
    VOLUMES_SPARE = 1024,        /* that may be made while an array runs, beside its first ones */
    MEMBERS_SPARE = 4096,        /* of virtual ones among them */
    NAME_BYTES_MAX = 63,         /* array, element and volume names, without the final NUL */
    DESCRIPTION_BYTES_MAX = 159, /* of a volume, without the final NUL: what the handshake shows */
    PATH_BYTES_MAX = 4095,

    /* --- blocks and payload --- */
    CACHELINE_BYTES = 64,
    BLOCK_BYTES = 4096, /* what O_DIRECT, the cache and the buffer pool count in */
    PAYLOAD_BYTES_MAX = 32 << 20,
    BUFFERS_BYTES_DEFAULT = 64 << 20, /* one controller's buffer pool */
    BUFFERS_BYTES_MIN = 40 << 20,     /* one command of the largest payload and some small ones */
    BUFFERS_BYTES_MAX = 1 << 30,
    WORKSPACES_BYTES = 4 << 20,     /* of a controller's buffers, for computing parity in */
    CACHE_BYTES_DEFAULT = 64 << 20, /* one controller's cache */
    CACHE_BYTES_MIN = 1 << 20,
    CACHE_MAPPED_BYTES = 256 << 20, /* of a cache, when it is taken; the rest as it is touched */
    CACHE_LOOK_BYTES = 1 << 20,     /* longer commands are neither looked up nor taken in */
    CACHE_WRITE_BACK_BYTES_MAX = 1 << 20, /* longer writes are written through */
    CACHE_COMMANDS_MAX = 128,             /* I/Os of a cache's own, at once */
    CACHE_WRITE_BACKS_MAX = 64,  /* of them, for write-back that nobody in a gate waits for */
    CACHE_RUN_BLOCKS = 64,       /* of one such I/O */
    CACHE_BATCH_BLOCKS = 1024,   /* written back in order of address */
    CACHE_SLICE_BLOCKS = 256,    /* of them written back before hosts are looked at again */
    CACHE_TICK_MS = 4000,        /* what is dirty is on its way after two ticks */
    TAKEOVER_TICK_MS = 1,        /* how often it is looked whether a dead owner's I/O has landed */
    TAKEOVER_TURN_MS = 200,      /* then another survivor takes what the one before has not */
    TAKEOVER_DRAIN_SECONDS = 30, /* then the image is given up */
    MOVE_SECONDS = 15,           /* that letting an element go may take, and then taking it */
    FAILBACK_AGAIN_MS = 1000,    /* between tries, where something is in the way for now */
    ADOPT_WRITES = 16,           /* of what a dead controller's cache held, at once */
    ADOPT_RUN_BLOCKS = 16,       /* of one of them */
    CACHE_STREAMS = 4,           /* sequential readers of one element that are known */
    CACHE_AHEAD_BYTES = 512 << 10,         /* read ahead of such a reader */
    CACHE_AHEAD_COMMAND_BYTES = 128 << 10, /* longer reads keep an element busy by themselves */
    CACHE_AHEAD_SHARE = 8, /* of a cache's blocks, one in so many is being read ahead at most */

    /* --- virtual volumes --- */
    MEMBERS_MAX = 32,      /* volumes that one virtual volume is made of */
    MIRROR_COPIES_MIN = 2, /* of a mirror, and of each mirror set of a raid10 */
    MIRROR_COPIES_MAX = 8,
    RAID5_MEMBERS_MIN = 3,
    RAID6_MEMBERS_MIN = 4,
    CHUNK_BYTES_MIN = 4 << 10, /* what is contiguous on one member; a power of two */
    CHUNK_BYTES_MAX = 16 << 20,
    CHUNK_BYTES_DEFAULT = 64 << 10,
    PARITY_COLUMN_BYTES = 64 << 10, /* of each member, worked on at once: bounds the workspace */

    /* --- superblocks --- */
    SUPERBLOCK_BYTES = 64 << 10,      /* at the end of an image, outside the element */
    SUPERBLOCK_COPY_BYTES = 32 << 10, /* of two, written in turn */
    SUPERBLOCK_MEMBERS_MAX = 254,     /* members of redundant volumes on one element */

    /* --- what an image keeps in front of its superblock --- */
    INTENTS_BYTES_MAX = 16 << 10, /* the write-intent bitmap of one element */
    INTENT_SECTOR_BYTES = 512,    /* of it that a disk writes as a whole or not at all */
    INTENT_SECTOR_REGIONS = 4032, /* bits in a sector; the rest of it is its CRC and state */
    /* A region is 1 << shift bytes: 1 MiB, or more if it must be. */
    INTENT_REGION_SHIFT_MIN = ANYPORT_INTENT_REGION_SHIFT_MIN,
    INTENT_REGION_SHIFT_MAX = 62,
    INTENT_CLEAR_PAUSE_MS = 5,     /* between two clearings of one controller */
    CHECKSUM_BYTES = 4,            /* of each block */
    CHECKSUMS_BYTES_MAX = 1 << 30, /* the table of one element, held in memory by its owner */

    /* --- the journal: of each controller --- */
    JOURNAL_HEADERS_BYTES = 8 << 10, /* two copies of its header, a block each; the ring follows */
    JOURNAL_BATCH_BYTES_MAX = 4 << 20, /* records that one write takes */
    JOURNAL_BATCH_RECORDS_MAX = 1024,
    JOURNAL_BATCHES_MAX = 8192, /* in the ring at once */
    JOURNAL_LOST_MAX = 64,      /* volumes that a header names; more: none is covered */
    JOURNAL_BYTES_DEFAULT = 64 << 20,
    JOURNAL_BYTES_MIN = 16 << 20,
    JOURNAL_BYTES_MAX = 1 << 30,
    JOURNAL_COMMANDS = 2,     /* of its own: one flushes members, one marks them */
    JOURNAL_SUFFIX_BYTES = 3, /* of a path: the number of a controller behind it */
    JOURNAL_PAUSE_MS = 2,     /* between two checkpoints of one controller */
    JOURNAL_END_TRIES = 250, /* checkpoints at an orderly end; then records are left for a replay */

    /* --- coordination --- */
    REGION_BYTES_MIN = 256 << 10, /* of a virtual volume, reserved together; a power of two */
    REGION_BYTES_MAX = 64 << 20,
    REGION_BYTES_DEFAULT = 1 << 20,

    /* --- commands --- */
    COMMANDS_MAX = 1024,      /* host commands a controller works on at once */
    PEER_COMMANDS_MAX = 1024, /* component commands it works on for its peers */
    REDO_COMMANDS_MAX = 8,    /* of dead controllers, that it redoes at once */
    COMPONENTS_MAX = 2048,    /* component commands of host commands on virtual volumes */
    COORDINATE_NOTICED_MAX = 256, /* hand-offs from this controller to itself, of one turn */
    SESSION_COMMANDS_MAX = 256,   /* of one connection; past that its socket is not read */
    SLOTS_DEFAULT = 512,          /* command slots a controller owns */
    SLOTS_MIN = 1,
    SLOTS_MAX = 4096,
    RING_ENTRIES_DEFAULT = 512, /* of one link on one fabric; a power of two */
    RING_ENTRIES_MIN = 2,
    RING_ENTRIES_MAX = 4096,

    /* --- the interconnect --- */
    LINK_LOSS_PER_MILLE_MAX = 1000,
    INTERCONNECT_WAIT_SECONDS_DEFAULT = 5, /* of a command to whose target no way leads */
    INTERCONNECT_WAIT_SECONDS_MAX = 3600,
    INTERCONNECT_HOP_DELAY_NS_DEFAULT = 240, /* what a port of a fibre channel loop may hold back */
    INTERCONNECT_LATENCY_NS_DEFAULT = 1000,
    INTERCONNECT_BANDWIDTH_DEFAULT = 1000000000, /* bytes in a second, of one wire */
    WIRE_QUEUED_SECONDS_MAX = 3600,              /* for a wire; what says more is damaged */

    /* --- coordination --- */
    REGION_SHIFT_MIN = 18, /* what one region structure covers is 1 << shift bytes */
    REGION_SHIFT_DEFAULT = 20,
    REGION_SHIFT_MAX = 26,   /* 64 MiB */
    REGIONS_DEFAULT = 4096,  /* region structures: so many regions may be reserved in at once */
    REGIONS_MIN = 2048,      /* a power of two */
    REGIONS_MAX = 65536,     /* a power of two */
    REGION_WAYS = 8,         /* structures in one set, which a hash of the region leads to */
    REGION_CELLS = 16,       /* a region is divided into so many cells */
    REGION_LINE_WORDS = 8,   /* reservation words of one cell, and of the region as a whole */
    REGION_UNITS = 2048,     /* a region's ranges are counted in so many units */
    REGION_CROWD_LINES = 14, /* more of them, for when both lines of a cell are taken */
    REGION_CROWD_FIRST = (1 + REGION_CELLS) * REGION_LINE_WORDS, /* the first place of those */
    REGION_PLACES = REGION_CROWD_FIRST + REGION_CROWD_LINES * REGION_LINE_WORDS,
    RESERVATION_BYTES_MAX = PAYLOAD_BYTES_MAX + 1, /* one may lie at any odd place */
    /* The longest reservation that begins with the last byte of a smallest region. */
    REGIONS_PER_RESERVATION_MAX = (RESERVATION_BYTES_MAX - 2) / (1 << REGION_SHIFT_MIN) + 2,
    RESERVATION_NUMBER_MAX = (1 << 25) - 1, /* in the order of one queue, until it is empty once */
    HELD_HISTOGRAM_BUCKETS = 40, /* bucket i: held for 2^i ns to 2^(i+1) ns; the last: longer */

    /* --- trace --- */
    TRACE_EVENTS_DEFAULT = 65536, /* of each controller, kept: 4 MiB, touched as they are written */
    TRACE_EVENTS_MIN = 1024,      /* or 0: none are kept; a power of two */
    TRACE_EVENTS_MAX = 16 << 20,  /* a power of two */
    TRACE_COMMIT_EVENTS = 1024,   /* asked of the kernel at once */

    /* --- host ports --- */
    CONNECTIONS_DEFAULT = 256, /* per controller */
    CONNECTIONS_MAX = 4096,
    HANDSHAKE_SECONDS_DEFAULT = 10,
    HANDSHAKE_SECONDS_MAX = 3600,
    EXPORT_NAME_BYTES_MAX = 4096, /* NBD: "names longer than 4096 bytes" need not be supported */
    OPTION_BYTES_MAX = 64 << 10,  /* payload of one handshake option that is looked at */
    OPTION_DISCARD_BYTES_MAX = 32 << 20,     /* a refused option of more ends the handshake */
    HANDSHAKE_OPTIONS_MAX = 4 * VOLUMES_MAX, /* `nbdinfo --list` asks 2 an export */
    EXTENTS_CHUNKS_MAX = 4096, /* chunks of a virtual volume that one block status describes */
    EXTENTS_MAX = 1024,        /* one block status answers with at most so many extents */
    EXTENTS_TURN_MAX = 256,    /* and all of one turn of a controller, but for one each */

    /* --- jobs --- */
    JOBS_MAX = 64,                /* that one controller runs at once */
    REBUILDS_MAX = 8,             /* of the array at once; others wait until one has ended */
    RESYNCS_MAX = 8,              /* as above */
    JOB_PIECE_BYTES = 512 << 10,  /* of a member, worked on by one command */
    SCRUB_BUFFER_BYTES = 4 << 20, /* for a piece of all members together */
    SCRUB_SAID_MAX = 10,          /* places that one scrub names on stderr */
    READ_REPAIRS_MAX = 64,        /* ranges that wait for their repair in one controller */
    JOB_RATE_BYTES_MAX = 1 << 30, /* in a second; a setting of more is as good as none */

    /* --- the control channel --- */
    CONTROL_REQUESTS_MAX = 32, /* of one controller, outstanding at once */
    CONTROL_SECONDS = 20,      /* that an answer may take */

    /* --- seats --- */
    HEARTBEAT_SECONDS_DEFAULT = 2, /* without a turn: a controller that is stuck */
    HEARTBEAT_SECONDS_MAX = 3600,
    FOLLOW_TRAFFIC_SECONDS_MAX = 3600,
    RESTART_SOON_SECONDS = 10, /* a life that ends within it has not got far */
    RESTART_DEATHS_MAX = 5,    /* of such lives in a row; then a seat is not started by itself */

    /* --- volumes that go --- */
    RELEASE_PATIENCE_MS = 200, /* so long a host may take to be gone that has said so */

    /* --- anyport run --- */
    COMMAND_END_SECONDS = 5, /* from SIGTERM to SIGKILL for what --run started */

    /* --- configuration --- */
    CONFIG_BYTES_MAX = 64 << 20, /* 100,000 volumes with room to spare */
    CONFIG_SCALAR_BYTES_MAX = 8192,
    CONFIG_DEPTH_MAX = 8,
};

#define ELEMENT_BYTES_MAX ((uint64_t)1 << 62)
#define CACHE_BYTES_MAX   ((uint64_t)1 << 40)
#define JOB_RATE_YIELDING UINT64_MAX /* as fast as it goes, and slowly while hosts work */

/* The largest element that can have checksums: 1 TiB. */
#define CHECKSUMMED_BYTES_MAX      ((uint64_t)CHECKSUMS_BYTES_MAX / CHECKSUM_BYTES * BLOCK_BYTES)
#define INTENTS_CLEAR_NS_DEFAULT   5000000000ull    /* that a region is left alone, at least */
#define INTENTS_CLEAR_NS_MAX       3600000000000ull /* an hour */
#define INTERCONNECT_TIME_NS_MAX   10000000000ull   /* a delay, latency or hop delay: 10 s */
#define INTERCONNECT_BANDWIDTH_MIN ((uint64_t)1 << 20)
#define INTERCONNECT_BANDWIDTH_MAX ((uint64_t)1 << 40)

/* The largest virtual volume: sums and products of sizes within it do not overflow. */
#define VIRTUAL_BYTES_MAX ((uint64_t)1 << 62)

_Static_assert(BUFFERS_BYTES_MIN >= PAYLOAD_BYTES_MAX + BLOCK_BYTES + WORKSPACES_BYTES,
               "the pool holds the largest payload at any offset within a block, and workspaces");
_Static_assert(BUFFERS_BYTES_MIN <= BUFFERS_BYTES_DEFAULT, "the default is allowed");
_Static_assert(BUFFERS_BYTES_MAX % BLOCK_BYTES == 0 && CACHE_BYTES_MAX % BLOCK_BYTES == 0,
               "rounding up to whole blocks stays within the limit");
_Static_assert((RING_ENTRIES_DEFAULT & (RING_ENTRIES_DEFAULT - 1)) == 0, "rings wrap by masking");
_Static_assert((RING_ENTRIES_MAX & (RING_ENTRIES_MAX - 1)) == 0, "rings wrap by masking");
_Static_assert(SLOTS_DEFAULT <= SLOTS_MAX && COMMANDS_MAX >= SESSION_COMMANDS_MAX,
               "defaults are within their limits");
_Static_assert(EXPORT_NAME_BYTES_MAX < OPTION_BYTES_MAX && NAME_BYTES_MAX <= EXPORT_NAME_BYTES_MAX,
               "an option has room for any export's name");
_Static_assert(OPTION_BYTES_MAX <= OPTION_DISCARD_BYTES_MAX, "what is looked at may be discarded");
_Static_assert(MEMBERS_MAX <= 32, "sets of members are 32-bit masks");
_Static_assert(CHUNK_BYTES_MIN % BLOCK_BYTES == 0 && (CHUNK_BYTES_MIN & (CHUNK_BYTES_MIN - 1)) == 0,
               "a byte of a virtual volume is at the same place within its block on its member");
_Static_assert((CHUNK_BYTES_MAX & (CHUNK_BYTES_MAX - 1)) == 0 &&
                   (CHUNK_BYTES_DEFAULT & (CHUNK_BYTES_DEFAULT - 1)) == 0 &&
                   CHUNK_BYTES_MIN <= CHUNK_BYTES_DEFAULT && CHUNK_BYTES_DEFAULT <= CHUNK_BYTES_MAX,
               "the default is allowed");
_Static_assert(PARITY_COLUMN_BYTES % BLOCK_BYTES == 0, "columns are divided at whole blocks");
_Static_assert(SUPERBLOCK_BYTES == 2 * SUPERBLOCK_COPY_BYTES, "it holds two copies of itself");
_Static_assert(SUPERBLOCK_COPY_BYTES % BLOCK_BYTES == 0, "copies share no block");
_Static_assert(INTENT_SECTOR_BYTES == INTENT_SECTOR_REGIONS / 8 + 8 &&
                   INTENT_SECTOR_REGIONS % 64 == 0,
               "a sector is whole words of bits and one word more");
_Static_assert(INTENTS_BYTES_MAX % BLOCK_BYTES == 0 && BLOCK_BYTES % INTENT_SECTOR_BYTES == 0,
               "bitmaps are written in whole blocks of whole sectors");
_Static_assert(JOURNAL_HEADERS_BYTES == 2 * BLOCK_BYTES &&
                   JOURNAL_BATCH_BYTES_MAX % BLOCK_BYTES == 0 &&
                   JOURNAL_BYTES_MIN % BLOCK_BYTES == 0 && JOURNAL_BYTES_MAX % BLOCK_BYTES == 0,
               "headers and batches are whole blocks");
_Static_assert((int)JOURNAL_BATCH_BYTES_MAX >=
                   (int)MEMBERS_MAX * (int)PARITY_COLUMN_BYTES + (int)BLOCK_BYTES,
               "any slice fits a batch");
_Static_assert((int)JOURNAL_BYTES_MIN >=
                   (int)JOURNAL_HEADERS_BYTES + 3 * (int)JOURNAL_BATCH_BYTES_MAX,
               "a ring that is half full has room for another batch, also where it wraps");
_Static_assert(MIRROR_COPIES_MAX <= MEMBERS_MAX, "a mirror may have its most copies");
_Static_assert(REGION_BYTES_MIN == 1 << REGION_SHIFT_MIN &&
                   REGION_BYTES_DEFAULT == 1 << REGION_SHIFT_DEFAULT &&
                   REGION_BYTES_MAX == 1 << REGION_SHIFT_MAX,
               "one setting, in bytes and as a shift");
_Static_assert((REGIONS_MIN & (REGIONS_MIN - 1)) == 0 && (REGIONS_MAX & (REGIONS_MAX - 1)) == 0 &&
                   (REGIONS_DEFAULT & (REGIONS_DEFAULT - 1)) == 0,
               "region structures are found by masking");
_Static_assert(REGIONS_MIN / REGION_WAYS >= REGIONS_PER_RESERVATION_MAX,
               "no reservation needs two structures of one set");
_Static_assert(REGIONS_PER_RESERVATION_MAX == 129, "32 MiB and a byte in regions of 256 KiB");
_Static_assert((TRACE_EVENTS_MIN & (TRACE_EVENTS_MIN - 1)) == 0 &&
                   (TRACE_EVENTS_DEFAULT & (TRACE_EVENTS_DEFAULT - 1)) == 0 &&
                   (TRACE_EVENTS_MAX & (TRACE_EVENTS_MAX - 1)) == 0 &&
                   TRACE_EVENTS_MIN % TRACE_COMMIT_EVENTS == 0,
               "trace rings wrap by masking, and are committed in whole steps");
_Static_assert(EXTENTS_TURN_MAX <= EXTENTS_MAX, "what a turn finds fits a block status");
_Static_assert(SCRUB_BUFFER_BYTES / (MEMBERS_MAX + 2) >= BLOCK_BYTES,
               "a block of each member, P and Q fit");
_Static_assert((int)REBUILDS_MAX + (int)RESYNCS_MAX <= (int)CONTROL_REQUESTS_MAX / 2 &&
                   (int)REBUILDS_MAX + (int)RESYNCS_MAX <= (int)JOBS_MAX,
               "one controller can be asked for all of them, and run them, and be asked for more");
_Static_assert(CONTROLLERS_MAX <= 64, "sets of controllers are 64-bit masks");

#endif
