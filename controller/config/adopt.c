#include "controller/config/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/refusal.h"
#include "controller/config/saved.h"
#include "controller/config/seats_parts.h"
#include "io/channel.h"

enum { PATIENCE_MS = 5000 }; /* for a controller to accept and to answer */

/* --- asking one controller, before anything else is under way --- */

static int wait_for(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    int ready = poll(&one, 1, PATIENCE_MS);

    return ready > 0 ? 0 : ready == 0 ? -ETIMEDOUT : -errno;
}

/* Its descriptor, which is ours; or -errno. */
static int get(int channel, enum handover_what what, uint32_t number)
{
    const struct control_message message = {
        .number = 1, .kind = CONTROL_GIVE, .arguments = {(uint64_t)what, number}};
    struct control_answer answer;
    int fd = -1;
    int error = channel_send(channel, &message, sizeof message, -1);

    if (error == 0)
        error = wait_for(channel);
    if (error == 0)
        error = channel_receive(channel, &answer, sizeof answer, &fd);
    if (error == 0 && answer.status != 0)
        error = answer.status;
    if (error == 0 && fd < 0)
        error = -EPROTO;
    if (error != 0 && fd >= 0)
        close(fd);
    return error != 0 ? error : fd;
}

/* One that there need not be. */
static int get_if_any(int channel, enum handover_what what, uint32_t number)
{
    int fd = get(channel, what, number);

    return fd < 0 ? -1 : fd;
}

/* --- what all have --- */

static int adopt_segment(struct configurator *configurator, int channel)
{
    int fd = get(channel, HANDOVER_SEGMENT, 0);
    int error = fd < 0 ? fd : segment_attach(&configurator->segment, fd);
    const struct config *config = configurator->config;

    if (error != 0)
        return error;
    if (configurator->segment.geometry.controllers != config->controllers ||
        configurator->segment.geometry.elements != config->elements_count ||
        strcmp(segment_header(&configurator->segment)->array, config->array) != 0)
        return -EPROTO;
    segment_header(&configurator->segment)->pid = (uint32_t)getpid();
    return 0;
}

static int adopt_shared(struct configurator *configurator, int channel)
{
    struct array_sockets *sockets = &configurator->sockets;
    int run_dir = get(channel, HANDOVER_RUN_DIR, 0);

    if (run_dir < 0)
        return run_dir;
    close(sockets->run_dir_fd); /* this one has the lock */
    sockets->run_dir_fd = run_dir;
    sockets->front.fd = get(channel, HANDOVER_FRONT, 0);
    sockets->front_tcp.fd = get_if_any(channel, HANDOVER_FRONT_TCP, 0);
    sockets->front_tcp.port = sockets_port(sockets->front_tcp.fd);
    configurator->notice.fd = get(channel, HANDOVER_NOTICE, 0);
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        configurator->doorbells[id] = get(channel, HANDOVER_DOORBELL, id);
        configurator->lifelines[id] = get(channel, HANDOVER_LIFELINE, id);
        if (configurator->doorbells[id] < 0 || configurator->lifelines[id] < 0)
            return -EPROTO;
    }
    return sockets->front.fd < 0 || configurator->notice.fd < 0 ? -EPROTO : 0;
}

/* --- images --- */

/* The image that an element has now is the one that the description is of. */
static int adopt_image(struct configurator *configurator, int channel, uint32_t index)
{
    struct images *images = &configurator->images;
    const struct element_record *record = segment_element(&configurator->segment, index);
    int fd = get_if_any(channel, HANDOVER_IMAGE, index);

    configurator->witnesses[index].fd = fd;
    /* relaxed: its owner wrote it long ago, or writes the same */
    images->absent[index] = images->missing[index] =
        fd < 0 && load_relaxed(&record->state) != ELEMENT_ONLINE;
    if (fd < 0 || (load_relaxed(&record->flags) & ELEMENT_SUPERBLOCK) == 0) /* relaxed: as above */
        return 0;
    struct element element = {.fd = fd,
                              .file = -1,
                              .mode = ELEMENT_MODE_BUFFERED,
                              .read_only = true,
                              .image_bytes = (uint64_t)lseek(fd, 0, SEEK_END)};
    images->superblocks[index] = malloc(sizeof *images->superblocks[index]);
    return images->superblocks[index] == NULL
               ? -ENOMEM
               : superblock_read(&element, images->superblocks[index]);
}

static int adopt_images(struct configurator *configurator, int channel)
{
    int error = images_make_lists(configurator->config, &configurator->images);

    if (error == 0)
        error = configurator_make_witnesses(configurator);
    for (uint32_t i = 0; i < configurator->config->elements_count && error == 0; i++)
        error = adopt_image(configurator, channel, i);
    return error;
}

/* --- seats --- */

static bool has_hung_up(int lifeline)
{
    struct pollfd one = {.fd = lifeline, .events = POLLIN};

    return poll(&one, 1, 0) != 0;
}

/* Without a process behind it a life is over, whether somebody has said so or not. */
static void adopt_dead(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = configurator_seat(configurator, id);

    controller->configurator = configurator;
    controller->id = id;
    controller->epoch = seat_life(seat);
    controller->death.fd = -1;
    configurator->failback.lives[id] = seat_epoch(seat); /* in another one its elements go back */
    if (!seat_is_gone(seat_state(seat)) && seat_state(seat) != SEAT_EMPTY)
        configurator_declare_dead(configurator, id);
    else
        sockets_close_controller(&configurator->sockets, id);
}

