/*
 * The configuration controller (claims 3 and 8): makes the segment and the mapping table before any
 * port accepts, starts the controllers, notices their deaths, and ends them in order.
 *
 * It is not on the data path: while it is away, I/O goes on.
 */
#ifndef CONTROLLER_CONFIG_CONFIGURATOR_H
#define CONTROLLER_CONFIG_CONFIGURATOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "controller/config/config.h"
#include "controller/config/control_line.h"
#include "controller/config/heartbeats.h"
#include "controller/config/images.h"
#include "controller/config/element_move.h"
#include "controller/config/failback.h"
#include "controller/config/follow_traffic.h"
#include "controller/config/rebuilds.h"
#include "controller/config/resyncs.h"
#include "controller/config/scrubs.h"
#include "controller/config/seat_moves.h"
#include "controller/config/seats.h"
#include "controller/config/sockets.h"
#include "controller/config/volume_change.h"
#include "controller/controller.h"
#include "io/watch.h"
#include "io/witness.h"
#include "shm/link.h"
#include "shm/segment.h"

struct configurator;

/* What a new controller process runs; its return value is the exit status. It may use everything it
 * is given until then. */
struct controller_process {
    struct controller_start start;
    const struct array_sockets *sockets; /* only its own descriptors are still open */
    const struct config *config;
    pid_t parent; /* the configuration controller */
};
typedef int controller_main_fn(const struct controller_process *process);

struct watched_controller {
    struct watched death; /* its pidfd */
    struct configurator *configurator;
    uint32_t id;
    pid_t pid;
    bool alive;
    bool adopted;   /* it is not our child: how it ended nobody tells us (adopt.h) */
    uint32_t epoch; /* of its life: that of its seat when it was started */
    struct seat_care care;
    struct seat_moves moves;
    uint64_t began_ns;        /* its life, CLOCK_MONOTONIC */
    uint32_t deaths_in_a_row; /* each soon after its life began */
};

enum configurator_phase {
    CONFIGURATOR_STARTING,
    CONFIGURATOR_RUNNING,
    CONFIGURATOR_QUIESCING, /* hosts are being let go */
    CONFIGURATOR_FLUSHING,  /* elements are, while all controllers are there (last_flush.h) */
    CONFIGURATOR_STOPPING,  /* controllers end */
    CONFIGURATOR_STOPPED,   /* no controller is left */
};

struct configurator {
    const struct config *config; /* as it is now: volume_change.h */
    struct volume_changes volume_changes;
    struct watch *watch;
    controller_main_fn *main; /* what a controller's process runs */
    struct segment segment;
    struct array_sockets sockets;
    struct images images;      /* their descriptors, until the controllers have them */
    struct witness *witnesses; /* of the controllers' descriptions of them, by element */
    int doorbells[CONTROLLERS_MAX];
    /* Pipes that hang up when a controller's process ends (controller/deaths.h). */
    int lifelines[CONTROLLERS_MAX];     /* reading ends: every controller has all */
    int lifelines_own[CONTROLLERS_MAX]; /* writing ends: each controller has its own alone */
    struct watched notice;              /* an eventfd: a controller changed its state */
    struct watched
        clock; /* a timerfd: deadlines, and looking whether a dead one's I/O has landed */
    bool clock_runs;
    struct watched_controller controllers[CONTROLLERS_MAX];
    struct control_line lines[CONTROLLERS_MAX]; /* to them */
    struct heartbeats heartbeats;
    struct rebuilds rebuilds;
    struct scrubs scrubs;
    struct failback failback;
    struct follow_traffic follow_traffic;
    struct element_move *moves;        /* that are under way (element_move.h) */
    int control_ends[CONTROLLERS_MAX]; /* theirs, until each has its own */
    struct volume_resync *resyncs;     /* by volume */
    enum configurator_phase phase;
    uint64_t deadline_ns; /* of the phase */
    bool failed; /* the array did not start, or not end, as it should; or something is lost */
    void (*on_phase)(void *context, enum configurator_phase phase);
    void *on_phase_context;
};

/* Makes everything the array consists of but its processes. 0 or -errno with a message; on failure
 * nothing is left of it. `config` and `watch` outlive it. */
int configurator_open(struct configurator *configurator, const struct config *config,
                      struct watch *watch, struct config_error *ret_error);

/* Starts all controllers. on_phase hears RUNNING when all ports answer, and STOPPED when none is
 * left (also when they died). 0 or -errno (those that were started have been killed). */
int configurator_start(struct configurator *configurator, controller_main_fn *main,
                       struct config_error *ret_error);

/* Waits for one thing to happen and deals with it. */
void configurator_turn(struct configurator *configurator);

/* Injects a fault into one link, or takes it away; controllers act upon it once
 * configurator_publish_links has told them, of all links at once. */
void configurator_inject(struct configurator *configurator, uint32_t source, uint32_t target,
                         uint32_t fabric, struct link_fault fault);
void configurator_publish_links(struct configurator *configurator);

/* Whether a controller is alive and there to be asked: its channel is closed before its death is
 * known. */
bool configurator_can_ask(const struct configurator *configurator, uint32_t id);

/* Asks one controller something over its control channel, as control_line_ask. */
int configurator_ask(struct configurator *configurator, uint32_t id,
                     const struct control_message *message, int pass_fd, control_answered *answered,
                     void *context);

/* Asks all controllers that are alive the same. `answered` is called once, when all have answered,
 * with the first error by their order; those that died meanwhile do not count. 0, or -errno: it is
 * not called, though some may have been asked. */
int configurator_ask_all(struct configurator *configurator, const struct control_message *message,
                         control_answered *answered, void *context);

/* Begins the orderly end. A second call does not hurt. */
void configurator_stop(struct configurator *configurator);

/* Takes everything away; no controller may be left. */
void configurator_close(struct configurator *configurator);

#endif
