/*
 * Requests become commands: what stands in a session's receive buffer is parsed, checked, given a
 * command and a buffer, and sent on its way.
 */
#include "hostif/request.h"

#include <errno.h>
#include <string.h>

#include "controller/cache/lend.h"
#include "controller/path/split_extents.h"
#include "hostif/ports.h"

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
static uint64_t buffer_bytes(const struct session *session, const struct nbd_request *request)
{
    if (!operations[request->type].wants_buffer || request->length_bytes == 0)
        return 0;
    return request->type == NBD_CMD_BLOCK_STATUS
               ? extents_buffer_bytes(session_controller(session), session->volume)
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
    int error = command_take(session_controller(session), bytes,
                             extents ? 0 : request->offset_bytes, &session->waiter, ret_command);

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
    command->virtual = NULL;
    command->shape = (struct payload_shape){0};
    command->offset_bytes = request->offset_bytes;
    command->length_bytes = request->length_bytes;
    command->status = 0;
    command->count = 0;
    command->aggregate.status_offset_bytes = request->offset_bytes; /* if it goes no further */
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
    reply_send(session_controller(session), command);
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

/* The payload follows the header in the receive buffer, whole or (a long one) in part. */
void request_take_payload(struct session *session, struct command *command)
{
    uint64_t here = session_in_bytes(session);

    if (here > command->length_bytes - session->written_bytes)
        here = command->length_bytes - session->written_bytes;
    for (uint64_t run_bytes; here > 0; here -= run_bytes) {
        uint8_t *place =
            command->payload + command_place(command, (int64_t)session->written_bytes, &run_bytes);
        if (run_bytes > here)
            run_bytes = here;
        memcpy(place, session->in + session->in_first, run_bytes);
        session->in_first += (uint32_t)run_bytes;
        session->written_bytes += run_bytes;
    }
}

void request_payload_complete(struct session *session)
{
    struct command *command = session->writing;

    session->writing = NULL;
    command_start(session_controller(session), command, STAGE_MAP);
}

/* 0: consumed. -EAGAIN: more bytes, or a command, are needed first: nothing consumed. Others: drop
 * the connection. */
static int handle_request(struct session *session, const struct nbd_request *request)
{
    uint64_t payload_bytes = nbd_request_payload_bytes(request);
    struct command *command;
    struct mapping_place place;
    int status = nbd_request_check(request, &session->agreed);
    int error;

    if (status != 0 || (request->length_bytes == 0 && request->type != NBD_CMD_FLUSH))
        return refuse(session, request, status);
    if (payload_bytes <= SESSION_SHORT_BYTES &&
        session_in_bytes(session) < NBD_REQUEST_BYTES + payload_bytes) {
        session->after_long = false;
        return -EAGAIN;
    }
    bool lends = request->type == NBD_CMD_WRITE &&
                 cache_lends(session_controller(session), session->volume, request->offset_bytes,
                             request->length_bytes, command_flags_of(request), &place);
    error = take_command(session, request, lends ? 0 : buffer_bytes(session, request), &command);
    if (error == -ENOMEM)
        return refuse(session, request, error);
    if (error != 0)
        return error;
    session->in_first += NBD_REQUEST_BYTES;
    fill_command(session, request, command);
    if (lends)
        cache_lend(session_controller(session), command, &place);
    if (payload_bytes == 0) {
        session->after_long = false;
        command_start(session_controller(session), command, STAGE_MAP);
        return 0;
    }
    session->after_long = payload_bytes > SESSION_SHORT_BYTES;
    session->writing = command;
    session->written_bytes = 0;
    session->progress_ns = loop_now_ns(session_loop(session));
    session->progress_bytes = 0;
    request_take_payload(session, command);
    if (session->written_bytes == command->length_bytes)
        request_payload_complete(session);
    return 0;
}

static void discard(struct session *session)
{
    uint64_t here = session_in_bytes(session);

    if (here > session->discard_bytes)
        here = session->discard_bytes;
    session->in_first += (uint32_t)here;
    session->discard_bytes -= here;
}

/* Handles the next request in the receive buffer. 0 or as handle_request. */
static int next_request(struct session *session)
{
    struct nbd_request request;

    switch (
        nbd_parse_request(session->in + session->in_first, session_in_bytes(session), &request)) {
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
void request_take_all(struct session *session)
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
            session_drop(session);
            return;
        }
    }
}
