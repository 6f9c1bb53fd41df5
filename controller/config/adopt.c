#include "controller/config/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller/config/adopt_parts.h"
#include "controller/config/refusal.h"
#include "controller/config/saved.h"
#include "controller/config/seats_parts.h"
#include "io/channel.h"
#include "shm/crash_point.h"

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

int adopt_get_if_any(int channel, enum handover_what what, uint32_t number)
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
    CRASH_POINT("lead.segment");
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
    sockets->front_tcp.fd = adopt_get_if_any(channel, HANDOVER_FRONT_TCP, 0);
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
    int fd = adopt_get_if_any(channel, HANDOVER_IMAGE, index);

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
static int connect_all(const struct configurator *configurator,
                       struct adopt_channel channels[CONTROLLERS_MAX])
{
    int first = -1;

    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        channels[id].fd = sockets_connect_handover(&configurator->sockets, id);
        channels[id].answers = channels[id].fd >= 0 && answers(channels[id].fd);
        if (channels[id].answers && first < 0)
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

/* One that was on its way to an orderly end goes on there: all have been asked to end then. */
static bool ends(const struct configurator *configurator)
{
    bool any = false, all = true;

    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        if (!configurator->controllers[id].alive)
            continue;
        /* relaxed: who wrote it is gone */
        bool asked =
            load_relaxed(&configurator_seat(configurator, id)->request) != SEAT_REQUEST_NONE;
        any = any || asked;
        all = all && asked;
    }
    return any && all;
}

static void go_on(struct configurator *configurator)
{
    bool to_end = ends(configurator);

    CRASH_POINT("lead.seats");
    configurator_begin_to_run(configurator);
    for (uint32_t id = 0; id < configurator->config->controllers && !to_end; id++)
        seat_go_on(configurator, id);
    configurator_publish_membership(configurator);
    if (to_end)
        configurator_stop(configurator);
}

static int adopt_all(struct configurator *configurator,
                     struct adopt_channel channels[CONTROLLERS_MAX], int first,
                     struct config_error *ret_error)
{
    int error = adopt_common(configurator, channels[first].fd);

    if (error == 0)
        error = configurator_watch_own(configurator);
    if (error != 0)
        return refuse_array(configurator->config, ret_error, error,
                            "controller %d does not hand over what it has: %s", first,
                            strerror(-error));
    for (uint32_t id = 0; id < configurator->config->controllers; id++) {
        adopt_seat(configurator, id, channels[id]);
        CRASH_POINT("lead.seat");
        channels[id].fd = -1;
    }
    return 0;
}

int configurator_adopt(struct configurator *configurator, const struct config *config,
                       struct watch *watch, controller_main_fn *main,
                       struct config_error *ret_error)
{
    struct adopt_channel channels[CONTROLLERS_MAX];

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
            close_if_open(&channels[id].fd);
        sockets_leave(&configurator->sockets);
        configurator_close(configurator);
        return error;
    }
    go_on(configurator);
    return 0;
}
