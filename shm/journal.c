#include "shm/journal.h"

#include "shm/redo.h"
#include "shm/seat.h"
#include "shm/segment.h"

uint64_t journal_take_sequence(struct journal_shared *shared, struct seat *seat, bool is_first)
{
    if (is_first)
        /* pairs with journal_horizon, by way of the addition: who finds a sequence that is higher
         * than ours finds that we are open. */
        store_release(&seat->journal_open, load_acquire(&shared->sequence));
    return add_seq_cst(&shared->sequence, 1);
}

void journal_set_open(struct seat *seat, uint64_t sequence)
{
    /* pairs with journal_horizon: what the batches before say has been written. */
    store_release(&seat->journal_open, sequence);
}

static bool is_over(const struct segment *segment, uint32_t id)
{
    return seat_is_gone(seat_state(segment_seat(segment, id))) && !redo_pending_slices(segment, id);
}

uint64_t journal_horizon(const struct segment *segment)
{
    /* pairs with the addition in journal_take_sequence; it must come before the loads below. */
    uint64_t horizon = load_acquire(&segment_header(segment)->journal.sequence);

    for (uint32_t id = 0; id < segment->geometry.controllers; id++) {
        /* pairs with journal_set_open and journal_take_sequence */
        uint64_t open = load_acquire(&segment_seat(segment, id)->journal_open);
        if (open != JOURNAL_NONE_OPEN && open < horizon && !is_over(segment, id))
            horizon = open;
    }
    return horizon;
}

static void raise(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t found = load_acquire(word); /* pairs with the swap below, of another controller */

    while (found < value) {
        /* pairs with the loads of those who go by the word: what was made durable before. */
        if (cas_acq_rel(word, &found, value))
            return;
    }
}

void journal_raise_replay_from(struct journal_shared *shared, uint64_t sequence)
{
    raise(&shared->replay_from, sequence);
}

void journal_note_latest(_Atomic uint64_t *latest, uint64_t sequence)
{
    raise(latest, sequence);
}
