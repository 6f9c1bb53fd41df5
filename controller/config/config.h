/*
 * The configuration: YAML in, a checked structure out. Nothing is created, opened for writing or
 * bound here; images are looked at (stat) only by the configuration controller.
 */
#ifndef CONTROLLER_CONFIG_CONFIG_H
#define CONTROLLER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/layout/layout.h"
#include "shm/cache_mode.h"
#include "shm/coordination_policy.h"
#include "shm/interconnect_settings.h"
#include "shm/trace.h"

enum config_placement {
    PLACEMENT_AUTO,   /* spread over NUMA nodes when the machine has more than one */
    PLACEMENT_NONE,   /* leave it to the scheduler */
    PLACEMENT_SPREAD, /* controller I on processor I modulo processors, memory on its node */
};

/* Whether a seat gets a new life by itself. */
enum config_restart {
    RESTART_NEVER,    /* only by anyport controller start */
    RESTART_ON_DEATH, /* when its controller has died */
};

struct config_coordination {
    enum coordination_policy policy;
    uint32_t region_bytes; /* a power of two */
};

struct config_trace {
    enum trace_level level;
    uint32_t events; /* kept of each controller; a power of two, or 0 */
};

struct config_cache {
    uint64_t size_bytes;
    enum cache_mode mode;
    enum cache_policy_kind policy;
    bool in_memory; /* elements whose images live in memory are cached too */
};

/* Whether an image has a superblock. */
enum config_superblock {
    SUPERBLOCK_UNSAID, /* one that carries a member of a redundant volume, or has checksums */
    SUPERBLOCK_YES,
    SUPERBLOCK_NO,
};

struct config_element {
    char *name;
    char *image;         /* absolute, or resolved against the configuration file's folder */
    uint64_t size_bytes; /* 0: not said, the image's own */
    uint32_t controller;
    bool read_only;
    enum config_superblock superblock;
    bool checksums;
    bool missing_ok;           /* the array may start without its image */
    uint32_t redundant_volume; /* one that has a member on it, or CONFIG_NONE */
    unsigned
        line; /* in the configuration file, for later messages (an image that cannot be opened) */
};

enum { CONFIG_NONE = UINT32_MAX }; /* an index of nothing */

/* A plain volume, a range of an element; or, where `layout` says so, a virtual one, made of plain
 * ones. */
struct config_volume {
    char *name;
    char *description;     /* NULL: none */
    uint32_t element;      /* index into elements; virtual: CONFIG_NONE */
    uint64_t offset_bytes; /* a multiple of BLOCK_BYTES */
    uint64_t size_bytes; /* 0: not said, up to the element's end; virtual: 0, what the layout makes
                            of its members */
    enum layout_kind layout; /* LAYOUT_NONE: a plain volume */
    uint32_t chunk_bytes;    /* 0 where the layout has none */
    uint32_t copies;         /* of each byte, as the layout counts them */
    uint32_t *members;       /* indices into volumes, in the layout's order; NULL: a plain volume */
    uint32_t members_count;
    uint32_t member_of; /* the virtual volume that it is a member of, or CONFIG_NONE */
    bool read_only;
    bool export;      /* default true, of a member false */
    bool export_said; /* it is not the default */
    bool rotational;  /* default false */
    unsigned line;
};

/* When elements that were taken over go back to the controller that the configuration names. */
enum config_failback {
    FAILBACK_AUTO,   /* when it runs again */
    FAILBACK_MANUAL, /* by anyport element move */
};

struct config {
    char *path;   /* as given */
    char *folder; /* what relative paths are relative to */
    char *array;
    char *run_dir; /* resolved like an image; default: ARRAY.run */
    uint32_t controllers;
    struct config_cache cache;
    struct config_element *elements;
    uint32_t elements_count;
    struct config_volume *volumes;
    uint32_t volumes_count;
    char *tcp_host;    /* NULL: no TCP. Without brackets where IPv6 was written in them. */
    uint16_t tcp_port; /* the front; controller I listens on tcp_port + 1 + I. 0: the system chooses
                          each */
    uint64_t buffers_bytes; /* buffer pool of each controller */
    uint32_t connections;   /* per controller */
    uint32_t handshake_seconds;
    enum config_placement placement;
    uint32_t
        heartbeat_seconds; /* a controller that does nothing for so long is stuck; 0: none is */
    uint32_t follow_traffic_seconds; /* in which most commands come by another controller: an
                                        element moves there; 0: it stays */
    enum config_restart restart;
    struct interconnect_settings interconnect;
    uint32_t slots;        /* interconnect: slots */
    uint32_t ring_entries; /* interconnect: ring-entries */
    struct config_coordination coordination;
    struct config_trace trace;
    uint64_t rebuild_rate_bytes; /* of a job, in a second; 0: any; JOB_RATE_YIELDING: not said */
    char *journal;          /* resolved like an image; NULL: none. Controller I's is journal.I */
    uint64_t journal_bytes; /* of each controller's */
    unsigned journal_line;  /* in the configuration file */
    uint64_t intents_clear_ns;   /* intents: clear-after; 0: at an orderly end only */
    bool takeover;               /* takeover: enabled */
    enum config_failback failback;
    bool accept_losses; /* not of the file: whoever starts the array says so (losses.h) */
};

/* Where and what is wrong: "FILE:LINE: FIELD: what; allowed: ...". One line, no newline. */
struct config_error {
    char text[1024];
};

/* Reads and checks `path`. 0, or -EINVAL (the configuration is wrong), -EIO and others (the file
 * cannot be read), -ENOMEM; *ret_error says it in words whenever the result is not 0. The caller
 * frees with config_free. */
int config_load(const char *path, struct config **ret_config, struct config_error *ret_error);

/* The same from memory; `path` is only named in messages and resolves relative paths. */
int config_parse(const char *path, const char *text, size_t text_bytes, struct config **ret_config,
                 struct config_error *ret_error);

void config_free(struct config *config); /* NULL is allowed */

/* "64KiB", "1GiB", "10GB", "4096" -> bytes; KiB MiB GiB TiB PiB are powers of 1024, KB MB GB TB PB
 * (and K M G T P, as powers of 1024, like qemu-img) as usual. 0 or -EINVAL (not a size) or -ERANGE
 * (2^62 or more). */
int config_parse_size(const char *text, uint64_t *ret_bytes);

/* "250ns", "5us", "1ms", "2s" -> ns. 0 or -EINVAL (not a time) or -ERANGE (over 64 bits). */
int config_parse_time(const char *text, uint64_t *ret_ns);

const char *config_cache_mode_name(enum cache_mode mode);
const char *config_cache_policy_name(enum cache_policy_kind policy);
const char *config_placement_name(enum config_placement placement);
const char *config_restart_name(enum config_restart restart);

#endif
