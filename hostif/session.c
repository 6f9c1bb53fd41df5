#include "hostif/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostif/ports.h"
#include "hostif/request.h"

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
    command_give(session_controller(session), command);
}

/* It asks for nothing more, and waits for nothing. */
static void stop_work(struct session *session)
{
    loop_timer_stop(session_loop(session), &session->limit);
    command_stop_waiting(session_controller(session), &session->waiter);
    if (session->waiting) /* it may have been what those behind it waited for */
        command_wake_waiters(session_controller(session));
    session->waiting = false;
    if (!session->receiving) /* else the kernel may still write into it: when that has ended */
        give_up_writing(session);
    ports_mark_dirty(session->ports, session);
}

void session_hang_up(struct session *session)
{
    if (session->state == SESSION_CLOSING)
        return;
    session->state = SESSION_CLOSING;
    stop_work(session);
    /* Ends the receive and the send that are in flight. */
    (void)shutdown(session->fd, SHUT_RDWR);
}

static void lingered_long_enough(struct timer *timer)
{
    session_hang_up(SESSION_OF(timer, limit));
}

static void throw_away(struct session *session)
{
    session->receiving = true;
    loop_receive(session_loop(session), session->fd, session->in, SESSION_RECEIVE_BYTES,
                 &session->receive);
}

/* Closed while there is input that nobody has read, a TCP connection is reset, and what the kernel
 * has not yet delivered of our answers is lost. So our side is shut, and what comes is read and
 * thrown away until the host closes its side too, for a while. */
static void linger(struct session *session)
{
    session->state = SESSION_LINGERING;
    stop_work(session);
    (void)shutdown(session->fd, SHUT_WR);
    session->limit.fire = lingered_long_enough;
    loop_timer_start(session_loop(session), &session->limit, SESSION_LINGER_MS * 1000000ull);
    if (!session->receiving)
        throw_away(session);
}

static void received_while_lingering(struct session *session, int result)
{
    give_up_writing(session);
    if (result > 0)
        session->lingered_bytes += (uint64_t)result;
    if (result == 0 || (result < 0 && result != -EAGAIN && result != -EINTR) ||
        session->lingered_bytes > SESSION_LINGER_BYTES_MAX)
        session_hang_up(session);
    else
        throw_away(session);
}

