#include "controller/config/configurator.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controller/config/images.h"
#include "controller/config/intents_look.h"
#include "controller/config/placement.h"
#include "controller/config/scrubs.h"
#include "controller/config/superblocks.h"
#include "controller/config/table.h"

enum {
    START_SECONDS = 30,   /* then it will not come up any more */
    QUIESCE_SECONDS = 10, /* hosts that do not let go are dropped */
    STOP_SECONDS = 60,    /* a flush may take long; then it is killed */
    CLOCK_MS = 20,
};

#define CONFIGURATOR_OF(pointer, member)                                                           \
    ((struct configurator *)((char *)(pointer)-offsetof(struct configurator, member)))

__attribute__((format(printf, 4, 5))) static int refuse(const struct config *config,
                                                        struct config_error *ret_error, int error,
                                                        const char *format, ...)
{
    va_list arguments;
    int length = snprintf(ret_error->text, sizeof ret_error->text, "%s: ", config->path);

    va_start(arguments, format);
    vsnprintf(ret_error->text + length, sizeof ret_error->text - (size_t)length, format, arguments);
    va_end(arguments);
    return error;
}

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
        return refuse(config, ret_error, error, "cannot make the shared-memory segment: %s",
                      strerror(-error));
    struct segment_header *header = segment_header(&configurator->segment);
    header->coordination_policy = config->coordination.policy;
    header->cache_mode = config->cache.mode;
    header->cache_policy = config->cache.policy;
    header->cache_in_memory = config->cache.in_memory;
    header->interconnect = config->interconnect;
    header->takeover = config->takeover;
    /* relaxed: no controller has started yet. */
    store_relaxed(&header->trace_level, config->trace.level);
    store_relaxed(&header->job_rate_bytes, config->rebuild_rate_bytes); /* relaxed: as above */
    return table_fill(&configurator->segment, config, &configurator->images, ret_error);
}

/* --- telling controllers --- */

static struct seat *seat_of(const struct configurator *configurator, uint32_t id)
{
    return segment_seat(&configurator->segment, id);
}

/* After a seat changed: everybody looks. */
static void publish_membership(struct configurator *configurator)
{
    uint64_t one = 1;

    segment_raise_membership(&configurator->segment);
    for (uint32_t i = 0; i < configurator->config->controllers; i++)
        (void)!write(configurator->doorbells[i], &one, sizeof one);
}

static void request_all(struct configurator *configurator, enum seat_request request)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++)
        store_relaxed(&seat_of(configurator, i)->request, request); /* relaxed: published below */
    publish_membership(configurator);
}

/* --- phases --- */

static void enter_phase(struct configurator *configurator, enum configurator_phase phase,
                        uint32_t seconds)
{
    configurator->phase = phase;
    configurator->deadline_ns = watch_now_ns() + seconds * 1000000000ull;
    if (configurator->on_phase != NULL)
        configurator->on_phase(configurator->on_phase_context, phase);
}

static bool all_alive_are(const struct configurator *configurator, enum seat_state state)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive && seat_state(seat_of(configurator, i)) != state)
            return false;
    }
    return true;
}

static bool any_alive(const struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive)
            return true;
    }
    return false;
}

static void kill_all(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->controllers; i++) {
        if (configurator->controllers[i].alive)
            (void)kill(configurator->controllers[i].pid, SIGKILL);
    }
}

void configurator_stop(struct configurator *configurator)
{
    if (configurator->phase >= CONFIGURATOR_QUIESCING)
        return;
    enter_phase(configurator, CONFIGURATOR_QUIESCING, QUIESCE_SECONDS);
    request_all(configurator, SEAT_REQUEST_QUIESCE);
}

/* Goes on to the next phase when the present one is complete, or its time is over. */
static void look_at_phase(struct configurator *configurator)
{
    bool late = watch_now_ns() > configurator->deadline_ns;

    if (!any_alive(configurator)) {
        if (configurator->phase != CONFIGURATOR_STOPPED)
            enter_phase(configurator, CONFIGURATOR_STOPPED, 0);
        return;
    }
    switch (configurator->phase) {
    case CONFIGURATOR_STARTING:
        if (all_alive_are(configurator, SEAT_RUNNING)) {
            enter_phase(configurator, CONFIGURATOR_RUNNING, 0);
            rebuilds_look(configurator);
        } else if (late) {
            fprintf(stderr, "anyport: controllers did not come up within %d s\n", START_SECONDS);
            configurator->failed = true;
            configurator_stop(configurator);
        }
        break;
    case CONFIGURATOR_QUIESCING:
        if (late || all_alive_are(configurator, SEAT_QUIESCED)) {
            enter_phase(configurator, CONFIGURATOR_STOPPING, STOP_SECONDS);
            request_all(configurator, SEAT_REQUEST_STOP);
        }
        break;
    case CONFIGURATOR_STOPPING:
        if (late) {
            fprintf(stderr, "anyport: controllers did not stop within %d s\n", STOP_SECONDS);
            configurator->failed = true;
            configurator->deadline_ns = UINT64_MAX; /* said and done once */
            kill_all(configurator);
        }
        break;
    case CONFIGURATOR_RUNNING:
    case CONFIGURATOR_STOPPED:
        break;
    }
    resyncs_look(configurator);
}

