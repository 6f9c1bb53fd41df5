/*
 * A session: one host's connection, from accept to close.
 *
 *      HANDSHAKE ----> TRANSMISSION ----> CLOSING ----> freed
 *          |                                 ^
 *          +---------------------------------+   garbage, end of file, time limit, quiesce
 *
 * Receiving: bytes arrive in the session's own buffer, as many requests at once as the host has
 * sent. A write's payload is copied from there into a buffer of the pool, or, when it is long,
 * received there directly; or, where it becomes dirty blocks of the cache, into these
 * (controller/cache/lend.h). A short write takes its buffer only when all of its payload has
 * arrived, so a host that stops in the middle holds nothing that others need.
 *
 * Sending: answers wait in `ready` and go out together, once a turn, while nothing is being sent.
 *
 * Back-pressure: with SESSION_COMMANDS_MAX commands in flight, with its share of the buffers in
 * use, with SESSION_UNSENT_BYTES_MAX of answers that its host has not taken, or while it waits in
 * line for a command or a buffer, the session takes no further request; what comes meanwhile waits
 * in its receive buffer, and when that is full, in the socket.
 */
#ifndef HOSTIF_SESSION_H
#define HOSTIF_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/controller.h"
#include "hostif/answer.h"
#include "hostif/nbd_parse.h"
#include "hostif/negotiate.h"
#include "hostif/ports.h"

enum {
    SESSION_RECEIVE_BYTES = 256 << 10,
    SESSION_SHORT_BYTES = 64 << 10,     /* payload up to this is received in the session's buffer */
    SESSION_AFTER_LONG_BYTES = 4 << 10, /* read ahead behind a long payload, which is likely to be
                                           followed by another: its bytes would be copied */
    SESSION_UNSENT_BYTES_MAX = 768 << 10, /* more would leave the processor's cache, and buffers to
                                             hosts that do not read their answers */
    SESSION_PROGRESS_BYTES = 256 << 10,   /* of a long payload; less, again and again, is none */
    SESSION_PAYLOAD_VECTORS = CACHE_RUN_BLOCKS, /* places of a payload (controller/cache/lend.h) */
    SESSION_COMPACT_BYTES = 96 << 10,           /* room wanted at the end of the receive buffer */
    SESSION_DISCARD_BYTES_MAX = 64 << 20,       /* of a refused write; more: drop the connection */
    SESSION_LINGER_MS = 1000,            /* so long a host may take to read its last answers */
    SESSION_LINGER_BYTES_MAX = 64 << 20, /* and so much it may send meanwhile */
};

enum { SESSION_NO_VOLUME = UINT32_MAX };

_Static_assert(SESSION_RECEIVE_BYTES >= SESSION_SHORT_BYTES + NBD_REQUEST_BYTES,
               "a short write fits whole");
_Static_assert((int)SESSION_RECEIVE_BYTES >= (int)NEGOTIATE_INPUT_BYTES, "so does an option");

/* From LINGERING on nothing more is asked, answered or sent. */
enum session_state {
    SESSION_HANDSHAKE,
    SESSION_TRANSMISSION,
    SESSION_LINGERING, /* our side is shut; what the host still sends is read and thrown away */
    SESSION_CLOSING    /* freed as soon as the kernel has let go of it */
};

struct session {
    struct host_ports *ports;
    struct session *next, *previous; /* all sessions */
    struct session *next_dirty;      /* those to look at this turn */
    bool dirty;
    int fd;
    enum session_state state;
    bool ending; /* nothing more is read; it closes when all is answered */
    bool tcp;
    struct timer limit;      /* of the handshake, and of lingering */
    uint64_t lingered_bytes; /* thrown away while it lingers */

    /* receiving */
    struct completion receive;
    bool receiving;
    bool end_of_file;       /* the host sends no more */
    bool receiving_payload; /* directly into `writing`; else into our own buffer */
    uint8_t *in;            /* SESSION_RECEIVE_BYTES */
    uint32_t in_first, in_end;
    struct command *writing; /* its long payload is being received */
    uint64_t written_bytes;  /* of that payload */
    bool after_long;         /* the last write was a long one */
    uint64_t discard_bytes;  /* of a refused payload, still to come */
    uint64_t progress_ns;    /* when it began, or last came SESSION_PROGRESS_BYTES further */
    uint64_t progress_bytes; /* since then */
    struct msghdr receive_message;
    struct iovec receive_vectors[SESSION_PAYLOAD_VECTORS + 1];

    /* commands */
    struct command_waiter waiter;
    bool waiting;
    uint32_t in_flight;
    uint64_t held_bytes;          /* of buffers; of held_bytes_max, unless one command needs more */
    uint64_t unsent_bytes;        /* payload that was answered and not yet sent */
    struct command_queue ready;   /* answered, to be sent */
    struct command_queue sending; /* in the message that is being sent */

    /* sending */
    struct completion send;
    bool send_active;
    uint64_t send_progress_ns; /* when the message was handed over, or last moved */
    struct msghdr send_message;
    struct answer answer;
    uint64_t sent_bytes; /* of the message */

    /* what was agreed */
    struct nbd_agreed agreed;
    uint32_t volume;  /* SESSION_NO_VOLUME: none was agreed on yet */
    uint8_t contexts; /* ANSWER_ALLOCATION, ANSWER_LOCATION */
    struct negotiate negotiate;
};

/* Takes the connection over and begins the handshake. -ENOMEM: the descriptor is still the
 * caller's. */
int session_new(struct host_ports *ports, int fd, bool tcp);

/* An orderly end: nothing more is read, what is in flight is answered, then it closes. */
void session_finish(struct session *session);

/* Ends it: nothing more is taken or sent. What was sent before still reaches a host that reads it;
 * may be freed at the end of a turn. */
void session_close(struct session *session);

/* Ends it at once, whatever the host still has to read: it is gone, or stalls others. */
void session_hang_up(struct session *session);

/* Frees a session that its controller has left behind, at the end of the process. */
void session_discard(struct session *session);

/* Ends one that broke the rules. */
void session_drop(struct session *session);

/* What answers a host's commands; their `owner` is the session. */
extern const struct command_origin session_origin;

/* What is to be done once a turn for a session that is dirty: send, or free. */
void session_turn(struct session *session);

static inline struct controller *session_controller(const struct session *session)
{
    return session->ports->controller;
}

static inline struct loop *session_loop(const struct session *session)
{
    return session_controller(session)->loop;
}

/* Bytes received and not yet consumed. */
static inline uint32_t session_in_bytes(const struct session *session)
{
    return session->in_end - session->in_first;
}

#endif
