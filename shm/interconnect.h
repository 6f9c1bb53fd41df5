/*
 * Models of the interconnect: when something that enters a link arrives (claims 12 to 14).
 *
 *      direct    at once. Nothing is computed, and nothing here is called.
 *      serial    each link has a wire of its own.
 *                      arrives = start + bytes / bandwidth + latency
 *      loop      all controllers of a fabric on one wire, which whoever sends has to itself. First
 *                the loop is arbitrated for, which takes one round; then the transfer passes the
 *                ports between source and target.
 *                      holds   = controllers * hop delay + bytes / bandwidth
 *                      arrives = start + holds + hops * hop delay + latency
 *      switch    each controller has a port, with one wire to the switch and one from it. The
 *                switch begins to pass a transfer on as soon as it begins to come, and keeps it
 *                when the port that it leaves by is busy.
 *                      at the switch = start + latency
 *                      arrives = start there + bytes / bandwidth
 *
 * `start` is when the wire is free: two transfers on one wire take twice as long. A wire is one
 * word in the segment, the time until which it is taken, that whoever sends moves on by a
 * compare-and-swap; a process that dies at that leaves a time behind that passes.
 *
 * Transfers have a wire in the order in which their senders took it, also when one that comes later
 * could have begun before one that was reserved ahead (at a switch's second wire).
 */
#ifndef SHM_INTERCONNECT_H
#define SHM_INTERCONNECT_H

#include "shm/segment.h"

/* What travels beside the payload. */
enum {
    INTERCONNECT_REQUEST_BYTES = 64, /* a ring entry and what a slot says of the request */
    INTERCONNECT_ANSWER_BYTES = 24,  /* a ring entry and what a slot says of the answer */
    INTERCONNECT_NOTICE_BYTES = 8,   /* a ring entry */
};

/* A transfer: `bytes` that enter a link at `enter_ns` (CLOCK_MONOTONIC). */
struct interconnect_transfer {
    uint32_t source, target, fabric;
    uint64_t bytes;
    uint64_t enter_ns;
};

/* Takes the wires that the transfer needs and counts it; returns when it has arrived wholly.
 * `settings` are the caller's copy of the segment's. Not to be called under the model `direct`.
 * Lock-free. */
uint64_t interconnect_pass(const struct segment *segment,
                           const struct interconnect_settings *settings,
                           const struct interconnect_transfer *transfer);

/* How long so many bytes take up a wire, rounded up; 0 when the bandwidth is 0: not limited. At
 * most 1 << 34 bytes. */
uint64_t wire_transfer_ns(uint64_t bytes, uint64_t bandwidth);

/* Takes a wire for `hold_ns`, from `enter_ns` on or when it is free; returns the beginning.
 * Lock-free: of several at once, one wins each time. */
uint64_t wire_take(_Atomic uint64_t *busy_until_ns, uint64_t enter_ns, uint64_t hold_ns);

#endif
