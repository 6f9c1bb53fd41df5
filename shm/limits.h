/*
 * Every limit of the array, and the relations between them.
 *
 * A limit is here because something outside (a configuration, a host, another process) could exceed
 * it; whoever checks an input names one of these in its message.
 */
#ifndef SHM_LIMITS_H
#define SHM_LIMITS_H

#include <stdint.h>

enum {
    /* --- the array --- */
    CONTROLLERS_MAX = 64,
    FABRICS = 2, /* primary, redundant */
    ELEMENTS_MAX = 4096,
    VOLUMES_MAX = 131072,
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
    CACHE_BYTES_DEFAULT = 64 << 20, /* one controller's cache */
    CACHE_BYTES_MIN = 1 << 20,

    /* --- commands --- */
    COMMANDS_MAX = 1024,        /* host commands a controller works on at once */
    PEER_COMMANDS_MAX = 1024,   /* component commands it works on for its peers */
    SESSION_COMMANDS_MAX = 256, /* of one connection; past that its socket is not read */
    SLOTS_DEFAULT = 512,        /* command slots a controller owns */
    SLOTS_MIN = 1,
    SLOTS_MAX = 4096,
    RING_ENTRIES_DEFAULT = 512, /* of one link on one fabric; a power of two */
    RING_ENTRIES_MIN = 2,
    RING_ENTRIES_MAX = 4096,

    /* --- host ports --- */
    CONNECTIONS_DEFAULT = 256, /* per controller */
    CONNECTIONS_MAX = 4096,
    HANDSHAKE_SECONDS_DEFAULT = 10,
    HANDSHAKE_SECONDS_MAX = 3600,
    EXPORT_NAME_BYTES_MAX = 4096, /* NBD: "names longer than 4096 bytes" need not be supported */
    OPTION_BYTES_MAX = 64 << 10,  /* payload of one handshake option that is looked at */
    OPTION_DISCARD_BYTES_MAX = 32 << 20,     /* a refused option of more ends the handshake */
    HANDSHAKE_OPTIONS_MAX = 4 * VOLUMES_MAX, /* `nbdinfo --list` asks 2 an export */
    EXTENTS_MAX = 1024,     /* one block status answers with at most so many extents */
    EXTENTS_TURN_MAX = 256, /* and all of one turn of a controller, but for one each */

    /* --- anyport run --- */
    COMMAND_END_SECONDS = 5, /* from SIGTERM to SIGKILL for what --run started */

    /* --- configuration --- */
    CONFIG_BYTES_MAX = 64 << 20, /* 100,000 volumes with room to spare */
    CONFIG_SCALAR_BYTES_MAX = 8192,
    CONFIG_DEPTH_MAX = 8,
};

#define ELEMENT_BYTES_MAX ((uint64_t)1 << 62)
#define CACHE_BYTES_MAX   ((uint64_t)1 << 40)

_Static_assert(BUFFERS_BYTES_MIN >= PAYLOAD_BYTES_MAX + BLOCK_BYTES,
               "the pool holds the largest payload at any offset within a block");
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
_Static_assert(EXTENTS_TURN_MAX <= EXTENTS_MAX, "what a turn finds fits a block status");
_Static_assert(CONTROLLERS_MAX <= 64, "sets of controllers are 64-bit masks");

#endif
