/*
 * The journal's ring: which batches are in it, where the next one goes, and which of them are open.
 */
#include <assert.h>

#include "controller/controller.h"
#include "controller/journal/journal.h"
#include "controller/path/split.h"

_Static_assert((JOURNAL_BATCHES_MAX & (JOURNAL_BATCHES_MAX - 1)) == 0,
               "numbers of batches may overflow");

void journal_drop_void(struct controller *controller)
{
    struct journal *journal = controller->journal;
    /* pairs with journal_raise_replay_from */
    uint64_t replay_from = load_acquire(&journal_shared_of(controller)->replay_from);

    while (journal->kept_begin != journal->open_begin &&
           journal_kept_at(journal, journal->kept_begin)->sequence < replay_from)
        journal->used_bytes -= journal_kept_at(journal, journal->kept_begin++)->taken_bytes;
    /* relaxed: a level for status. */
    store_relaxed(&controller->counters->journal_used_bytes, journal->used_bytes);
}

/* What is left of the ring behind the head, where a batch of so many bytes does not fit there. */
static uint64_t left_over_bytes(const struct journal *journal, uint64_t bytes)
{
    uint64_t rest = journal->ring_bytes - journal->head_bytes;

    return rest < bytes ? rest : 0;
}

bool journal_has_room(const struct journal *journal, uint64_t bytes)
{
    return journal->kept_end - journal->kept_begin < JOURNAL_BATCHES_MAX &&
           journal->used_bytes + left_over_bytes(journal, bytes) + bytes <= journal->ring_bytes;
}

/* Where the batch goes; it is open from now on. */
struct journal_kept *journal_take_room(struct controller *controller, uint32_t bytes,
                                       uint64_t *ret_place_bytes)
{
    struct journal *journal = controller->journal;
    bool is_first = journal->open_begin == journal->kept_end;
    uint64_t left_over = left_over_bytes(journal, bytes);
    struct journal_kept *kept = journal_kept_at(journal, journal->kept_end++);

    *ret_place_bytes = left_over > 0 ? 0 : journal->head_bytes;
    *kept = (struct journal_kept){
        .sequence =
            journal_take_sequence(journal_shared_of(controller), controller->seat, is_first),
        .taken_bytes = (uint32_t)(left_over + bytes),
    };
    journal->used_bytes += kept->taken_bytes;
    journal->head_bytes = (*ret_place_bytes + bytes) % journal->ring_bytes;
    return kept;
}

/* Those that are not open any more are void by the next checkpoint. */
void journal_say_what_is_open(struct controller *controller)
{
    struct journal *journal = controller->journal;
    uint32_t before = journal->open_begin;

    while (journal->open_begin != journal->kept_end &&
           journal_kept_at(journal, journal->open_begin)->open == 0)
        journal->open_begin++;
    if (journal->open_begin == before)
        return;
    journal_set_open(controller->seat,
                     journal->open_begin == journal->kept_end
                         ? JOURNAL_NONE_OPEN
                         : journal_kept_at(journal, journal->open_begin)->sequence);
}

void journal_end(struct controller *controller, struct command *command)
{
    struct journal_kept *kept =
        journal_kept_at(controller->journal, command->split->slices.journal_batch);

    assert(kept->open > 0);
    kept->open--;
    journal_say_what_is_open(controller);
}
