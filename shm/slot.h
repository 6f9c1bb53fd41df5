/*
 * A slot: one component command on its way from a source controller to a target and back.
 *
 * The slot holds the truth; the ring entry that announces it is only a doorbell. One that arrives
 * twice loses the compare-and-swap, one that is lost is found by looking at POSTED slots.
 *
 *      offset 0    state           the word below
 *      offset 8    sequence        source's number of the host command that this is a part of
 *      offset 16   op, flags       what to do (path/command.h)
 *      offset 18   target          seat
 *      offset 20   first_bytes     shape of the payload (path/payload.h)
 *      offset 24   element, volume
 *      offset 32   offset_bytes    on the element
 *      offset 40   length_bytes
 *      offset 48   buffer          offset of the payload's first byte in the segment
 *      offset 56   chunk_bytes, stride_bytes
 *      offset 64   status, count   answer: 0 or -errno; extents returned
 *      offset 72   answer_bytes    answer: valid payload bytes in the buffer
 *
 *      state word  63..32 generation | 31..16 epoch | 15..8 claimant seat | 7..0 state
 *
 *      FREE --post--> POSTED --claim--> CLAIMED --complete--> DONE --free--> FREE, generation + 1
 *           source            target             target             source
 *
 * Invariants
 *  1. Only the source leaves FREE and DONE; only a target leaves POSTED and CLAIMED. The exception
 *     is retract: the source takes back a slot whose target has died (POSTED or CLAIMED -> FREE),
 *     or withdraw: one that no way led to (POSTED -> FREE).
 *  2. The request (offsets 8 to 63) is written by the source in FREE and constant until FREE.
 *  3. The answer (offsets 64 to 79) is written by the claimant in CLAIMED and constant in DONE.
 *  4. The generation grows at each return to FREE, so an old ring entry matches nothing.
 *  5. epoch is that of the seat named in the word: the source's while POSTED, the claimant's from
 *     CLAIMED on. Whoever was declared dead has an old epoch, and nothing it publishes counts.
 */
#ifndef SHM_SLOT_H
#define SHM_SLOT_H

#include <stddef.h>

#include "shm/atomic.h"
#include "shm/limits.h"

enum slot_state { SLOT_FREE = 0, SLOT_POSTED, SLOT_CLAIMED, SLOT_DONE };

/* What a source asks; a plain copy, so that it is read from shared memory once and then trusted
 * only as far as it was checked. */
struct slot_request {
    uint64_t sequence;
    uint8_t op;
    uint8_t flags;
    uint8_t target;
    uint8_t reserved; /* 0 */
    uint32_t first_bytes;
    uint32_t element;
    uint32_t volume;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint64_t buffer;
    uint32_t chunk_bytes;
    uint32_t stride_bytes;
};

struct slot_answer {
    int32_t status; /* 0 or -errno */
    uint32_t count;
    uint64_t answer_bytes;
};

struct slot {
    _Alignas(CACHELINE_BYTES) _Atomic uint64_t state;
    struct slot_request request;
    struct slot_answer answer;
    uint8_t unused[48];
};

_Static_assert(sizeof(struct slot_request) == 56, "as drawn above");
_Static_assert(offsetof(struct slot, request) == 8, "as drawn above");
_Static_assert(offsetof(struct slot, answer) == 64, "the answer has a cache line of its own");
_Static_assert(sizeof(struct slot) == 128, "two cache lines");

/* What a ring entry says: of a slot, or of the coordination table. */
enum doorbell_kind {
    DOORBELL_REQUEST = 1,
    DOORBELL_ANSWER,
    DOORBELL_HANDED, /* a reservation, to the command `index` with this generation (reserve.h) */
    DOORBELL_PLACES, /* there may be places in the coordination table again */
    DOORBELL_KINDS,
};

/* Where no link leads from one controller to another, a third one passes the entry on. */
enum doorbell_relay {
    DOORBELL_DIRECT = 0,
    DOORBELL_RELAY_TO,   /* pass it on to `party` */
    DOORBELL_RELAYED_OF, /* it was passed on; it is of `party` */
    DOORBELL_RELAYS,
};

