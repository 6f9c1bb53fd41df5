/*
 * Slots: what is published by which transition.
 *
 *      post        writes the request, then the word   (release; read by claim)
 *      claim       compares and swaps the word, then reads the request
 *      complete    writes the answer, then swaps the word (release; read by slot_is_done)
 *      free        ends the source's reading of the answer, then the word
 *
 * The word that each transition expects is known in full from its arguments, so it is one
 * compare-and-swap without a load before it: one transfer of the cache line instead of two.
 *
 * Request and answer need no protection of their own: by invariants 1 to 3 one side alone touches
 * them in each state. Retract keeps this only because its target is dead, not merely suspected: a
 * process that still ran could go on reading the request of the command before, or writing the
 * answer of a claim that it has lost. Withdraw needs no death, for it leaves alone what was
 * claimed, and a claim that fails has read nothing. What is published is a plain copy; what is
 * fetched is loaded word by word, so that no value is looked at twice in memory that another
 * process can write.
 */
#include "shm/slot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shm/crash_point.h"

/* The fields in the middle of a ring entry. */
enum {
    DOORBELL_INDEX_SHIFT = 8,
    DOORBELL_INDEX_MAX = 0xffff,
    DOORBELL_RELAY_SHIFT = 24,
    DOORBELL_RELAY_MAX = 3,
    DOORBELL_PARTY_SHIFT = 26,
    DOORBELL_PARTY_MAX = 63,
};

_Static_assert((int)SLOTS_MAX <= (int)DOORBELL_INDEX_MAX, "an index fits its field");
_Static_assert((int)CONTROLLERS_MAX - 1 <= (int)DOORBELL_PARTY_MAX, "a party fits its field");
_Static_assert((int)DOORBELL_RELAYS - 1 <= (int)DOORBELL_RELAY_MAX,
               "so does what it is to the entry");
_Static_assert(CONTROLLERS_MAX <= UINT8_MAX, "a seat fits its field");

static uint64_t word_pack(uint32_t generation, uint16_t epoch, uint8_t seat, enum slot_state state)
{
    return (uint64_t)generation << 32 | (uint64_t)epoch << 16 | (uint64_t)seat << 8 | state;
}

static uint64_t word_free_after(uint32_t generation)
{
    return word_pack(generation + 1, 0, 0, SLOT_FREE);
}

/* Copies from shared memory, loading each word once. */
static void fetch(void *ret, const void *shared, size_t bytes)
{
    const _Atomic uint64_t *from = shared;
    uint64_t *to = ret;

    /* relaxed: the transition that led to this state was read with acquire */
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        to[i] = load_relaxed(&from[i]);
}

_Static_assert(sizeof(struct slot_request) % sizeof(uint64_t) == 0, "fetched by words");
_Static_assert(sizeof(struct slot_answer) % sizeof(uint64_t) == 0, "fetched by words");

uint64_t doorbell_pack(struct doorbell doorbell)
{
    assert(doorbell.index < SLOTS_MAX && doorbell.party < CONTROLLERS_MAX);
    return (uint64_t)doorbell.generation << 32 | (uint64_t)doorbell.party << DOORBELL_PARTY_SHIFT |
           (uint64_t)doorbell.relay << DOORBELL_RELAY_SHIFT |
           (uint64_t)doorbell.index << DOORBELL_INDEX_SHIFT | doorbell.kind;
}

bool doorbell_unpack(uint64_t entry, uint32_t slots, struct doorbell *ret_doorbell)
{
    uint32_t kind = entry & 0xff;
    uint32_t index = entry >> DOORBELL_INDEX_SHIFT & DOORBELL_INDEX_MAX;
    uint32_t relay = entry >> DOORBELL_RELAY_SHIFT & DOORBELL_RELAY_MAX;
    uint32_t party = entry >> DOORBELL_PARTY_SHIFT & DOORBELL_PARTY_MAX;

    bool of_slot = kind == DOORBELL_REQUEST || kind == DOORBELL_ANSWER;
    if (kind == 0 || kind >= DOORBELL_KINDS || relay >= DOORBELL_RELAYS ||
        index >= (of_slot ? slots : SLOTS_MAX) || (relay == DOORBELL_DIRECT && party != 0))
        return false;
    *ret_doorbell = (struct doorbell){.generation = (uint32_t)(entry >> 32),
                                      .index = index,
                                      .kind = (enum doorbell_kind)kind,
                                      .relay = (enum doorbell_relay)relay,
                                      .party = (uint8_t)party};
    return true;
}

void slots_init(struct slot *slots, uint32_t count, uint32_t first_generation)
{
    assert(count >= SLOTS_MIN && count <= SLOTS_MAX);
    memset(slots, 0, count * sizeof(*slots));
    /* relaxed: nobody else knows these slots yet */
    for (uint32_t i = 0; i < count; i++)
        store_relaxed(&slots[i].state, word_pack(first_generation, 0, 0, SLOT_FREE));
}

void slots_renew(struct slot *slots, uint32_t count)
{
    /* relaxed: nobody else uses them; peers that are told of one see it by its next post */
    for (uint32_t i = 0; i < count; i++)
        store_relaxed(&slots[i].state,
                      word_free_after(slot_word_generation(load_relaxed(&slots[i].state))));
}