void session_close(struct session *session)
{
    if (session->state >= SESSION_LINGERING)
        return;
    if (session->tcp && !session->end_of_file)
        linger(session);
    else
        session_hang_up(session);
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

void session_drop(struct session *session)
{
    count_up(&session_controller(session)->counters->connections_dropped, 1);
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
        command_give(session_controller(session), command);
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

const struct command_origin session_origin = {
    .name = "host", .host = true, .travels = true, .finds = true, .reply = reply_to_host};

static void start_send(struct session *session)
{
    session->send_message = (struct msghdr){.msg_iov = session->answer.vectors,
                                            .msg_iovlen = session->answer.vectors_count};
    session->sent_bytes = 0;
    session->send_active = true;
    session->send_progress_ns = loop_now_ns(session_loop(session));
    loop_send_vector(session_loop(session), session->fd, &session->send_message, &session->send);
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
    loop_send_vector(session_loop(session), session->fd, message, &session->send);
}

static void sent(struct completion *completion, int result)
{
    struct session *session = SESSION_OF(completion, send);

    session->send_active = false;
    session->send_progress_ns = loop_now_ns(session_loop(session));
    ports_mark_dirty(session->ports, session);
    if (result == -EINTR) /* nothing went out: as if in part */
        result = 0;
    else if (result <= 0)
        session_hang_up(session);
    if (result > 0) {
        count_up(&session_controller(session)->counters->bytes_sent, result);
        session->sent_bytes += (uint64_t)result;
    }
    if (session->sent_bytes < session->answer.bytes && session->state < SESSION_LINGERING) {
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
    if (session->state >= SESSION_LINGERING) {
        if (!session->send_active)
            give_all(session, &session->ready);
        if (is_over(session))
            session_free(session);
    } else if (!session->send_active && session->ready.head != NULL) {
        send_ready(session);
    }
}

/* --- receiving --- */

static void make_room(struct session *session)
{
    uint32_t here = session_in_bytes(session);

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

    uint64_t named_bytes;
    uint32_t count = command_name_places(command, (int64_t)session->written_bytes,
                                         (int64_t)command->length_bytes, session->receive_vectors,
                                         SESSION_PAYLOAD_VECTORS, &named_bytes);

    assert(named_bytes == command->length_bytes - session->written_bytes);
    session->receive_vectors[count++] = (struct iovec){.iov_base = session->in + session->in_end,
                                                       .iov_len = SESSION_AFTER_LONG_BYTES};
    session->receive_message =
        (struct msghdr){.msg_iov = session->receive_vectors, .msg_iovlen = count};
    loop_receive_vector(session_loop(session), session->fd, &session->receive_message,
                        &session->receive);
}

static uint32_t receive_room(const struct session *session)
{
    uint32_t room = SESSION_RECEIVE_BYTES - session->in_end;

    return session->after_long && room > SESSION_AFTER_LONG_BYTES ? SESSION_AFTER_LONG_BYTES : room;
}

static void start_receive(struct session *session)
{
    if (session->receiving || session->ending || session->end_of_file ||
        session->state >= SESSION_LINGERING)
        return;
    make_room(session);
    if (session->in_end == SESSION_RECEIVE_BYTES)
        return;
    session->receiving = true;
    session->receiving_payload = session->writing != NULL;
    if (session->receiving_payload)
        receive_payload(session);
    else
        loop_receive(session_loop(session), session->fd, session->in + session->in_end,
                     receive_room(session), &session->receive);
}

static void pump_handshake(struct session *session);

static void pump(struct session *session)
{
    if (session->state == SESSION_HANDSHAKE)
        pump_handshake(session);
    if (session->state == SESSION_TRANSMISSION)
        request_take_all(session);
    if (session->end_of_file && session->in_flight == 0 && !session->waiting)
        session_finish(session);
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
    request_take_payload(session, command);
    session->progress_ns = loop_now_ns(session_loop(session));
    if (session->written_bytes == command->length_bytes)
        request_payload_complete(session);
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
            session->progress_ns = loop_now_ns(session_loop(session));
            session->progress_bytes = 0;
        }
        bytes -= payload;
        if (session->written_bytes == command->length_bytes)
            request_payload_complete(session);
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
    if (session->state == SESSION_LINGERING) {
        received_while_lingering(session, result);
        return;
    }
    if (result == 0 || (result < 0 && result != -EAGAIN && result != -EINTR)) {
        session->end_of_file = result == 0 && session->writing == NULL;
        if (session->end_of_file)
            pump(session); /* what it had asked before is answered */
        else
            session_hang_up(session);
        return;
    }
    if (result > 0) {
        count_up(&session_controller(session)->counters->bytes_received, result);
        session_controller(session)->receives++;
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
    session_drop(SESSION_OF(timer, limit));
}

static void begin_transmission(struct session *session)
{
    const struct negotiate *negotiate = &session->negotiate;

    loop_timer_stop(session_loop(session), &session->limit);
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
    bool more = negotiate_step(&session->negotiate, session->in + session->in_first,
                               session_in_bytes(session), &consumed, answer->heads,
                               sizeof answer->heads, &out_bytes);
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

int session_new(struct host_ports *ports, int fd, bool tcp)
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
    session->tcp = tcp;
    session->volume = SESSION_NO_VOLUME;
    session->receive.fire = received;
    session->send.fire = sent;
    session->limit.fire = handshake_took_too_long;
    session->waiter.fire = may_go_on;
    ports_add(ports, session);
    negotiate_begin(&session->negotiate, &ports->catalog);
    loop_timer_start(session_loop(session), &session->limit,
                     ports->limits.handshake_seconds * 1000000000ull);
    pump(session);
    return 0;
}
