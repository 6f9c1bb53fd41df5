#include "controller/config/configurator.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "controller/config/configurator_parts.h"
#include "controller/config/journals.h"
#include "controller/config/refusal.h"
#include "controller/config/saved.h"
#include "controller/config/superblocks.h"
#include "controller/config/table.h"

enum { CLOCK_MS = 20 };

/* Room for what is made later; it costs no memory before. */
static uint32_t with_spare(uint32_t count, uint32_t spare)
{
    return count < VOLUMES_MAX - spare ? count + spare : VOLUMES_MAX;
}

static int make_segment(struct configurator *configurator, struct config_error *ret_error)
{
    const struct config *config = configurator->config;
    struct segment_wanted wanted = {
        .controllers = config->controllers,
        .elements = config->elements_count,
        .volumes = with_spare(config->volumes_count, VOLUMES_SPARE),
        .members = with_spare(table_members_count(config), MEMBERS_SPARE),
        .slots = config->slots,
        .ring_entries = config->ring_entries,
        .buffers_bytes = config->buffers_bytes,
        .trace_events = config->trace.events,
        .cache_bytes = config->cache.mode == CACHE_OFF ? 0 : config->cache.size_bytes,
        .region_bytes = config->coordination.region_bytes};
    int error = segment_create(&configurator->segment, &wanted, config->array);

    if (error != 0)
        return refuse_array(config, ret_error, error, "cannot make the shared-memory segment: %s",
                            strerror(-error));
    struct segment_header *header = segment_header(&configurator->segment);
    header->coordination_policy = config->coordination.policy;
    header->cache_mode = config->cache.mode;
    header->cache_policy = config->cache.policy;
    header->cache_in_memory = config->cache.in_memory;
    header->interconnect = config->interconnect;
    header->takeover = config->takeover;
    header->intents_clear_ns = config->intents_clear_ns;
    /* relaxed: no controller has started yet. */
    store_relaxed(&header->trace_level, config->trace.level);
    store_relaxed(&header->job_rate_bytes, config->rebuild_rate_bytes); /* relaxed: as above */
    journals_enter(config, &configurator->images, &configurator->segment);
    return table_fill(&configurator->segment, config, &configurator->images, ret_error);
}

struct seat *configurator_seat(const struct configurator *configurator, uint32_t id)
{
    return segment_seat(&configurator->segment, id);
}

/* --- the clock --- */

static void controller_noticed(struct watched *watched, uint32_t events)
{
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    configurator_look_at_phase(CONFIGURATOR_OF(watched, notice));
    rebuilds_look(CONFIGURATOR_OF(watched, notice));
    scrubs_look(CONFIGURATOR_OF(watched, notice));
    seats_look(CONFIGURATOR_OF(watched, notice));
    element_moves_look(CONFIGURATOR_OF(watched, notice));
    failback_look(CONFIGURATOR_OF(watched, notice));
}

/* It ticks only while something has to be looked at, so an idle array wakes nobody. */
static void set_clock(struct configurator *configurator)
{
    bool wanted = configurator->phase == CONFIGURATOR_STARTING ||
                  configurator->phase == CONFIGURATOR_QUIESCING ||
                  configurator->phase == CONFIGURATOR_FLUSHING ||
                  configurator->phase == CONFIGURATOR_STOPPING || seats_have_work(configurator) ||
                  configurator->moves != NULL || failback_has_work(configurator);
    struct itimerspec interval = {0};

    for (uint32_t id = 0; id < configurator->config->controllers; id++)
        wanted = wanted || seat_state(configurator_seat(configurator, id)) == SEAT_DEAD ||
                 configurator->lines[id].waiting > 0;
    /* What runs is left alone: else whoever wakes us more often than it ticks would stop it. */
    if (wanted == configurator->clock_runs)
        return;
    configurator->clock_runs = wanted;
    if (wanted)
        interval.it_value.tv_nsec = CLOCK_MS * 1000000;
    (void)timerfd_settime(configurator->clock.fd, 0, &interval, NULL);
}

static void clock_ticked(struct watched *watched, uint32_t events)
{
    struct configurator *configurator = CONFIGURATOR_OF(watched, clock);
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    configurator->clock_runs = false;
    for (uint32_t id = 0; id < configurator->config->controllers; id++)
        control_line_look_at_time(&configurator->lines[id], watch_now_ns());
    element_moves_look(configurator);
    failback_look(configurator);
    configurator_look_at_draining(configurator);
    configurator_look_at_phase(configurator);
    seats_look(configurator);
    scrubs_look_at_time(configurator);
}

void configurator_turn(struct configurator *configurator)
{
    set_clock(configurator);
    watch_once(configurator->watch, -1);
}

/* --- opening and closing --- */

void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* They see something only when there is a controller to be seen (configurator_start). */
int configurator_make_witnesses(struct configurator *configurator)
{
    uint32_t count = configurator->config->elements_count;

    configurator->witnesses = calloc(count, sizeof *configurator->witnesses);
    for (uint32_t i = 0; configurator->witnesses != NULL && i < count; i++)
        configurator->witnesses[i].fd = -1;
    return configurator->witnesses == NULL ? -ENOMEM : 0;
}

