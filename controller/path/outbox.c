#include "controller/path/outbox.h"

#include <stdlib.h>

#include "shm/crash_point.h"

int outbox_init(struct outbox *outbox, struct link *link, uint32_t ring_entries, uint32_t capacity,
                uint32_t seed)
{
    *outbox = (struct outbox){.link = link, .capacity = capacity, .random = seed | 1};
    outbox->entries = calloc(capacity, sizeof *outbox->entries);
    outbox->due_ns = calloc(capacity, sizeof *outbox->due_ns);
    if (outbox->entries == NULL || outbox->due_ns == NULL)
        return -ENOMEM;
    outbox->fault = link_fault_of(link);
    return ring_producer_attach(&outbox->producer, &link->ring, ring_entries);
}

int outbox_begin(struct outbox *outbox, uint32_t ring_entries)
{
    outbox_clear(outbox);
    outbox->just_failed = outbox->waits_for_room = false;
    outbox->fault = link_fault_of(outbox->link);
    return ring_producer_attach(&outbox->producer, &outbox->link->ring, ring_entries);
}

void outbox_done(struct outbox *outbox)
{
    free(outbox->entries);
    free(outbox->due_ns);
    *outbox = (struct outbox){0};
}

bool outbox_put(struct outbox *outbox, uint64_t entry, uint64_t due_ns)
{
    if (outbox->count == outbox->capacity)
        return false;
    uint32_t place = (outbox->first + outbox->count) % outbox->capacity;
    if (due_ns != 0 || outbox->timed > 0) {
        /* What comes later does not overtake. */
        if (outbox->timed > 0 && due_ns < outbox->last_due_ns)
            due_ns = outbox->last_due_ns;
        outbox->last_due_ns = due_ns;
        outbox->timed++;
    }
    outbox->due_ns[place] = due_ns;
    outbox->entries[place] = entry;
    outbox->count++;
    return true;
}

static void drop_first(struct outbox *outbox, uint32_t count)
{
    outbox->first = (outbox->first + count) % outbox->capacity;
    outbox->count -= count;
}

/* --- a link without faults, under no model --- */

/* One run of the circle (it wraps) into the ring. */
static int produce_run(struct outbox *outbox)
{
    uint32_t run = outbox->capacity - outbox->first;

    if (run > outbox->count)
        run = outbox->count;
    CRASH_POINT("outbox.publishing");
    int produced = ring_produce_spsc(&outbox->producer, outbox->entries + outbox->first, run);
    if (produced > 0)
        drop_first(outbox, (uint32_t)produced);
    return produced;
}

static int produce_all(struct outbox *outbox)
{
    int produced, total = 0;

    while (outbox->count > 0) {
        produced = produce_run(outbox);
        if (produced < 0)
            return produced;
        if (produced == 0)
            break;
        total += produced;
    }
    return total;
}

/* --- a link with faults, or times --- */

/* xorshift: which entries a lossy link loses need not be unguessable, but must be repeatable. */
static bool it_happens(struct outbox *outbox)
{
    outbox->random ^= outbox->random << 13;
    outbox->random ^= outbox->random >> 17;
    outbox->random ^= outbox->random << 5;
    return outbox->random % 1000 < outbox->fault.loss_per_mille;
}

/* The first entry: 1 or 2 when it was published, 0 when the ring is full. One that is lost counts
 * as gone: *ret_gone. */
static int produce_first(struct outbox *outbox, bool *ret_gone)
{
    const uint64_t entry = outbox->entries[outbox->first], twice[2] = {entry, entry};
    bool timed = outbox->due_ns[outbox->first] != 0;

    *ret_gone = true;
    if (it_happens(outbox)) {
        count_up(&outbox->link->counters.lost, 1);
        drop_first(outbox, 1);
        outbox->timed -= timed;
        return 0;
    }
    int produced = ring_produce_spsc(&outbox->producer, twice, it_happens(outbox) ? 2 : 1);
    *ret_gone = produced > 0;
    if (produced > 0) {
        count_up(&outbox->link->counters.repeated, produced - 1);
        drop_first(outbox, 1);
        outbox->timed -= timed;
    }
    return produced;
}

static bool first_is_due(const struct outbox *outbox, uint64_t now_ns)
{
    return outbox->count > 0 && outbox->due_ns[outbox->first] <= now_ns;
}

static int produce_due(struct outbox *outbox, uint64_t now_ns)
{
    int produced, total = 0;
    bool gone = true;

    while (gone && first_is_due(outbox, now_ns)) {
        produced = produce_first(outbox, &gone);
        if (produced < 0)
            return produced;
        total += produced;
    }
    return total;
}

/* --- both --- */

static int produce(struct outbox *outbox, uint64_t now_ns)
{
    if (outbox->timed == 0 && outbox->fault.loss_per_mille == 0)
        return produce_all(outbox);
    return produce_due(outbox, now_ns);
}

int outbox_flush(struct outbox *outbox, uint64_t now_ns)
{
    struct link *link = outbox->link;
    int produced = produce(outbox, now_ns);

    outbox->waits_for_room = produced >= 0 && first_is_due(outbox, now_ns);
    if (outbox->waits_for_room) {
        /* Say that we wait for room, then look once more: one of us sees the other (seat.h).
         * relaxed: ordered by the fence. */
        store_relaxed(&link->blocked, 1);
        fence_store_load(&link->blocked);
        count_up(&link->counters.full, 1);
        int more = produce(outbox, now_ns);
        produced = more < 0 ? more : produced + more;
        outbox->waits_for_room = produced >= 0 && first_is_due(outbox, now_ns);
    }
    if (produced > 0) {
        count_up(&link->counters.batches, 1);
        count_up(&link->counters.sent, produced);
    }
    return produced;
}

uint64_t outbox_next_due_ns(const struct outbox *outbox)
{
    return outbox->timed > 0 ? outbox->due_ns[outbox->first] : UINT64_MAX;
}

bool outbox_is_drained(const struct outbox *outbox)
{
    return outbox->count == 0 && ring_is_drained(&outbox->producer);
}

uint32_t outbox_take_back(struct outbox *outbox, uint64_t *ret_entries, uint32_t count_max)
{
    int published = ring_unconsumed(&outbox->producer, ret_entries, count_max);
    uint32_t count = published > 0 ? (uint32_t)published : 0;

    while (outbox->count > 0 && count < count_max) {
        ret_entries[count++] = outbox->entries[outbox->first];
        drop_first(outbox, 1);
    }
    outbox_clear(outbox);
    return count;
}

void outbox_clear(struct outbox *outbox)
{
    outbox->count = 0;
    outbox->timed = 0;
    outbox->waits_for_room = false;
}
