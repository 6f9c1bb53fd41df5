#include "hostif/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostif/ports.h"

static struct controller *controller_of(const struct session *session)
{
    return session->ports->controller;
}

static struct loop *loop_of(const struct session *session)
{
    return controller_of(session)->loop;
}

#define SESSION_OF(pointer, member)                                                                \
    ((struct session *)((char *)(pointer)-offsetof(struct session, member)))

static void pump(struct session *session);

/* --- ending --- */

/* A long write whose payload never came whole. */
static void give_up_writing(struct session *session)
{
    struct command *command = session->writing;

    if (command == NULL)
        return;
    session->writing = NULL;
    session->in_flight--;
    session->held_bytes -= command->held_bytes;
    command_give(controller_of(session), command);
}

void session_close(struct session *session)
{
    if (session->state == SESSION_CLOSING)
        return;
    session->state = SESSION_CLOSING;
    loop_timer_stop(loop_of(session), &session->limit);
    command_stop_waiting(controller_of(session), &session->waiter);
    if (session->waiting) /* it may have been what those behind it waited for */
        command_wake_waiters(controller_of(session));
    session->waiting = false;
    if (!session->receiving) /* else the kernel may still write into it: when that has ended */
        give_up_writing(session);
    /* Ends the receive and the send that are in flight. What was answered is on its way already;
     * a host that is gone does not want it. */
    (void)shutdown(session->fd, SHUT_RDWR);
    ports_mark_dirty(session->ports, session);
}

void session_finish(struct session *session)
{
    if (session->writing != NULL) /* what is still to come is not waited for */
        session_close(session);
    if (session->in_flight == 0 && !session->send_active)
        session_close(session);
    else
        session->ending = true;
}

static void drop(struct session *session)
{
    count_up(&controller_of(session)->counters->connections_dropped, 1);
    session_close(session);
}

static uint64_t payload_to_send(const struct command *command)
{
    return command->op == COMMAND_READ ? command->length_bytes : 0;
}

static void give_all(struct session *session, struct command_queue *queue)
{
    struct command *command;

    while ((command = command_queue_pop(queue)) != NULL) {
        session->in_flight--;
        session->unsent_bytes -= payload_to_send(command);
        session->held_bytes -= command->held_bytes;
        command_give(controller_of(session), command);
    }
}

/* Nothing of the session is used by the loop, by a command or by a queue any more. */
static bool is_over(const struct session *session)
{
    return session->state == SESSION_CLOSING && !session->receiving && !session->send_active &&
           session->in_flight == 0;
}

static void session_free(struct session *session)
{
    assert(session->waiter.next == NULL && session->writing == NULL);
    close(session->fd);
    ports_remove(session->ports, session);
    free(session->in);
    free(session);
}

void session_discard(struct session *session)
{
    close(session->fd);
    free(session->in);
    free(session);
}

/* --- sending --- */

/* An answered command; it comes back to us, and stays ours until its answer was sent. */
static void reply_to_host(struct controller *controller, struct command *command)
{
    struct session *session = command->owner;

    (void)controller;
    session->unsent_bytes += payload_to_send(command);
    command_queue_push(&session->ready, command);
    ports_mark_dirty(session->ports, session);
}

static const struct command_origin session_origin = {
    .name = "host", .host = true, .reply = reply_to_host};

static void start_send(struct session *session)
{
    session->send_message = (struct msghdr){.msg_iov = session->answer.vectors,
                                            .msg_iovlen = session->answer.vectors_count};
    session->sent_bytes = 0;
    session->send_active = true;
    session->send_progress_ns = loop_now_ns(loop_of(session));
    loop_send_vector(loop_of(session), session->fd, &session->send_message, &session->send);
}

static void send_ready(struct session *session)
{
    struct command *command;

    answer_begin(&session->answer);
    while ((command = session->ready.head) != NULL &&
           answer_add(&session->answer, command, &session->agreed)) {
        command_queue_pop(&session->ready);
        command_queue_push(&session->sending, command);
    }
    start_send(session);
}