struct doorbell {
    uint32_t generation;
    uint32_t index; /* below SLOTS_MAX */
    enum doorbell_kind kind;
    enum doorbell_relay relay;
    uint8_t party; /* a seat; DIRECT: 0 */
};

/* Ring entry: 63..32 generation | 31..26 party | 25..24 relay | 23..8 index | 7..0 kind. */
uint64_t doorbell_pack(struct doorbell doorbell);

/* False when the entry names no kind there is, or a slot of `slots` or more. */
bool doorbell_unpack(uint64_t entry, uint32_t slots, struct doorbell *ret_doorbell);

/* Makes all `count` slots FREE with generation `first_generation`. */
void slots_init(struct slot *slots, uint32_t count, uint32_t first_generation);

/* A new life of the source, before it uses them, when no target works for the last one: all of them
 * FREE, of a generation that nobody has seen. */
void slots_renew(struct slot *slots, uint32_t count);

/* Source, in FREE: publish a request. Returns the generation to put into the doorbell.
 * Wait-free. */
uint32_t slot_post(struct slot *slot, const struct slot_request *request, uint8_t source,
                   uint16_t epoch);

/* Target: POSTED of this generation and source epoch -> CLAIMED, and copy the request. False when
 * somebody else was faster, the entry was old, or the source has died since. Wait-free. */
bool slot_claim(struct slot *slot, uint32_t generation, uint8_t source, uint16_t source_epoch,
                uint8_t claimant, uint16_t claimant_epoch, struct slot_request *ret_request);

/* Target, in CLAIMED: publish the answer. False when the source has retracted the slot: then
 * nothing was published. Wait-free. */
bool slot_complete(struct slot *slot, uint32_t generation, uint8_t claimant, uint16_t epoch,
                   const struct slot_answer *answer);

/* Source: whether this generation is DONE, with the answer. */
bool slot_is_done(struct slot *slot, uint32_t generation, struct slot_answer *ret_answer);

/* Target: whether it has answered this generation, and the source has not taken the answer. */
bool slot_is_done_by(const struct slot *slot, uint32_t generation, uint8_t claimant,
                     uint16_t epoch);

/* Source, in DONE: FREE for the next command. */
void slot_free(struct slot *slot);

/* Source: take back a POSTED or CLAIMED slot whose target is dead. False when an answer came first
 * (DONE: take that instead). *ret_was_claimed says whether the target may still have I/O in flight
 * into the buffer. */
bool slot_retract(struct slot *slot, uint32_t generation, bool *ret_was_claimed);

/* Source: take back a slot that nobody has claimed, whatever its target is: one that lives loses
 * the compare-and-swap and touches nothing. False when it was claimed, or answered. Wait-free. */
bool slot_withdraw(struct slot *slot, uint32_t generation, uint8_t source, uint16_t epoch);

/* Source: take back a slot whose target is dead and whose word makes no sense: a peer scribbled
 * over it. The buffer is to be treated as claimed. */
void slot_seize(struct slot *slot, uint32_t generation);

/* Decode for status, trace and sweeping. */
static inline enum slot_state slot_word_state(uint64_t word)
{
    return (enum slot_state)(word & 0xff);
}
static inline uint32_t slot_word_generation(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* The source's private list of its free slots; last freed is first used, while it is warm. */
struct slot_table {
    struct slot *slots;
    uint32_t count;
    uint32_t free_count;
    uint32_t *free_indices; /* count of them; a stack */
};

/* Allocates the list (the slots stay where they are, in the segment): 0 or -ENOMEM. */
int slot_table_init(struct slot_table *table, struct slot *slots, uint32_t count);
void slot_table_done(struct slot_table *table);

/* -ENOBUFS when none is free. */
int slot_table_take(struct slot_table *table, uint32_t *ret_index);
void slot_table_give(struct slot_table *table, uint32_t index);

#endif