static void controller_noticed(struct watched *watched, uint32_t events)
{
    uint64_t count;

    (void)events;
    (void)!read(watched->fd, &count, sizeof count);
    look_at_phase(CONFIGURATOR_OF(watched, notice));
    rebuilds_look(CONFIGURATOR_OF(watched, notice));
}

/* --- deaths --- */

static void say_death(const struct configurator *configurator, uint32_t id, const siginfo_t *info)
{
    fprintf(stderr, "anyport: controller %u (process %d) %s %d; its elements %s\n", id,
            (int)configurator->controllers[id].pid,
            info->si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
            info->si_status,
            configurator->config->takeover ? "are taken over by those that are left"
                                           : "cannot be reached");
}

static void declare_dead(struct configurator *configurator, uint32_t id)
{
    seat_declare_dead(seat_of(configurator, id), SEAT_EPOCH_FIRST);
    publish_membership(configurator);
    sockets_close_controller(&configurator->sockets, id);
}

/* An array that comes up without one of its controllers would be taken for a whole one. */
static void stop_if_starting(struct configurator *configurator, uint32_t id)
{
    if (configurator->phase != CONFIGURATOR_STARTING)
        return;
    fprintf(stderr, "anyport: the array is not started, because controller %u cannot run\n", id);
    configurator_stop(configurator);
}