static int watch_process(struct configurator *configurator, uint32_t id)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = configurator_seat(configurator, id);

    controller->pid = (pid_t)load_relaxed(&seat->pid); /* relaxed: written when it was started */
    controller->epoch = seat_life(seat);
    controller->death = (struct watched){.ready = configurator_controller_died,
                                         .fd = (int)syscall(SYS_pidfd_open, controller->pid, 0)};
    if (controller->death.fd < 0)
        return -errno;
    if (has_hung_up(configurator->lifelines[id])) {
        close_if_open(&controller->death.fd);
        return -EPIPE;
    }
    controller->configurator = configurator;
    controller->id = id;
    controller->alive = controller->adopted = true;
    controller->began_ns = watch_now_ns();
    return watch_add(configurator->watch, &controller->death, EPOLLIN);
}

/* It lives and does not answer: it is stopped, or loops. It dies like any other, and what it has is
 * taken over then. */
static void adopt_stuck(struct configurator *configurator, uint32_t id)
{
    fprintf(stderr,
            "anyport: controller %u (process %d) does not answer who takes the place of the "
            "configuration controller; it is killed\n",
            id, (int)configurator->controllers[id].pid);
    (void)seat_send_kill(configurator, id);
}

/* Without a channel: nobody listens there, or nobody answers. */
static void adopt_silent(struct configurator *configurator, uint32_t id)
{
    enum seat_state state = seat_state(configurator_seat(configurator, id));

    if (seat_is_gone(state) || state == SEAT_EMPTY || watch_process(configurator, id) != 0)
        adopt_dead(configurator, id);
    else
        adopt_stuck(configurator, id);
}

/* The channel becomes its control line, or is closed. */
static void adopt_controller(struct configurator *configurator, uint32_t id, int channel)
{
    struct array_sockets *sockets = &configurator->sockets;
    int error = watch_process(configurator, id);

    if (error != 0) {
        close(channel);
        adopt_dead(configurator, id);
        return;
    }
    sockets->own[id].fd = get_if_any(channel, HANDOVER_OWN, 0);
    sockets->own_tcp[id].fd = get_if_any(channel, HANDOVER_OWN_TCP, 0);
    sockets->handover[id].fd = get_if_any(channel, HANDOVER_LISTENING, 0);
    (void)control_line_take(&configurator->lines[id], configurator->watch, channel);
}

/* --- all --- */

/* The kernel accepts for one that is stuck. */
static bool answers(int channel)
{
    int fd = get(channel, HANDOVER_NOTICE, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The first that answers, or -1. */
static int connect_all(const struct configurator *configurator, int channels[CONTROLLERS_MAX])
{
    int first = -1;

    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        channels[id] = sockets_connect_handover(&configurator->sockets, id);
        if (channels[id] >= 0 && !answers(channels[id]))
            close_if_open(&channels[id]);
        if (channels[id] >= 0 && first < 0)
            first = (int)id;
    }
    return first;
}

/* What is common comes from the first that answers. */
static int adopt_common(struct configurator *configurator, int channel)
{
    int error = adopt_segment(configurator, channel);

    if (error == 0)
        error = adopt_shared(configurator, channel);
    if (error == 0)
        error = adopt_images(configurator, channel);
    if (error == 0)
        error = resyncs_init(configurator);
    if (error == 0)
        error = failback_init(configurator);
    if (error == 0)
        error = rebuilds_init(configurator);
    if (error == 0)
        error = scrubs_init(configurator);
    return error;
}

/* One that was on its way to an orderly end goes on there. */
static void go_on(struct configurator *configurator)
{
    bool ends = false;

    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        const struct seat *seat = configurator_seat(configurator, id);
        /* relaxed: who wrote it is gone */
        ends = ends || (configurator->controllers[id].alive &&
                        load_relaxed(&seat->request) != SEAT_REQUEST_NONE);
    }
    configurator_begin_to_run(configurator);
    configurator_publish_membership(configurator);
    if (ends)
        configurator_stop(configurator);
}

static int adopt_all(struct configurator *configurator, int channels[CONTROLLERS_MAX], int first,
                     struct config_error *ret_error)
{
    int error = adopt_common(configurator, channels[first]);

    if (error == 0)
        error = configurator_watch_own(configurator);
    if (error != 0)
        return refuse_array(configurator->config, ret_error, error,
                            "controller %d does not hand over what it has: %s", first,
                            strerror(-error));
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (channels[id] >= 0)
            adopt_controller(configurator, id, channels[id]);
        else
            adopt_silent(configurator, id);
        channels[id] = -1;
    }
    return 0;
}

int configurator_adopt(struct configurator *configurator, const struct config *config,
                       struct watch *watch, controller_main_fn *main,
                       struct config_error *ret_error)
{
    int channels[CONTROLLERS_MAX];

    configurator_clear(configurator, config, watch);
    configurator->main = main;
    int error = sockets_adopt(config, &configurator->sockets, ret_error);
    if (error != 0)
        return error;
    int first = connect_all(configurator, channels);
    if (first < 0)
        error = refuse_array(config, ret_error, -ENOENT,
                             "no controller is left in %s; allowed: anyport run without --adopt",
                             configurator->sockets.run_dir);
    else
        error = adopt_all(configurator, channels, first, ret_error);
    if (error != 0) {
        for (uint32_t id = 0; id < config->controllers; id++)
            close_if_open(&channels[id]);
        sockets_leave(&configurator->sockets);
        configurator_close(configurator);
        return error;
    }
    go_on(configurator);
    return 0;
}
