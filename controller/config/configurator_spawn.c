/*
 * Making controllers' processes: each is forked from the configuration controller and keeps what
 * is its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/journals.h"
#include "controller/config/placement.h"
#include "controller/config/refusal.h"
#include "controller/config/saved.h"
#include "io/inherit.h"
#include "shm/crash_point.h"

enum { OTHER_DESCRIPTORS = 16 };

struct descriptors {
    int *all;
    size_t count;
};

static void add(struct descriptors *descriptors, int fd)
{
    descriptors->all[descriptors->count++] = fd;
}

static void add_sockets(struct descriptors *descriptors, const struct array_sockets *sockets,
                        uint32_t id)
{
    add(descriptors, sockets->run_dir_fd);
    add(descriptors, sockets->front.fd);
    add(descriptors, sockets->front_tcp.fd);
    add(descriptors, sockets->own[id].fd);
    add(descriptors, sockets->own_tcp[id].fd);
    add(descriptors, sockets->handover[id].fd);
}

static void list_handover(const struct configurator *configurator, uint32_t id,
                          int ret_single[HANDOVER_SINGLE])
{
    const struct array_sockets *sockets = &configurator->sockets;

    ret_single[HANDOVER_SEGMENT] = configurator->segment.fd;
    ret_single[HANDOVER_NOTICE] = configurator->notice.fd;
    ret_single[HANDOVER_RUN_DIR] = sockets->run_dir_fd;
    ret_single[HANDOVER_FRONT] = sockets->front.fd;
    ret_single[HANDOVER_FRONT_TCP] = sockets->front_tcp.fd;
    ret_single[HANDOVER_OWN] = sockets->own[id].fd;
    ret_single[HANDOVER_OWN_TCP] = sockets->own_tcp[id].fd;
    ret_single[HANDOVER_LISTENING] = sockets->handover[id].fd;
}

/* All that a controller has of what was opened for it. Whatever else the configuration controller
 * has open by now is not named here: clients of the admin socket, pidfds, the control
 * lines and lifelines of others, with which those would seem to live as long as this one. */
static int keep_own(struct configurator *configurator, uint32_t id)
{
    const struct images *images = &configurator->images;
    struct descriptors own = {
        .all =
            calloc(OTHER_DESCRIPTORS + 2 * CONTROLLERS_MAX + 2 * images->count, sizeof *own.all)};

    if (own.all == NULL)
        return -ENOMEM;
    add(&own, configurator->segment.fd);
    add(&own, configurator->notice.fd);
    add(&own, configurator->control_ends[id]);
    add(&own, configurator->lifelines_own[id]);
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        add(&own, configurator->doorbells[i]);
        add(&own, configurator->lifelines[i]);
    }
    for (uint32_t i = 0; i < images->count; i++) {
        add(&own, images->elements[i].fd);
        add(&own, configurator->witnesses[i].fd);
    }
    const struct element *journal = journals_file(images, id);
    if (journal != NULL)
        add(&own, journal->fd);
    add_sockets(&own, &configurator->sockets, id);
    int error = inherit_only(own.all, own.count);
    free(own.all);
    return error;
}