static void controller_died(struct watched *watched, uint32_t events)
{
    struct watched_controller *controller = (struct watched_controller *)(void *)watched;
    struct configurator *configurator = controller->configurator;
    siginfo_t info = {0};

    (void)events;
    if (waitid(P_PID, (id_t)controller->pid, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    watch_remove(configurator->watch, watched);
    close(watched->fd);
    watched->fd = -1;
    controller->alive = false;
    control_line_close(&configurator->lines[controller->id]);
    bool in_order = info.si_code == CLD_EXITED && info.si_status == 0 &&
                    seat_state(seat_of(configurator, controller->id)) == SEAT_STOPPED;
    if (!in_order) {
        configurator->failed = true;
        say_death(configurator, controller->id, &info);
        declare_dead(configurator, controller->id);
        stop_if_starting(configurator, controller->id);
    }
    look_at_phase(configurator);
    rebuilds_look(configurator);
    scrubs_look(configurator);
}

_Static_assert(offsetof(struct watched_controller, death) == 0, "controller_died relies on it");

/* Whether nothing that this seat had submitted reaches the element any more: who took it from it
 * has its own description, and had the lock before it said so. */
static bool has_landed(struct configurator *configurator, uint32_t element, uint32_t seat)
{
    const struct element_record *record = segment_element(&configurator->segment, element);
    /* pairs with enter_record: the mark is of this holder, or of one after it */
    uint32_t holder = load_acquire(&record->mark_holder);

    if (holder == 0 || (holder & 0xff) != seat)
        return true;
    configurator->witnesses[element].mark_byte =
        load_relaxed(&record->mark_byte); /* relaxed: as above */
    return witness_saw_end(&configurator->witnesses[element]);
}

/* I/O that a killed controller had submitted still lands: it is DRAINED when the descriptions that
 * its io_uring used are gone. */
static void look_at_draining(struct configurator *configurator)
{
    const struct config *config = configurator->config;

    for (uint32_t id = 0; id < config->controllers; id++) {
        bool drained = seat_state(seat_of(configurator, id)) == SEAT_DEAD;
        for (uint32_t i = 0; i < config->elements_count && drained; i++)
            drained = has_landed(configurator, i, id);
        if (drained) {
            seat_set_state(seat_of(configurator, id), SEAT_DRAINED);
            publish_membership(configurator);
        }
    }
}

/* --- the clock --- */

/* It ticks only while something has to be looked at, so an idle array wakes nobody. */
static void set_clock(struct configurator *configurator)
{
    bool wanted = configurator->phase == CONFIGURATOR_STARTING ||
                  configurator->phase == CONFIGURATOR_QUIESCING ||
                  configurator->phase == CONFIGURATOR_STOPPING;
    struct itimerspec interval = {0};

    for (uint32_t id = 0; id < configurator->config->controllers; id++)
        wanted = wanted || seat_state(seat_of(configurator, id)) == SEAT_DEAD ||
                 configurator->lines[id].waiting > 0;
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
    for (uint32_t id = 0; id < configurator->config->controllers; id++)
        control_line_look_at_time(&configurator->lines[id], watch_now_ns());
    look_at_draining(configurator);
    look_at_phase(configurator);
}

void configurator_turn(struct configurator *configurator)
{
    set_clock(configurator);
    watch_once(configurator->watch, -1);
}

/* --- opening and closing --- */

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* They see something only when there is a controller to be seen (configurator_start). */
static int make_witnesses(struct configurator *configurator, struct config_error *ret_error)
{
    uint32_t count = configurator->config->elements_count;

    configurator->witnesses = calloc(count, sizeof *configurator->witnesses);
    if (configurator->witnesses == NULL)
        return refuse(configurator->config, ret_error, -ENOMEM, "not enough memory");
    for (uint32_t i = 0; i < count; i++)
        configurator->witnesses[i].fd = -1;
    return 0;
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

static bool make_lifeline(struct configurator *configurator, uint32_t id)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    configurator->lifelines[id] = ends[0];
    configurator->lifelines_own[id] = ends[1];
    return true;
}

static int make_descriptors(struct configurator *configurator, struct config_error *ret_error)
{
    const struct config *config = configurator->config;

    configurator->notice =
        (struct watched){.ready = controller_noticed, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    configurator->clock = (struct watched){
        .ready = clock_ticked, .fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};
    bool made = configurator->notice.fd >= 0 && configurator->clock.fd >= 0;
    for (uint32_t i = 0; i < config->controllers && made; i++) {
        configurator->doorbells[i] = eventfd(0, EFD_CLOEXEC);
        made = configurator->doorbells[i] >= 0 && make_lifeline(configurator, i) &&
               control_line_open(&configurator->lines[i], configurator->watch,
                                 &configurator->control_ends[i]) == 0;
    }
    if (!made)
        return refuse(config, ret_error, -errno, "cannot make an eventfd, a pipe or a socket: %s",
                      strerror(errno));
    int error = watch_add(configurator->watch, &configurator->notice, EPOLLIN);
    if (error == 0)
        error = watch_add(configurator->watch, &configurator->clock, EPOLLIN);
    return error == 0 ? 0 : refuse(config, ret_error, error, "epoll: %s", strerror(-error));
}

static void say_standing(const struct config *config, const struct images *images)
{
    superblocks_say_stale(config, images);
    intents_say_lost(config, images);
}

int configurator_open(struct configurator *configurator, const struct config *config,
                      struct watch *watch, struct config_error *ret_error)
{
    *configurator = (struct configurator){
        .config = config, .watch = watch, .notice.fd = -1, .clock.fd = -1, .segment.fd = -1};
    configurator->sockets.run_dir_fd = -1;
    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++) {
        configurator->doorbells[i] = configurator->lifelines[i] = configurator->lifelines_own[i] =
            configurator->control_ends[i] = configurator->lines[i].watched.fd = -1;
    }
    /* The sockets first: what they may meet (an array that runs already, a port in use) is found
     * before an image is created. */
    int error = sockets_open(config, &configurator->sockets, ret_error);
    if (error != 0)
        return error;
    error = images_open(config, &configurator->images, ret_error);
    if (error == 0)
        say_standing(config, &configurator->images);
    if (error == 0)
        error = make_witnesses(configurator, ret_error);
    if (error == 0)
        error = make_segment(configurator, ret_error);
    if (error == 0 && resyncs_init(configurator) != 0)
        error = refuse(config, ret_error, -ENOMEM, "not enough memory");
    if (error == 0)
        error = make_descriptors(configurator, ret_error);
    if (error == 0 && rebuilds_init(configurator) != 0)
        error = refuse(config, ret_error, -ENOMEM, "not enough memory");
    if (error != 0)
        configurator_close(configurator);
    return error;
}

void configurator_close(struct configurator *configurator)
{
    if (configurator->sockets.run_dir != NULL)
        sockets_close(&configurator->sockets);
    images_close(&configurator->images);
    close_witnesses(configurator);
    resyncs_done(configurator);
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
    volume_changes_done(configurator);
    rebuilds_done(configurator);
    segment_done(&configurator->segment);
}

/* --- starting --- */

/* In the new process: keep what is its own, give up the rest. */
static void become_controller(struct configurator *configurator, uint32_t id, pid_t parent,
                              controller_main_fn *main)
{
    const struct config *config = configurator->config;
    struct controller_process process = {
        .start = {.id = id,
                  .segment = configurator->segment,
                  .elements = configurator->images.elements,
                  .superblocks = configurator->images.superblocks,
                  .doorbells = configurator->doorbells,
                  .notice_fd = configurator->notice.fd,
                  .lifelines = configurator->lifelines,
                  .images = configurator->witnesses,
                  .control = &configurator->control_ends[id]},
        .sockets = &configurator->sockets,
        .config = config,
        .parent = parent,
    };
    char name[24];

    snprintf(name, sizeof name, "anyport-c%u", id);
    (void)prctl(PR_SET_NAME, name);
    watch_done(configurator->watch);
    close(configurator->clock.fd);
    for (uint32_t i = 0; i < id; i++) {
        if (configurator->controllers[i].death.fd >= 0)
            close(configurator->controllers[i].death.fd);
    }
    for (uint32_t i = 0; i < config->controllers; i++) {
        close_if_open(&configurator->lines[i].watched.fd);
        if (i == id)
            continue;
        close_if_open(&configurator->control_ends[i]);
        close_if_open(&configurator->lifelines_own[i]); /* else it would seem to live as long */
    }
    sockets_keep_only(&configurator->sockets, id);
    for (uint32_t i = 0; i < config->elements_count; i++) {
        if (config->elements[i].controller != id)
            element_close(&configurator->images.elements[i]);
    }
    placement_apply(config->placement, &configurator->segment, id);
    int status = main(&process);
    configurator->clock.fd = -1;
    configurator->sockets.made_run_dir = false;
    images_free(
        &configurator->images); /* their descriptors were the controller's, and are closed */
    free(configurator->witnesses);
    resyncs_done(configurator);
    rebuilds_done(configurator);
    segment_done(&configurator->segment);
    fflush(NULL);
    exit(status);
}

static int start_one(struct configurator *configurator, uint32_t id, controller_main_fn *main)
{
    struct watched_controller *controller = &configurator->controllers[id];
    struct seat *seat = seat_of(configurator, id);

    seat_set_state(seat, SEAT_STARTING);
    fflush(NULL);
    pid_t self = getpid(); /* in the child, getppid may already be another's */
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        become_controller(configurator, id, self, main);
    close_if_open(&configurator->lifelines_own[id]);
    close_if_open(&configurator->control_ends[id]);
    store_relaxed(&seat->pid, (uint32_t)pid); /* relaxed: for status only */
    controller->configurator = configurator;
    controller->id = id;
    controller->pid = pid;
    controller->alive = true;
    controller->death =
        (struct watched){.ready = controller_died, .fd = (int)syscall(SYS_pidfd_open, pid, 0)};
    if (controller->death.fd < 0)
        return -errno;
    (void)fcntl(controller->death.fd, F_SETFD, FD_CLOEXEC);
    return watch_add(configurator->watch, &controller->death, EPOLLIN);
}

static void give_up_starting(struct configurator *configurator)
{
    kill_all(configurator);
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

/* A second description of each image, for us and for all controllers, which may take its element
 * over one day. Without one its owner, should it die, never counts as drained, and the element
 * fails: safe, and not worth an end. */
static void open_witnesses(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++) {
        const struct element *element = &configurator->images.elements[i];
        if (element->fd < 0)
            continue;
        int error = witness_open(&configurator->witnesses[i], element->fd, element->mark_byte);
        if (error != 0)
            fprintf(stderr, "anyport: element %s: cannot open it once more: %s\n",
                    configurator->config->elements[i].name, strerror(-error));
    }
}

/* The descriptions that hold the locks now belong to the controllers. */
static void hand_over_elements(struct configurator *configurator)
{
    for (uint32_t i = 0; i < configurator->config->elements_count; i++)
        element_close(&configurator->images.elements[i]);
}

int configurator_start(struct configurator *configurator, controller_main_fn *main,
                       struct config_error *ret_error)
{
    const struct config *config = configurator->config;

    enter_phase(configurator, CONFIGURATOR_STARTING, START_SECONDS);
    open_witnesses(configurator);
    for (uint32_t i = 0; i < config->controllers; i++) /* relaxed: processes inherit it */
        store_relaxed(&seat_of(configurator, i)->epoch, SEAT_EPOCH_FIRST);
    for (uint32_t i = 0; i < config->controllers; i++) {
        int error = start_one(configurator, i, main);
        if (error == 0)
            continue;
        give_up_starting(configurator);
        return refuse(config, ret_error, error, "cannot start controller %u: %s", i,
                      strerror(-error));
    }
    hand_over_elements(configurator);
    return 0;
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
    publish_membership(configurator);
}
