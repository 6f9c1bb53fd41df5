/*
 * A controller: one process, one loop, its own elements, its own buffers; its peers over rings.
 *
 * There are no globals: everything is reached from struct controller, so that several can run in
 * one process.
 *
 * A turn of the loop (controller_run):
 *      1. submit what was started, wait if there is nothing to do, fire what completed (io/loop.h)
 *      2. take what peers sent (path/peer.h)
 *      3. let the host ports gather replies (on_turn)
 *      4. publish what goes to peers, ring the doorbells of those that sleep
 */
#ifndef CONTROLLER_CONTROLLER_H
#define CONTROLLER_CONTROLLER_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/control.h"
#include "controller/control_volume.h"
#include "controller/handover.h"
#include "controller/idle.h"
#include "controller/integrity/integrity.h"
#include "controller/journal/journal.h"
#include "controller/last_flush.h"
#include "controller/path/command.h"
#include "controller/path/coordinate.h"
#include "controller/path/gate.h"
#include "controller/path/mark.h"
#include "controller/path/peer.h"
#include "controller/recovery/clearing.h"
#include "controller/recovery/errand.h"
#include "controller/recovery/fence.h"
#include "controller/recovery/job.h"
#include "controller/recovery/read_repair.h"
#include "controller/recovery/redo.h"
#include "controller/recovery/settle.h"
#include "controller/recovery/takeover.h"
#include "controller/tracing.h"
#include "io/element.h"
#include "io/loop.h"
#include "shm/interconnect.h"
#include "shm/mapping.h"
#include "shm/pool.h"
#include "shm/seat.h"
#include "shm/segment.h"

/* An element in its owner's hands. */
struct owned_element {
    struct element file;
    struct element_record *record;
    struct gate gate;  /* order of writes, and of all that goes below a cache */
    bool cached;       /* whether there is one (cache/cache.h) */
    struct mark *mark; /* its superblock; NULL: it has none, or is not ours */
    struct superblock_of_image *superblock; /* of an image that came later: ours to free */
    struct integrity *integrity; /* write intents and checksums; NULL: neither is needed */
    uint32_t busy;               /* commands between the beginning and end of EXECUTE */
    uint32_t writes[2]; /* those of them that change data: begun since the intents aged last, which
                           is [writes_age], and before */
    uint8_t writes_age;
    struct command_queue intent_waiters; /* for the bitmap of intents that is being written */
    uint64_t size_checked_turn; /* the image's length is looked at once a turn that writes */
};

/* Whether a host has a volume. */
enum host_use {
    HOST_USES_NOT,
    HOST_LEAVES, /* its connection is ending */
    HOST_USES,
};

/* What the floor above (the host ports) wants to be told, or is asked. */
struct controller_hooks {
    void *context;
    void (*on_turn)(void *context);    /* once a turn, before it is submitted */
    void (*on_quiesce)(void *context); /* no new commands from hosts; finish, then close */
    bool (*is_quiet)(void *context);   /* whether all of its hosts are gone */
    enum host_use (*uses_volume)(void *context, uint32_t volume);
};

enum {
    STOP_SECONDS_MAX = 5, /* for hosts to go, where nobody waits for the controller to stop */
};

enum { SCRATCH_BLOCKS = 64 }; /* partial blocks being changed at once, per controller */

struct controller {
    uint32_t id;
    uint16_t epoch;
    struct segment segment;
    struct seat *seat;
    struct controller_counters *counters; /* in the seat */
    struct loop *loop;
    struct controller_hooks hooks;

    /* storage port */
    struct owned_element
        *elements; /* `elements_count` of them, by element index; file.fd -1: not ours */
    uint32_t elements_count;
    int buffer_index[CONTROLLERS_MAX]; /* registered buffer of each pool, or LOOP_NO_BUFFER */
    uint8_t *zeroes;                   /* ELEMENT_ZERO_BYTES of them */
    uint8_t *scratch;                  /* SCRATCH_BLOCKS of BLOCK_BYTES */
    uint8_t *scratch_free[SCRATCH_BLOCKS];
    uint32_t scratch_free_count;
    struct command_queue scratch_waiters;
    uint32_t element_io_in_flight; /* commands whose element I/O ends later */
    uint32_t extents_this_turn;    /* found in `extents_turn`, which is bounded */
    uint64_t extents_turn;
    uint32_t executing; /* commands between the beginning and the end of EXECUTE */

    struct virtual_volume **virtuals; /* by volume; NULL: a plain one */

    /* commands and buffers */
    struct pool *pool;
    uint64_t pool_offset_bytes; /* of the pool in the segment */
    struct command *commands;   /* COMMANDS_MAX, PEER_COMMANDS_MAX, COMPONENTS_MAX, redo's, and the
                                   journal's own: so many */
    uint32_t commands_count;
    struct command *free_commands;
    struct command *free_peer_commands;
    struct command *free_components;
    struct command_queue component_waiters;
    bool waking_component_waiters;
    struct split *splits;  /* one for each host command, and for each that redoes */
    uint64_t splits_begun; /* commands on virtual volumes, ever */

    struct coordinate coordinate;
    struct cache *cache; /* NULL: off, or no element is to be cached */

    /* memory to compute parity in: a part of the buffers, taken at start */
    struct pool *workspaces;          /* NULL: no volume has parity */
    uint64_t workspaces_offset_bytes; /* in the segment */
    struct command_queue workspace_waiters;
    bool waking_workspace_waiters;
    uint32_t free_peer_commands_count;
    struct command_waiter waiters; /* head of a ring, FIFO */
    bool waking_waiters;