static void close_witnesses(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++) {
        if (configurator->witnesses != NULL)
            witness_close(&configurator->witnesses[i]);
    }
    free(configurator->witnesses);
    configurator->witnesses = NULL;
}

int configurator_equip(struct configurator *configurator, uint32_t id)
{
    int ends[2];

    close_if_open(&configurator->lifelines[id]);
    close_if_open(&configurator->lifelines_own[id]);
    close_if_open(&configurator->control_ends[id]);
    control_line_close(&configurator->lines[id]);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    configurator->lifelines[id] = ends[0];
    configurator->lifelines_own[id] = ends[1];
    return control_line_open(&configurator->lines[id], configurator->watch,
                             &configurator->control_ends[id]);
}

int configurator_watch_own(struct configurator *configurator)
{
    configurator->notice.ready = controller_noticed;
    configurator->clock = (struct watched){
        .ready = clock_ticked, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    if (configurator->clock.fd < 0)
        return -errno;
    int error = watch_add(configurator->watch, &configurator->notice, EPOLLIN);
    return error != 0 ? error : watch_add(configurator->watch, &configurator->clock, EPOLLIN);
}

static int make_descriptors(struct configurator *configurator, struct config_error *ret_error)
{
    const struct config *config = configurator->config;

    configurator->notice.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool made = configurator->notice.fd >= 0;
    for (uint32_t i = 0; i < config->controllers && made; i++) {
        configurator->doorbells[i] = eventfd(0, EFD_CLOEXEC);
        made = configurator->doorbells[i] >= 0 && configurator_equip(configurator, i) == 0;
    }
    if (!made)
        return refuse_array(config, ret_error, -errno,
                            "cannot make an eventfd, a pipe or a socket: %s", strerror(errno));
    int error = configurator_watch_own(configurator);
    return error == 0
               ? 0
               : refuse_array(config, ret_error, error, "cannot watch: %s", strerror(-error));
}

void configurator_clear(struct configurator *configurator, const struct config *config,
                        struct watch *watch)
{
    *configurator = (struct configurator){.config = config,
                                          .watch = watch,
                                          .notice.fd = -1,
                                          .clock.fd = -1,
                                          .segment.fd = -1,
                                          .heartbeats.watched.fd = -1,
                                          .follow_traffic.watched.fd = -1};
    configurator->sockets.run_dir_fd = configurator->sockets.lock_fd = -1;
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++) {
        configurator->doorbells[i] = configurator->lifelines[i] = configurator->lifelines_own[i] =
            configurator->control_ends[i] = configurator->lines[i].watched.fd =
                configurator->controllers[i].death.fd = -1;
    }
}

int configurator_open(struct configurator *configurator, const struct config *config,
                      struct watch *watch, struct config_error *ret_error)
{
    configurator_clear(configurator, config, watch);
    /* The sockets first: what they may meet (an array that runs already, a port in use) is found
     * before an image is created. */
    int error = sockets_open(config, &configurator->sockets, ret_error);
    if (error != 0)
        return error;
    error = images_open(config, &configurator->images, ret_error);
    if (error == 0)
        superblocks_say_stale(config, &configurator->images);
    if (error == 0 && configurator_make_witnesses(configurator) != 0)
        error = refuse_array(config, ret_error, -ENOMEM, "not enough memory");
    if (error == 0)
        error = make_segment(configurator, ret_error);
    if (error == 0 && (resyncs_init(configurator) != 0 || failback_init(configurator) != 0))
        error = refuse_array(config, ret_error, -ENOMEM, "not enough memory");
    if (error == 0)
        error = make_descriptors(configurator, ret_error);
    if (error == 0 && (rebuilds_init(configurator) != 0 || scrubs_init(configurator) != 0))
        error = refuse_array(config, ret_error, -ENOMEM, "not enough memory");
    if (error != 0)
        configurator_close(configurator);
    return error;
}

void configurator_close(struct configurator *configurator)
{
    if (configurator->sockets.lock_fd >= 0)
        saved_remove(&configurator->sockets);
    if (configurator->sockets.run_dir != NULL)
        sockets_close(&configurator->sockets);
    images_close(&configurator->images);
    close_witnesses(configurator);
    heartbeats_end(configurator);
    follow_traffic_end(configurator);
    resyncs_done(configurator);
    failback_done(configurator);
    if (configurator->notice.fd >= 0)
        close(configurator->notice.fd);
    if (configurator->clock.fd >= 0)
        close(configurator->clock.fd);
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++) {
        close_if_open(&configurator->doorbells[i]);
        close_if_open(&configurator->lifelines[i]);
        close_if_open(&configurator->lifelines_own[i]);
        close_if_open(&configurator->control_ends[i]);
        control_line_close(&configurator->lines[i]);
    }
    element_moves_done(configurator);
    volume_changes_done(configurator);
    rebuilds_done(configurator);
    scrubs_done(configurator);
    segment_done(&configurator->segment);
}

/* --- links --- */

void configurator_inject(struct configurator *configurator, uint32_t source, uint32_t target,
                         uint32_t fabric, struct link_fault fault)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    link_inject(segment_link(&configurator->segment, source, target, fabric), fault,
                (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

void configurator_publish_links(struct configurator *configurator)
{
    configurator_publish_membership(configurator);
}
