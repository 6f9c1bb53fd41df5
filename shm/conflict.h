/*
 * The conflict table (claim 17): commands that are held until a reservation is handed to them.
 *
 *      NONE --hold--> WAITING --hand-off--> HANDED --owner looks--> NONE (granted) or WAITING again
 *             owner      |       anybody
 *                        \--owner looks, or gives up--> NONE
 *
 * No wake-up is lost. A holder frees its word and then looks for entries; the owner of an entry
 * sets it WAITING and then looks once more whether it is grantable. One sees the other. When
 * several holders stand in the way, each looks after its own release, and the last one to release
 * finds the entry grantable.
 *
 *      owner of the entry                      holder
 *      entry.state = WAITING                   word = 0
 *      grantable? (look at the words)          look at the words, then at their entries' states
 *
 * A hand-off is the swap WAITING -> HANDED, of which one holder is the winner, and the winner
 * notifies. The notification is a hint and the predicate is the truth: whoever is notified looks at
 * it, and by order.h what was grantable still is. If a winner dies before it notifies, recovery
 * notifies whatever is HANDED again.
 */
#ifndef SHM_CONFLICT_H
#define SHM_CONFLICT_H

#include "shm/order.h"

enum conflict_state { CONFLICT_NONE = 0, CONFLICT_WAITING, CONFLICT_HANDED };

/* An absolute range of a volume, and the same in the words of one region. */
struct byte_range {
    uint64_t offset_bytes;
    uint64_t length_bytes;
};

static inline enum conflict_state conflict_state(uint64_t state)
{
    return (enum conflict_state)(state & 3);
}
static inline uint32_t conflict_seat(uint64_t state)
{
    return state >> 8 & 255;
}
static inline uint32_t conflict_epoch(uint64_t state)
{
    return state >> 16 & 255;
}
static inline uint32_t conflict_generation(uint64_t state)
{
    return (uint32_t)(state >> 32);
}
static inline uint64_t conflict_pack(enum conflict_state state, uint32_t seat, uint32_t epoch,
                                     uint32_t generation)
{
    return (uint64_t)generation << 32 | epoch << 16 | seat << 8 | state;
}

/* What a held command says of itself. */
struct conflict_claim {
    uint32_t volume;
    struct byte_range bytes;
    bool exclusive;
    uint32_t cookie;
    uint64_t since_ns;
};

/* Owner of the word at `place`: fills its entry, or sets it WAITING once more, and returns the new
 * generation. The caller looks at order_grantable afterwards. Wait-free. */
uint32_t conflict_hold(struct coordination *c, const struct region *region, uint32_t place,
                       const struct conflict_claim *claim);

/* Owner: the entry is not needed any more. Before its word is freed. */
void conflict_end(struct coordination *c, const struct region *region, uint32_t place);

/* After the word that stood at `place` was freed: hands the reservation to every held command that
 * conflicted with it and may go on now. `bytes` tells true conflicts from false ones in the
 * counters; NULL: not known. Bounded: a scope of places, each with a scan of its own. */
void conflict_hand_off(struct coordination *c, const struct region *region, uint32_t place,
                       uint64_t freed, const struct byte_range *bytes);

/* Hands on, or announces again, whatever is held in this structure and may go on: after a death,
 * for the dead one may have been just about to. */
void conflict_recover(struct coordination *c, const struct region *region);

/* Clears the entry beside the word of a dead controller; before that word is freed, so that an
 * entry never stays behind for the next owner of the place. */
void conflict_clear(const struct region *region, uint32_t place, uint32_t seat, uint32_t epoch);

#endif