    /* interconnect ports */
    struct slot_table slots;
    struct command **slot_commands; /* by slot index; NULL: free */
    struct command_queue slot_waiters;
    uint64_t sequence; /* host commands, numbered as they came: for the trace */
    struct peers peers;
    struct watched_life *lives; /* of the other controllers; NULL: not watched (deaths.h) */
    struct interconnect_settings interconnect; /* a copy of the segment's */
    struct command_queue way_waiters;          /* for a way to their targets */
    struct command_queue owner_waiters;        /* for their element to be owned (path/owner.h) */
    struct timer sweep_timer;
    uint64_t sweep_ns;      /* until the next sweep, as losses of late suggest */
    struct timer due_timer; /* for what leaves by a link later; the turn sends it */

    struct handover handover;
    struct control control; /* what the configuration controller asks */
    struct errands errands;
    struct settle settle;
    struct takeover takeover;
    struct fences fences;
    struct jobs jobs;
    struct read_repairs read_repairs;
    struct clearing clearing;
    struct last_flush last_flush;
    struct redo redo;
    struct journal *journal;          /* NULL: the array has none */
    struct command *journal_commands; /* its own: all those of hosts may wait for it */
    struct control_volumes control_volumes;

    /* the loop */
    struct completion doorbell;
    int doorbell_fd;
    int notice_fd;
    uint64_t turn;
    uint32_t membership_seen;
    uint64_t arrivals; /* commands and ring entries that have come, ever */
    uint64_t receives; /* that brought something from a host, ever; counted by the host ports */
    struct idle idle;
    struct tracing tracing;
    bool quiescing;
    struct timer stop_timer; /* armed: to stop when all hosts are gone, or when it fires */
    bool finished;
};

/* What a controller process is given. Descriptors and memory are inherited; the controller owns the
 * elements' descriptors from then on. */
struct controller_start {
    uint32_t id;
    struct segment segment;
    struct element *elements;      /* by element index; fd -1: not this controller's */
    const int *doorbells;          /* eventfds by seat */
    int notice_fd;                 /* an eventfd: rung when the seat's state changed */
    const int *lifelines;          /* the others', by seat (deaths.h); NULL: none */
    const int *handover;           /* by enum handover_what, those below SINGLE; NULL: none */
    const int *control;            /* our end of the control channel; NULL: none */
    const struct witness *images;  /* of every element (takeover.h); NULL: none */
    const struct element *journal; /* this controller's journal, open; NULL or fd -1: none */
    /* By element index; NULL: it has none. They outlive the controller. All NULL: none has one. */
    struct superblock_of_image **superblocks;
};

/* Makes a controller on a loop of its own. On failure *ret_what says at what, and nothing is left.
 */
int controller_new(struct controller **ret_controller, const struct controller_start *start,
                   const char **ret_what);

/* Declares the seat RUNNING and turns until the controller was asked to stop, its hosts are gone
 * and its elements are flushed. 0, or -EIO when a flush failed. */
int controller_run(struct controller *controller);

/* Asks for an orderly stop without the configuration controller (it is gone and a signal came). */
void controller_stop(struct controller *controller);

/* NULL is allowed. */
void controller_free(struct controller *controller);

/* An element whose image has a superblock gets its first member: intents are kept from now on, from
 * what its tail says. One whose intents are kept already is allowed. 0 or -errno. */
int controller_keep_intents(struct owned_element *element);

/* Marks an element as failed: its commands end with EIO from now on, and the members on it are
 * marked as failed durably, soon (recovery/settle.h). Says why on stderr, once. */
void controller_fail_element(struct controller *controller, uint32_t element, const char *why);

/* The same where something that was acknowledged has not become durable on it, and never will. */
void controller_lose_writes(struct controller *controller, uint32_t element, const char *why);

/* What commands hold of the pool; of the part that was set apart for workspaces, those in use. */
uint64_t controller_buffers_bytes(const struct controller *controller);

/* Whether the element's image is as long as it was; looked at once a turn. -EIO: it is not, and the
 * element has failed. */
int controller_check_length(struct controller *controller, uint32_t element);

/* Reads what an element of ours, whose mark is there, keeps beside its data on the image `file`, if
 * anything is needed of it. 0 or -errno. */
int controller_open_integrity(struct owned_element *element, const struct element *file);

/* Whether the element is ours to execute commands of: not one that we let go, or take. */
static inline bool controller_owns(const struct controller *controller, uint32_t element)
{
    return owner_is(owner_load(&controller->elements[element].record->owner), controller->id,
                    controller->epoch);
}

/* Whether another controller runs that was not asked to end: the array does not, if we do. */
bool controller_others_stay(const struct controller *controller);

/* Whether survivors take what a dead controller owned: until they stop themselves. While the array
 * ends too, for what the dead one had cached and not written was acknowledged. */
static inline bool takeover_is_on(const struct controller *controller)
{
    return segment_header(&controller->segment)->takeover != 0 && !controller->finished;
}

/* The command, which is in its element's gate, leaves it: those go on that it held up. */
void execute_let_go_on(struct controller *controller, struct command *command);

/* The answer of a peer's command is published: those go on that it held up (path/gate.h). */
void execute_answered(struct controller *controller, struct command *command);

/* Whether any session waits in line for a command or a buffer. */
static inline bool controller_has_waiters(const struct controller *controller)
{
    return controller->waiters.next != &controller->waiters;
}

/* Whether anything has come that the next turn would deal with; loads only. */
bool controller_has_work(const struct controller *controller);

/* The registered buffer that holds this place of the segment, or LOOP_NO_BUFFER. */
int controller_buffer_index(const struct controller *controller, uint64_t offset_bytes);

#endif
