#include "hostif/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostif/catalog.h"
#include "hostif/session.h"

enum {
    SESSION_SHARE_DIVISOR = 4, /* no session holds more than this part of the buffers */
    SEND_BUFFER_BYTES = 1 << 20,
    ACCEPT_AGAIN_MS = 100,
    PRESSURE_LOOK_MS = 500, /* how often stalled sessions are looked for while others wait */
    STALLED_MS = 2000, /* a session that holds buffers, and whose socket has not moved so long */
};

#define MS_NS 1000000ull

/* --- sessions --- */

void ports_add(struct host_ports *ports, struct session *session)
{
    session->previous = NULL;
    session->next = ports->sessions;
    if (ports->sessions != NULL)
        ports->sessions->previous = session;
    ports->sessions = session;
    ports->sessions_count++;
    count_up(&ports->controller->counters->connections, 1);
    count_up(&ports->controller->counters->connections_total, 1);
}

void ports_remove(struct host_ports *ports, struct session *session)
{
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        ports->sessions = session->next;
    if (session->next != NULL)
        session->next->previous = session->previous;
    ports->sessions_count--;
    count_down(&ports->controller->counters->connections, 1);
}

void ports_mark_dirty(struct host_ports *ports, struct session *session)
{
    if (session->dirty)
        return;
    session->dirty = true;
    session->next_dirty = ports->dirty;
    ports->dirty = session;
}

/* --- pressure: nobody's slowness delays others for long --- */

static bool holds_buffers_and_stalls(const struct session *session, uint64_t now_ns)
{
    bool unread = session->send_active && now_ns - session->send_progress_ns > STALLED_MS * MS_NS;
    bool unsent = session->writing != NULL && now_ns - session->progress_ns > STALLED_MS * MS_NS;

    return (unread || unsent) && session->state == SESSION_TRANSMISSION;
}

static void look_for_stalled(struct timer *timer)
{
    struct host_ports *ports =
        (struct host_ports *)((char *)timer - offsetof(struct host_ports, pressure));
    struct controller *controller = ports->controller;

    if (!controller_has_waiters(controller))
        return;
    for (struct session *session = ports->sessions; session != NULL; session = session->next) {
        if (!holds_buffers_and_stalls(session, loop_now_ns(controller->loop)))
            continue;
        count_up(&controller->counters->connections_dropped, 1);
        session_hang_up(session);
    }
    loop_timer_start(controller->loop, &ports->pressure, PRESSURE_LOOK_MS * MS_NS);
}

static void watch_pressure(struct host_ports *ports)
{
    if (controller_has_waiters(ports->controller) && ports->pressure.next == NULL)
        loop_timer_start(ports->controller->loop, &ports->pressure, PRESSURE_LOOK_MS * MS_NS);
}

/* --- what the controller tells us --- */

/* A connection wakes one of those that wait for it at the front. One that dies just then takes its
 * waking along, and the connection would lie there until another one comes. So when somebody has
 * died we ask once more, which takes what lies there; and again a little later, when the kernel has
 * put away what the dead one had asked for. */
static void ask_once_more(struct host_ports *ports)
{
    for (uint32_t i = 0; i < ports->listeners_count && !ports->quiescing; i++) {
        if (ports->listeners[i].active)
            loop_cancel(ports->controller->loop, &ports->listeners[i].accept);
    }
}

static void ask_later(struct timer *timer)
{
    ask_once_more((struct host_ports *)((char *)timer - offsetof(struct host_ports, ask)));
}

static void look_at_membership(struct host_ports *ports)
{
    struct controller *controller = ports->controller;

    if (ports->membership_seen == controller->membership_seen || ports->quiescing)
        return;
    ports->membership_seen = controller->membership_seen;
    ask_once_more(ports);
    if (ports->ask.next == NULL)
        loop_timer_start(controller->loop, &ports->ask, ACCEPT_AGAIN_MS * MS_NS);
}

static void on_turn(void *context)
{
    struct host_ports *ports = context;

    look_at_membership(ports);
    while (ports->dirty != NULL) {
        struct session *session = ports->dirty;
        ports->dirty = session->next_dirty;
        session->dirty = false;
        session_turn(session);
    }
    watch_pressure(ports);
}