/* The message went out in part: name the rest and send that. */
static void send_rest(struct session *session, size_t bytes)
{
    struct msghdr *message = &session->send_message;

    while (bytes > 0 && bytes >= message->msg_iov->iov_len) {
        bytes -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    message->msg_iov->iov_base = (uint8_t *)message->msg_iov->iov_base + bytes;
    message->msg_iov->iov_len -= bytes;
    session->send_active = true;
    loop_send_vector(loop_of(session), session->fd, message, &session->send);
}

static void sent(struct completion *completion, int result)
{
    struct session *session = SESSION_OF(completion, send);

    session->send_active = false;
    session->send_progress_ns = loop_now_ns(loop_of(session));
    ports_mark_dirty(session->ports, session);
    if (result == -EINTR) /* nothing went out: as if in part */
        result = 0;
    else if (result <= 0)
        session_close(session);
    if (result > 0) {
        count_up(&controller_of(session)->counters->bytes_sent, result);
        session->sent_bytes += (uint64_t)result;
    }
    if (session->sent_bytes < session->answer.bytes && session->state != SESSION_CLOSING) {
        send_rest(session, (size_t)result);
        return;
    }
    give_all(session, &session->sending);
    if (session->ending && session->in_flight == 0)
        session_close(session);
    pump(session);
}

void session_turn(struct session *session)
{
    if (session->state == SESSION_CLOSING) {
        if (!session->send_active)
            give_all(session, &session->ready);
        if (is_over(session))
            session_free(session);
    } else if (!session->send_active && session->ready.head != NULL) {
        send_ready(session);
    }
}

/* --- requests --- */

static const struct {
    uint8_t op;
    bool wants_buffer;
} operations[] = {
    [NBD_CMD_READ] = {COMMAND_READ, true},
    [NBD_CMD_WRITE] = {COMMAND_WRITE, true},
    [NBD_CMD_FLUSH] = {COMMAND_FLUSH, false},
    [NBD_CMD_TRIM] = {COMMAND_TRIM, false},
    [NBD_CMD_CACHE] = {COMMAND_PREFETCH, false},
    [NBD_CMD_WRITE_ZEROES] = {COMMAND_ZERO, false},
    [NBD_CMD_BLOCK_STATUS] = {COMMAND_EXTENTS, true},
};

static uint8_t command_flags_of(const struct nbd_request *request)
{
    uint8_t flags = 0;

    if ((request->flags & NBD_CMD_FLAG_FUA) != 0)
        flags |= COMMAND_FUA;
    if ((request->flags & NBD_CMD_FLAG_NO_HOLE) != 0)
        flags |= COMMAND_NO_HOLE;
    if ((request->flags & NBD_CMD_FLAG_FAST_ZERO) != 0)
        flags |= COMMAND_FAST_ZERO;
    if ((request->flags & NBD_CMD_FLAG_REQ_ONE) != 0)
        flags |= COMMAND_ONE;
    return flags;
}

/* Bytes of the buffer that a request which may be executed needs. */
static uint64_t buffer_bytes(const struct nbd_request *request)
{
    if (!operations[request->type].wants_buffer || request->length_bytes == 0)
        return 0;
    return request->type == NBD_CMD_BLOCK_STATUS ? EXTENTS_MAX * sizeof(struct extent)
                                                 : request->length_bytes;
}

/* A command for this request, with the buffer it needs. -EAGAIN: the session waits in line. */
static int take_command(struct session *session, const struct nbd_request *request, uint64_t bytes,
                        struct command **ret_command)
{
    bool extents = request->type == NBD_CMD_BLOCK_STATUS;

    /* Its own answers, once sent, make room and let it go on. */
    if (session->held_bytes > 0 && session->held_bytes + bytes > session->ports->held_bytes_max)
        return -EAGAIN;
    int error = command_take(controller_of(session), bytes, extents ? 0 : request->offset_bytes,
                             &session->waiter, ret_command);

    session->waiting = error == -EAGAIN;
    if (error != 0)
        return error;
    session->in_flight++;
    session->held_bytes += bytes;
    (*ret_command)->held_bytes = (uint32_t)bytes;
    return 0;
}

static void fill_command(struct session *session, const struct nbd_request *request,
                         struct command *command)
{
    bool known = request->type < sizeof operations / sizeof operations[0];

    command->origin = &session_origin;
    command->owner = session;
    command->cookie = request->cookie;
    /* An unknown request is never executed; as a flush its error goes out as a simple reply. */
    command->op = known && operations[request->type].op != 0 ? operations[request->type].op
                                                             : (uint8_t)COMMAND_FLUSH;
    command->flags = command_flags_of(request);
    command->answer_flags = session->contexts;
    if ((request->flags & NBD_CMD_FLAG_DF) != 0)
        command->answer_flags |= ANSWER_DONT_FRAGMENT;
    command->volume = session->volume;
    command->offset_bytes = request->offset_bytes;
    command->length_bytes = request->length_bytes;
    command->status = 0;
    command->count = 0;
}

/* Answers without executing: a refused request, or one of length 0. */
static int answer_only(struct session *session, const struct nbd_request *request, int status)
{
    struct command *command;
    int error = take_command(session, request, 0, &command);

    if (error != 0)
        return error;
    fill_command(session, request, command);
    if (status != 0)
        command->length_bytes = 0;
    command->status = status;
    command->stage = STAGE_REPLY;
    reply_send(controller_of(session), command);
    return 0;
}

/* Consumes a request and its payload, and answers it with `status` (0: it was of length 0). */
static int refuse(struct session *session, const struct nbd_request *request, int status)
{
    uint64_t payload_bytes = nbd_request_payload_bytes(request);

    if (payload_bytes > SESSION_DISCARD_BYTES_MAX)
        return -EPROTO;
    int error = answer_only(session, request, status);
    if (error == 0) {
        session->in_first += NBD_REQUEST_BYTES;
        session->discard_bytes = payload_bytes;
    }
    return error;
}

static uint32_t in_bytes(const struct session *session)
{
    return session->in_end - session->in_first;
}

/* The payload follows the header in the receive buffer, whole or (a long one) in part. */
static void take_payload(struct session *session, struct command *command)
{
    uint64_t here = in_bytes(session);

    if (here > command->length_bytes - session->written_bytes)
        here = command->length_bytes - session->written_bytes;
    memcpy(command->payload + session->written_bytes, session->in + session->in_first, here);
    session->in_first += (uint32_t)here;
    session->written_bytes += here;
}

static void payload_complete(struct session *session)
{
    struct command *command = session->writing;

    session->writing = NULL;
    command_start(controller_of(session), command, STAGE_MAP);
}

/* 0: consumed. -EAGAIN: more bytes, or a command, are needed first: nothing consumed. Others: drop
 * the connection. */
static int handle_request(struct session *session, const struct nbd_request *request)
{
    uint64_t payload_bytes = nbd_request_payload_bytes(request);
    struct command *command;
    int status = nbd_request_check(request, &session->agreed);
    int error;

    if (status != 0 || (request->length_bytes == 0 && request->type != NBD_CMD_FLUSH))
        return refuse(session, request, status);
    if (payload_bytes <= SESSION_SHORT_BYTES &&
        in_bytes(session) < NBD_REQUEST_BYTES + payload_bytes) {
        session->after_long = false;
        return -EAGAIN;
    }
    error = take_command(session, request, buffer_bytes(request), &command);
    if (error == -ENOMEM)
        return refuse(session, request, error);
    if (error != 0)
        return error;
    session->in_first += NBD_REQUEST_BYTES;
    fill_command(session, request, command);
    if (payload_bytes == 0) {
        session->after_long = false;
        command_start(controller_of(session), command, STAGE_MAP);
        return 0;
    }
    session->after_long = payload_bytes > SESSION_SHORT_BYTES;
    session->writing = command;
    session->written_bytes = 0;
    session->progress_ns = loop_now_ns(loop_of(session));
    session->progress_bytes = 0;
    take_payload(session, command);
    if (session->written_bytes == command->length_bytes)
        payload_complete(session);
    return 0;
}

static void discard(struct session *session)
{
    uint64_t here = in_bytes(session);

    if (here > session->discard_bytes)
        here = session->discard_bytes;
    session->in_first += (uint32_t)here;
    session->discard_bytes -= here;
}

/* Handles the next request in the receive buffer. 0 or as handle_request. */
static int next_request(struct session *session)
{
    struct nbd_request request;

    switch (nbd_parse_request(session->in + session->in_first, in_bytes(session), &request)) {
    case NBD_PARSE_MORE:
        return -EAGAIN;
    case NBD_PARSE_BAD_MAGIC:
        return -EPROTO;
    case NBD_PARSE_REQUEST:
        break;
    }
    if (request.type == NBD_CMD_DISC) {
        session->in_first = session->in_end;
        session_finish(session);
        return -EAGAIN;
    }
    return handle_request(session, &request);
}

static bool may_take_requests(const struct session *session)
{
    return session->state == SESSION_TRANSMISSION && !session->ending && !session->waiting &&
           session->in_flight < SESSION_COMMANDS_MAX &&
           session->unsent_bytes < SESSION_UNSENT_BYTES_MAX;
}

/* Works through the receive buffer as far as it goes. */
static void take_requests(struct session *session)
{
    while (may_take_requests(session) && session->writing == NULL) {
        if (session->discard_bytes > 0) {
            discard(session);
            if (session->discard_bytes > 0)
                return;
        }
        int error = next_request(session);
        if (error == -EAGAIN)
            return;
        if (error != 0) {
            drop(session);
            return;
        }
    }
}

/* --- receiving --- */

static void make_room(struct session *session)
{
    uint32_t here = in_bytes(session);

    if (here == 0) {
        session->in_first = session->in_end = 0;
    } else if (SESSION_RECEIVE_BYTES - session->in_end < SESSION_COMPACT_BYTES) {
        memmove(session->in, session->in + session->in_first, here);
        session->in_first = 0;
        session->in_end = here;
    }
}

/* The rest of a long payload goes where it belongs, and what follows it into our own buffer. */
static void receive_payload(struct session *session)
{
    struct command *command = session->writing;

    session->receive_vectors[0] =
        (struct iovec){.iov_base = command->payload + session->written_bytes,
                       .iov_len = command->length_bytes - session->written_bytes};
    session->receive_vectors[1] = (struct iovec){.iov_base = session->in + session->in_end,
                                                 .iov_len = SESSION_AFTER_LONG_BYTES};
    session->receive_message =
        (struct msghdr){.msg_iov = session->receive_vectors, .msg_iovlen = 2};
    loop_receive_vector(loop_of(session), session->fd, &session->receive_message,
                        &session->receive);
}

static uint32_t receive_room(const struct session *session)
{
    uint32_t room = SESSION_RECEIVE_BYTES - session->in_end;

    return session->after_long && room > SESSION_AFTER_LONG_BYTES ? SESSION_AFTER_LONG_BYTES : room;
}

static void start_receive(struct session *session)
{
    if (session->receiving || session->ending || session->state == SESSION_CLOSING)
        return;
    make_room(session);
    if (session->in_end == SESSION_RECEIVE_BYTES)
        return;
    session->receiving = true;
    session->receiving_payload = session->writing != NULL;
    if (session->receiving_payload)
        receive_payload(session);
    else
        loop_receive(loop_of(session), session->fd, session->in + session->in_end,
                     receive_room(session), &session->receive);
}

static void pump_handshake(struct session *session);

static void pump(struct session *session)
{
    if (session->state == SESSION_HANDSHAKE)
        pump_handshake(session);
    if (session->state == SESSION_TRANSMISSION)
        take_requests(session);
    start_receive(session);
}

static void may_go_on(struct command_waiter *waiter)
{
    struct session *session = SESSION_OF(waiter, waiter);

    session->waiting = false;
    pump(session);
}

/* Bytes came into our own buffer. A long write may have begun since that was asked for (it had
 * waited for its turn): then they are of its payload. */
static void account_received_here(struct session *session, uint32_t bytes)
{
    struct command *command = session->writing;

    session->in_end += bytes;
    assert(session->in_end <= SESSION_RECEIVE_BYTES);
    if (command == NULL)
        return;
    take_payload(session, command);
    session->progress_ns = loop_now_ns(loop_of(session));
    if (session->written_bytes == command->length_bytes)
        payload_complete(session);
}

/* Bytes came into the payload of a long write, and what was more into our own buffer. */
static void account_received(struct session *session, uint32_t bytes)
{
    struct command *command = session->writing;

    if (command != NULL) {
        uint64_t wanted = command->length_bytes - session->written_bytes;
        uint32_t payload = bytes < wanted ? bytes : (uint32_t)wanted;
        session->written_bytes += payload;
        session->progress_bytes += payload;
        if (session->progress_bytes >= SESSION_PROGRESS_BYTES) {
            session->progress_ns = loop_now_ns(loop_of(session));
            session->progress_bytes = 0;
        }
        bytes -= payload;
        if (session->written_bytes == command->length_bytes)
            payload_complete(session);
    }
    session->in_end += bytes;
    assert(session->in_end <= SESSION_RECEIVE_BYTES);
}

static void received(struct completion *completion, int result)
{
    struct session *session = SESSION_OF(completion, receive);

    session->receiving = false;
    ports_mark_dirty(session->ports, session);
    if (session->state == SESSION_CLOSING) {
        give_up_writing(session);
        return;
    }
    if (result == 0 || (result < 0 && result != -EAGAIN && result != -EINTR)) {
        if (session->writing == NULL && result == 0)
            session_finish(session);
        else
            session_close(session);
        return;
    }
    if (result > 0) {
        count_up(&controller_of(session)->counters->bytes_received, result);
        if (session->receiving_payload)
            account_received(session, (uint32_t)result);
        else
            account_received_here(session, (uint32_t)result);
    }
    pump(session);
}

/* --- the handshake --- */

static void handshake_took_too_long(struct timer *timer)
{
    drop(SESSION_OF(timer, limit));
}

static void begin_transmission(struct session *session)
{
    const struct negotiate *negotiate = &session->negotiate;

    loop_timer_stop(loop_of(session), &session->limit);
    negotiate_agreed(negotiate, &session->agreed);
    session->volume = (uint32_t)negotiate->info.volume;
    session->contexts = 0;
    if ((negotiate->selected_contexts & CONTEXT_BASE_ALLOCATION) != 0)
        session->contexts |= ANSWER_ALLOCATION;
    if ((negotiate->selected_contexts & CONTEXT_ANYPORT_LOCATION) != 0)
        session->contexts |= ANSWER_LOCATION;
    session->state = SESSION_TRANSMISSION;
}

/* One step: what came out is sent before the next. The answer's heads serve as the output buffer.
 */
static void pump_handshake(struct session *session)
{
    struct answer *answer = &session->answer;
    size_t consumed, out_bytes;

    if (session->send_active)
        return;
    answer_begin(answer);
    bool more =
        negotiate_step(&session->negotiate, session->in + session->in_first, in_bytes(session),
                       &consumed, answer->heads, sizeof answer->heads, &out_bytes);
    session->in_first += (uint32_t)consumed;
    session->ending = session->negotiate.phase == NEGOTIATE_CLOSED;
    if (session->negotiate.phase == NEGOTIATE_TRANSMISSION)
        begin_transmission(session);
    if (out_bytes > 0) {
        answer->vectors[0] = (struct iovec){.iov_base = answer->heads, .iov_len = out_bytes};
        answer->vectors_count = 1;
        answer->bytes = out_bytes;
        start_send(session);
    } else if (session->ending) {
        session_close(session);
    }
    assert(!more || out_bytes > 0);
}

int session_new(struct host_ports *ports, int fd)
{
    struct session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return -ENOMEM;
    session->in = malloc(SESSION_RECEIVE_BYTES);
    if (session->in == NULL) {
        free(session);
        return -ENOMEM;
    }
    session->ports = ports;
    session->fd = fd;
    session->receive.fire = received;
    session->send.fire = sent;
    session->limit.fire = handshake_took_too_long;
    session->waiter.fire = may_go_on;
    ports_add(ports, session);
    negotiate_begin(&session->negotiate, &ports->catalog);
    loop_timer_start(loop_of(session), &session->limit,
                     ports->limits.handshake_seconds * 1000000000ull);
    pump(session);
    return 0;
}