uint32_t slot_post(struct slot *slot, const struct slot_request *request, uint8_t source,
                   uint16_t epoch)
{
    /* relaxed: only we, the source, write the word while it is FREE */
    uint32_t generation = slot_word_generation(load_relaxed(&slot->state));

    /* That the word says FREE is not asserted: a peer may have scribbled over it, and any
     * generation is as good as another. */
    assert(source < CONTROLLERS_MAX);
    slot->request = *request;
    CRASH_POINT("slot.written");
    /* pairs with the swap in slot_claim: who wins it sees the request */
    store_release(&slot->state, word_pack(generation, epoch, source, SLOT_POSTED));
    return generation;
}

bool slot_claim(struct slot *slot, uint32_t generation, uint8_t source, uint16_t source_epoch,
                uint8_t claimant, uint16_t claimant_epoch, struct slot_request *ret_request)
{
    uint64_t posted = word_pack(generation, source_epoch, source, SLOT_POSTED);
    uint64_t claimed = word_pack(generation, claimant_epoch, claimant, SLOT_CLAIMED);

    assert(claimant < CONTROLLERS_MAX);
    /* pairs with slot_post: the request is complete; and with the swaps of other claimants and of
     * slot_retract: one of us wins */
    if (!cas_acq_rel(&slot->state, &posted, claimed))
        return false;
    CRASH_POINT("slot.claimed");
    fetch(ret_request, &slot->request, sizeof(slot->request));
    return true;
}

bool slot_complete(struct slot *slot, uint32_t generation, uint8_t claimant, uint16_t epoch,
                   const struct slot_answer *answer)
{
    uint64_t claimed = word_pack(generation, epoch, claimant, SLOT_CLAIMED);

    /* Looked at before writing: after a retract the answer is not ours to write. */
    if (load_acquire(&slot->state) != claimed)
        return false;
    slot->answer = *answer;
    CRASH_POINT("slot.answered");
    /* pairs with slot_is_done: the source sees the answer; and with the swap in slot_retract */
    return cas_acq_rel(&slot->state, &claimed, word_pack(generation, epoch, claimant, SLOT_DONE));
}

bool slot_is_done(struct slot *slot, uint32_t generation, struct slot_answer *ret_answer)
{
    uint64_t word = load_acquire(&slot->state); /* of slot_complete */

    if (slot_word_state(word) != SLOT_DONE || slot_word_generation(word) != generation)
        return false;
    fetch(ret_answer, &slot->answer, sizeof(slot->answer));
    return true;
}

bool slot_is_done_by(const struct slot *slot, uint32_t generation, uint8_t claimant, uint16_t epoch)
{
    return load_acquire(&slot->state) == word_pack(generation, epoch, claimant, SLOT_DONE);
}

void slot_free(struct slot *slot)
{
    /* relaxed: only we, the source, write the word while it is DONE; not asserted, as in post */
    uint64_t word = load_relaxed(&slot->state);

    /* pairs with the swap in slot_claim, by way of the next post: the next answer is written after
     * this one was read */
    store_release(&slot->state, word_free_after(slot_word_generation(word)));
}

bool slot_retract(struct slot *slot, uint32_t generation, bool *ret_was_claimed)
{
    uint64_t word = load_acquire(&slot->state);

    /* A target's last steps may still come in between, but only these two: POSTED becomes CLAIMED,
     * CLAIMED becomes DONE. */
    for (int attempts = 0; attempts < 3; attempts++) {
        enum slot_state state = slot_word_state(word);
        if (slot_word_generation(word) != generation)
            return false;
        if (state != SLOT_POSTED && state != SLOT_CLAIMED)
            return false;
        /* pairs with the swaps in slot_claim and slot_complete: one of us wins */
        if (cas_acq_rel(&slot->state, &word, word_free_after(generation))) {
            *ret_was_claimed = state == SLOT_CLAIMED;
            return true;
        }
    }
    return false;
}

bool slot_withdraw(struct slot *slot, uint32_t generation, uint8_t source, uint16_t epoch)
{
    uint64_t posted = word_pack(generation, epoch, source, SLOT_POSTED);

    /* pairs with the swap in slot_claim: one of us wins, and who loses there reads nothing */
    return cas_acq_rel(&slot->state, &posted, word_free_after(generation));
}

void slot_seize(struct slot *slot, uint32_t generation)
{
    /* pairs with the swap in slot_claim, by way of the next post, as in slot_free */
    store_release(&slot->state, word_free_after(generation));
}

int slot_table_init(struct slot_table *table, struct slot *slots, uint32_t count)
{
    assert(count >= SLOTS_MIN && count <= SLOTS_MAX);
    uint32_t *free_indices = malloc(count * sizeof(*free_indices));
    if (!free_indices)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        free_indices[i] = count - 1 - i;
    *table = (struct slot_table){
        .slots = slots, .count = count, .free_count = count, .free_indices = free_indices};
    return 0;
}

void slot_table_done(struct slot_table *table)
{
    free(table->free_indices);
    *table = (struct slot_table){0};
}

int slot_table_take(struct slot_table *table, uint32_t *ret_index)
{
    if (table->free_count == 0)
        return -ENOBUFS;
    *ret_index = table->free_indices[--table->free_count];
    return 0;
}

void slot_table_give(struct slot_table *table, uint32_t index)
{
    assert(index < table->count);
    assert(table->free_count < table->count);
    table->free_indices[table->free_count++] = index;
}