static void on_quiesce(void *context)
{
    struct host_ports *ports = context;

    ports->quiescing = true;
    loop_timer_stop(ports->controller->loop, &ports->ask);
    for (uint32_t i = 0; i < ports->listeners_count; i++) {
        loop_timer_stop(ports->controller->loop, &ports->listeners[i].again);
        if (ports->listeners[i].active)
            loop_cancel(ports->controller->loop, &ports->listeners[i].accept);
    }
    for (struct session *session = ports->sessions; session != NULL; session = session->next)
        session_finish(session);
}

static bool is_quiet(void *context)
{
    return ((const struct host_ports *)context)->sessions_count == 0;
}

/* A session has a volume from the end of its handshake until it is freed. */
static enum host_use uses_volume(void *context, uint32_t volume)
{
    const struct host_ports *ports = context;
    enum host_use use = HOST_USES_NOT;

    for (const struct session *one = ports->sessions; one != NULL; one = one->next) {
        if (one->volume != volume)
            continue;
        if (one->state == SESSION_TRANSMISSION)
            return HOST_USES;
        use = HOST_LEAVES;
    }
    return use;
}

/* --- accepting --- */

static void listen_on(struct listener *listener)
{
    listener->active = true;
    loop_accept(listener->ports->controller->loop, listener->fd, &listener->accept);
}

static void listen_again(struct timer *timer)
{
    listen_on((struct listener *)((char *)timer - offsetof(struct listener, again)));
}

static void prepare_socket(int fd, bool tcp)
{
    int one = 1, bytes = SEND_BUFFER_BYTES;

    if (tcp) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        /* A host that is gone without a word does not keep its connection for ever. */
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    } else {
        /* The default holds less than one long answer; the system bounds what we ask for. TCP finds
         * its own sizes. */
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
}

static void take_connection(struct listener *listener, int fd)
{
    struct host_ports *ports = listener->ports;

    prepare_socket(fd, listener->tcp);
    if (!ports->quiescing && ports->sessions_count < ports->limits.connections &&
        session_new(ports, fd, listener->tcp) == 0)
        return;
    count_up(&ports->controller->counters->connections_refused, 1);
    close(fd);
}

static void accepted(struct completion *completion, int result)
{
    struct listener *listener =
        (struct listener *)((char *)completion - offsetof(struct listener, accept));
    struct host_ports *ports = listener->ports;

    listener->active = false;
    if (result >= 0)
        take_connection(listener, result);
    if (ports->quiescing)
        return;
    /* Out of descriptors or memory: the connection stays in the socket's queue; asking again at
     * once would only fail again. */
    if (result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS)
        loop_timer_start(ports->controller->loop, &listener->again, ACCEPT_AGAIN_MS * MS_NS);
    else
        listen_on(listener);
}

int ports_new(struct host_ports **ret_ports, struct controller *controller,
              const struct port_limits *limits, const struct port_listening *listening,
              uint32_t listening_count)
{
    struct host_ports *ports = calloc(1, sizeof *ports);

    if (ports == NULL)
        return -ENOMEM;
    ports->controller = controller;
    ports->limits = *limits;
    ports->held_bytes_max = controller->segment.geometry.buffers_bytes / SESSION_SHARE_DIVISOR;
    ports->pressure.fire = look_for_stalled;
    ports->ask.fire = ask_later;
    ports->membership_seen = controller->membership_seen;
    catalog_init(&ports->catalog, &controller->segment);
    ports->listeners_count = listening_count;
    for (uint32_t i = 0; i < listening_count; i++) {
        ports->listeners[i] = (struct listener){.accept.fire = accepted,
                                                .again.fire = listen_again,
                                                .ports = ports,
                                                .fd = listening[i].fd,
                                                .tcp = listening[i].tcp};
        listen_on(&ports->listeners[i]);
    }
    controller->hooks = (struct controller_hooks){.context = ports,
                                                  .on_turn = on_turn,
                                                  .on_quiesce = on_quiesce,
                                                  .is_quiet = is_quiet,
                                                  .uses_volume = uses_volume};
    *ret_ports = ports;
    return 0;
}

void ports_free(struct host_ports *ports)
{
    if (ports == NULL)
        return;
    while (ports->sessions != NULL) { /* those that did not let go in time */
        struct session *session = ports->sessions;
        ports->sessions = session->next;
        session_discard(session);
    }
    free(ports);
}
