/*
 * Peers: this controller's interconnect ports. To each other controller there is a link on each
 * fabric and back; requests and answers are doorbells on it, the truth is in the slots
 * (shm/slot.h).
 *
 * What is sent during a turn is collected in an outbox for each link (outbox.h) and published once,
 * at the turn's end. Which link it leaves by is said by the peer's way (ways.h).
 */
#ifndef CONTROLLER_PATH_PEER_H
#define CONTROLLER_PATH_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/path/outbox.h"
#include "controller/path/ways.h"
#include "shm/layout.h"

struct controller;
struct command;
struct pool;

/* A buffer that a dead peer's I/O may still reach; given back when the seat is DRAINED. */
struct quarantined {
    struct pool *pool;
    uint64_t offset_bytes; /* in the pool */
    uint64_t claimants; /* mask of the peers whose I/O it was, those before this one not counted */
    struct quarantined *next;
};

struct peer {
    struct seat *seat;
    struct slot *slots; /* the peer's */
    struct outbox outboxes[FABRICS];
    struct link *in[FABRICS];
    struct ring_consumer consumers[FABRICS];
    bool in_failed[FABRICS];  /* nothing comes on this fabric; as ways_update found */
    struct way way;           /* to it */
    bool way_back;            /* there is one from it to us */
    uint64_t cut_since_ns;    /* when there was last a way there and back; 0: there is one */
    bool quiet_in, quiet_out; /* as a sweep began: nothing is under way from it, to it */
    uint8_t turn_fabric;      /* where fabrics share the load: the one that is next */
    bool cut_said;            /* on stderr, of this cut */
    uint32_t in_flight;       /* our slots that it has */
    int doorbell_fd;
    uint16_t epoch; /* of the life that is spoken to */
    uint8_t id;
    bool lost;          /* dead or damaged: nothing is sent to it, nothing of it is believed */
    bool drained;       /* and its I/O has landed */
    bool settled;       /* it has died, and what its cache had not written was looked for */
    bool starts;        /* a new life has begun there, and does not run yet; lost as well */
    uint32_t awaited;   /* epoch of a life that is to begin; 0: none (peer_lives.c) */
    bool recovered;     /* what it had begun is done, and what it had reserved has been given up */
    bool lingers;       /* what it had begun is done, and its payload may still be read */
    uint32_t executing; /* its commands that we work on */
    struct quarantined *quarantine;
};

/* No way leads to it, or none back. */
static inline bool peer_is_cut(const struct peer *peer)
{
    return peer->cut_since_ns != 0;
}

struct peers {
    struct peer *all; /* by seat; our own entry is unused */
    uint32_t count;
    uint32_t self;
    uint64_t *taken_back; /* room for what one link did not deliver */
    uint32_t taken_back_max;
    uint64_t
        next_due_ns; /* when the first entry is due that waits for its time; UINT64_MAX: none */
};

/* 0, -ENOMEM or -EPROTO. */
int peers_init(struct controller *controller, const int *doorbells);
void peers_done(struct controller *controller);

/* Whether nothing is left here of a life that is over. */
bool peer_is_over(const struct peer *peer);

/* Such a peer gets a new life, of this epoch: makes the rings to it and from it anew. It is a peer
 * again when its seat is RUNNING with this epoch. 0, or -EPROTO. */
int peer_await(struct controller *controller, uint32_t peer, uint32_t life);

/* Makes both rings between us and a peer that is gone empty, before anybody attaches to them. */
void peer_begin_links(struct controller *controller, uint32_t peer);

/* First of all when a seat is looked at: whether another life has begun in it. */
void peer_look_at_life(struct controller *controller, struct peer *peer);

/* Whether any ring holds something for us, or has room again for what we hold; loads only. */
bool peers_have_entries(const struct controller *controller);

/* Takes what is there, as far as there are commands to hold it: claims requests and starts them,
 * hands answers to redirect. Returns how many entries were taken. */
uint32_t peers_receive(struct controller *controller);

/* Queues a doorbell for the end of the turn, or for when a model says that it has arrived together
 * with `payload_bytes`. Where no way leads to the target nothing happens: sweeps find what was not
 * said. */
void peer_post_with(struct controller *controller, uint32_t target, struct doorbell doorbell,
                    uint64_t payload_bytes);
static inline void peer_post(struct controller *controller, uint32_t target,
                             struct doorbell doorbell)
{
    peer_post_with(controller, target, doorbell, 0);
}

/* Whether what waits for its time is due so soon that sleeping would miss it. */
bool peers_have_something_due(const struct controller *controller);

/* Passes on a doorbell of another controller on this fabric, as it is. */
void peer_pass_on(struct controller *controller, uint32_t target, struct doorbell doorbell,
                  uint32_t fabric);

/* Publishes all outboxes, as far as their entries are due, and rings those that sleep. Sets the
 * timer for the rest. */
void peers_flush(struct controller *controller);

/* Rings those that sleep: the membership was raised. */
void peers_wake(struct controller *controller);

/* Looks at all seats: after the membership changed, and while anything is outstanding. */
void peers_look_at_seats(struct controller *controller);

/* Whether nobody works any more on what a peer that is gone had asked for: then its reservations
 * protect nothing but what it had begun itself. Its own elements are nobody's, whatever lands on
 * them. */
bool peers_are_done_with(const struct controller *controller, uint32_t dead);

/* Whether a dead peer's reservations have still to be given up. */
bool peers_recovering(const struct controller *controller);

/* Stops believing a peer (dead, or its shared memory is damaged) and fails what it had been sent.
 * With a reason, it may be alive: our seat says that we refuse it, and its next sweep reads that.
 */
void peer_lose(struct controller *controller, uint32_t peer, const char *why);

/* Takes the buffer of a command whose lost_claimants may still reach it, and keeps it until the I/O
 * of all of them has landed. A command without a buffer keeps nothing. */
void peer_quarantine(struct controller *controller, struct command *command);

/* The same with memory of any pool: what was taken at `offset_bytes` of it. */
void peer_quarantine_memory(struct controller *controller, struct pool *pool, uint64_t offset_bytes,
                            uint64_t claimants);

#endif