/* In the new process: keep what is its own, give up the rest. */
static void become_controller(struct configurator *configurator, uint32_t id, pid_t parent)
{
    const struct config *config = configurator->config;
    int handover[HANDOVER_SINGLE];
    struct controller_process process = {
        .start = {.id = id,
                  .segment = configurator->segment,
                  .elements = configurator->images.elements,
                  .superblocks = configurator->images.superblocks,
                  .doorbells = configurator->doorbells,
                  .notice_fd = configurator->notice.fd,
                  .lifelines = configurator->lifelines,
                  .images = configurator->witnesses,
                  .journal = journals_file(&configurator->images, id),
                  .handover = handover,
                  .control = &configurator->control_ends[id]},
        .sockets = &configurator->sockets,
        .config = config,
        .parent = parent,
    };
    char name[24];

    /* relaxed: by its lifeline it lives already; whoever takes our place finds it by this */
    store_relaxed(&configurator_seat(configurator, id)->pid, (uint32_t)getpid());
    CRASH_POINT("spawn.child");
    snprintf(name, sizeof name, "anyport-c%u", id);
    (void)prctl(PR_SET_NAME, name);
    watch_done(configurator->watch);
    sockets_keep_only(&configurator->sockets, id);
    for (uint32_t i = 0; i < config->elements_count; i++) {
        if (config->elements[i].controller != id)
            element_close(&configurator->images.elements[i]);
    }
    list_handover(configurator, id, handover);
    if (keep_own(configurator, id) != 0)
        exit(1);
    CRASH_POINT("spawn.own");
    placement_apply(config->placement, &configurator->segment, id);
    int status = configurator->main(&process);
    configurator->clock.fd = -1;
    configurator->sockets.made_run_dir = false;
    images_free(
        &configurator->images); /* their descriptors were the controller's, and are closed */
    free(configurator->witnesses);
    resyncs_done(configurator);
    failback_done(configurator);
    configurator->follow_traffic.watched.fd = -1;
    follow_traffic_end(configurator);
    rebuilds_done(configurator);
    scrubs_done(configurator);
    segment_done(&configurator->segment);
    fflush(NULL);
    exit(status);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void configurator_begin_life(struct configurator *configurator, uint32_t id, uint32_t epoch)
{
    configurator->controllers[id].epoch = epoch;
    configurator->controllers[id].began_ns = watch_now_ns();
    seat_begin_life(configurator_seat(configurator, id), epoch, now_ns());
}

/* Nobody would hear of its end. It has done nothing yet that others have seen. */
static void end_unwatched(struct watched_controller *controller)
{
    close_if_open(&controller->death.fd);
    (void)kill(controller->pid, SIGKILL);
    (void)waitpid(controller->pid, NULL, 0);
    controller->alive = false;
}

int configurator_spawn(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = configurator_seat(configurator, id);

    fflush(NULL);
    pid_t self = getpid(); /* in the child, getppid may already be another's */
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_controller(configurator, id, self);
    CRASH_POINT("spawn.forked");
    close_if_open(&configurator->lifelines_own[id]);
    close_if_open(&configurator->control_ends[id]);
    store_relaxed(&seat->pid, (uint32_t)pid); /* relaxed: the same as it says itself */
    controller->configurator = configurator;
    controller->id = id;
    controller->pid = pid;
    controller->alive = true;
    controller->adopted = false;
    controller->death = (struct watched){.ready = configurator_controller_died,
                                         .fd = (int)syscall(SYS_pidfd_open, pid, 0)};
    int error = controller->death.fd < 0 ? -errno : 0;
    if (error == 0)
        error = watch_add(configurator->watch, &controller->death, EPOLLIN);
    if (error != 0)
        end_unwatched(controller);
    return error;
}

static void give_up_starting(struct configurator *configurator)
{
    configurator_kill_all(configurator);
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        struct watched_controller *controller = &configurator->controllers[i];
        if (!controller->alive)
            continue;
        (void)waitpid(controller->pid, NULL, 0);
        controller->alive = false;
        if (controller->death.fd >= 0)
            close(controller->death.fd);
    }
}

void configurator_open_witnesses(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++) {
        const struct element *element = &configurator->images.elements[i];
        if (element->fd < 0)
            continue;
        witness_close(&configurator->witnesses[i]);
        int error = witness_open(&configurator->witnesses[i], element->fd, element->mark_byte);
        if (error != 0)
            fprintf(stderr, "anyport: element %s: cannot open it once more: %s\n",
                    configurator->config->elements[i].name, strerror(-error));
    }
}

void configurator_hand_over_elements(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++)
        element_close(&configurator->images.elements[i]);
    journals_close(configurator->images.journals);
}

int configurator_start(struct configurator *configurator, controller_main_fn *main,
                       struct config_error *ret_error)
{
    const struct config *config = configurator->config;

    configurator->main = main;
    configurator_enter_phase(configurator, CONFIGURATOR_STARTING, START_SECONDS);
    configurator_open_witnesses(configurator);
    saved_write(configurator); /* before there is anybody who may have to be adopted */
    CRASH_POINT("start.saved");
    for (uint32_t i = 0; i < config->controllers; i++)
        configurator_begin_life(configurator, i, SEAT_EPOCH_FIRST);
    CRASH_POINT("start.begun");
    for (uint32_t i = 0; i < config->controllers; i++) {
        int error = configurator_spawn(configurator, i);
        CRASH_POINT("start.spawned");
        if (error == 0)
            continue;
        give_up_starting(configurator);
        return refuse_array(config, ret_error, error, "cannot start controller %u: %s", i,
                            strerror(-error));
    }
    CRASH_POINT("start.spawned_all");
    configurator_hand_over_elements(configurator);
    CRASH_POINT("start.handed_over");
    return 0;
}
