#include "shm/member_states.h"

#include <assert.h>

bool member_states_swap(struct volume_record *record, struct member_states *expected,
                        struct member_states desired)
{
    uint64_t word = member_states_pack(*expected);

    /* pairs with member_states_now */
    if (cas_acq_rel(&record->members_now, &word, member_states_pack(desired)))
        return true;
    *expected = member_states_unpack(word);
    return false;
}

void member_states_set_rebuilt(struct volume_record *record, uint64_t bytes)
{
    /* relaxed: whoever rebuilds is its only writer */
    assert(bytes >= load_relaxed(&record->rebuilt_bytes));
    /* pairs with member_states_rebuilt_bytes: what lies below is there */
    store_release(&record->rebuilt_bytes, bytes);
}

/* --- marking --- */

static uint32_t marked_mask(uint64_t word)
{
    return (uint32_t)word;
}

static uint32_t marked_generation(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint64_t marked_word(uint32_t generation, uint32_t mask)
{
    return (uint64_t)generation << 32 | mask;
}

/* The generation first: if a new run begins behind it, the marking adds nothing, whatever it saw.
 */
struct member_marking member_states_begin_marking(struct volume_record *record)
{
    uint64_t marked = load_acquire(&record->members_marked);

    return (struct member_marking){.absent = member_states_absent(member_states_now(record)),
                                   .generation = marked_generation(marked)};
}

void member_states_set_marked(struct volume_record *record, const struct member_marking *marking)
{
    uint64_t marked = load_acquire(&record->members_marked);

    while (marked_generation(marked) == marking->generation &&
           (marked_mask(marked) & marking->absent) != marking->absent) {
        /* pairs with member_states_unmarked */
        if (cas_acq_rel(&record->members_marked, &marked, marked | marking->absent))
            break;
    }
}

uint32_t member_states_unmarked(struct volume_record *record)
{
    uint32_t absent = member_states_absent(member_states_now(record));

    if (absent == 0 || record->marked == 0)
        return 0;
    /* pairs with member_states_set_marked, and with member_states_enter */
    return absent & ~marked_mask(load_acquire(&record->members_marked));
}

/* The run first. Of a later one than this, the rest may be seen, which the older superblock bears
 * (standing.h); never the other way round. */
struct member_standing member_states_standing(struct volume_record *record)
{
    uint32_t generation = marked_generation(load_acquire(&record->members_marked));
    uint32_t announced = load_acquire(&record->announced);
    uint32_t completing = load_acquire(&record->completing);
    struct member_states now = member_states_now(record);
    uint32_t completed = now.rebuilding & completing;
    /* relaxed: written before members_now or members_marked, which were loaded with acquire; an
     * older value says less. */
    uint64_t flushed_bytes = load_relaxed(&record->rebuilt_flushed_bytes);

    return (struct member_standing){
        .run = record->run + generation,
        .next_run = announced > generation ? record->run + announced : 0,
        .failed = now.failed & ~completed,
        .rebuilding = now.rebuilding & ~completed,
        .rebuilt_bytes = (now.rebuilding & ~completed) != 0 ? flushed_bytes : 0};
}

/* --- a rebuild --- */

void member_states_start(struct volume_record *record, const struct member_standing *standing)
{
    const struct member_states states = {.failed = standing->failed,
                                         .rebuilding = standing->rebuilding & standing->failed};

    record->run = standing->run;
    /* relaxed: no controller has started yet */
    store_relaxed(&record->rebuilt_bytes, standing->rebuilt_bytes);
    store_relaxed(&record->rebuilt_flushed_bytes, standing->rebuilt_bytes);
    /* relaxed: as above */
    store_relaxed(&record->members_now, member_states_pack(states));
    store_relaxed(&record->members_marked, marked_word(0, member_states_absent(states)));
}

uint32_t member_states_begin(struct volume_record *record, uint32_t members)
{
    struct member_states old = member_states_now(record), next;
    uint32_t begun;

    if (old.rebuilding != 0)
        return 0;
    /* relaxed: nobody looks at them before the swap below */
    store_relaxed(&record->rebuilt_bytes, 0);
    store_relaxed(&record->rebuilt_flushed_bytes, 0);
    store_relaxed(&record->completing, 0); /* relaxed: as above */
    do {
        begun = old.failed & members;
        next = (struct member_states){.failed = old.failed, .rebuilding = begun};
    } while (begun != 0 && !member_states_swap(record, &old, next));
    return begun;
}

void member_states_announce(struct volume_record *record)
{
    uint32_t generation = marked_generation(load_acquire(&record->members_marked));

    /* pairs with member_states_standing */
    store_release(&record->announced, generation + 1);
}

/* Those that are being rebuilt are not marked in the new run: when one of them fails, it is marked
 * before that write is answered. */
void member_states_enter(struct volume_record *record, uint32_t completing)
{
    uint64_t marked = load_acquire(&record->members_marked);
    uint32_t announced = load_acquire(&record->announced);

    /* pairs with member_states_standing: who sees the new run sees who is good in it */
    store_release(&record->completing, completing);
    while (marked_generation(marked) < announced) {
        uint32_t rebuilding = member_states_now(record).rebuilding;
        /* pairs with member_states_standing, member_states_unmarked */
        if (cas_acq_rel(&record->members_marked, &marked,
                        marked_word(announced, marked_mask(marked) & ~rebuilding)))
            break;
    }
}

void member_states_set_flushed(struct volume_record *record, uint64_t bytes)
{
    /* pairs with the loads before a marking; it may be seen late */
    store_release(&record->rebuilt_flushed_bytes, bytes);
}

uint32_t member_states_complete(struct volume_record *record, uint32_t members)
{
    struct member_states old = member_states_now(record), next;
    uint32_t completed;

    do {
        completed = old.rebuilding & members;
        next = (struct member_states){.failed = old.failed & ~completed,
                                      .rebuilding = old.rebuilding & ~completed};
    } while (completed != 0 && !member_states_swap(record, &old, next));
    /* relaxed: it says something of members that are being rebuilt only */
    store_relaxed(&record->completing, 0);
    return completed;
}
