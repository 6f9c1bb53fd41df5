#include "bench/hit_reference.h"

#include <stdbool.h>
#include <stdlib.h>

/* --- LRU --- */

/* Sums over a row of numbers, where each of them changes often (Fenwick): index 1 to `count`. */
static void sums_add(int32_t *sums, uint32_t count, uint32_t at, int32_t change)
{
    for (; at <= count; at += at & -at)
        sums[at] += change;
}

static int32_t sums_up_to(const int32_t *sums, uint32_t at)
{
    int32_t sum = 0;

    for (; at > 0; at -= at & -at)
        sum += sums[at];
    return sum;
}

/* How many other keys were asked for since a key was: each counts at its latest request alone. LRU
 * has what is nearer than it has blocks. */
void hit_reference_lru(const struct hit_trace *trace, const uint32_t *blocks, uint32_t count,
                       uint64_t *ret_hits)
{
    uint32_t requests = trace->requests;
    uint32_t *latest = hit_room(trace->distinct, sizeof *latest); /* 0: never */
    int32_t *sums = hit_room(requests + 1u, sizeof *sums);

    for (uint32_t size = 0; size < count; size++)
        ret_hits[size] = 0;
    for (uint32_t i = 1; i <= requests; i++) {
        uint32_t key = trace->keys[i - 1], before = latest[key];
        if (before != 0) {
            uint32_t between = (uint32_t)(sums_up_to(sums, i - 1) - sums_up_to(sums, before));
            for (uint32_t size = 0; size < count; size++)
                ret_hits[size] += between < blocks[size];
            sums_add(sums, requests, before, -1);
        }
        sums_add(sums, requests, i, 1);
        latest[key] = i;
    }
    free(sums);
    free(latest);
}

/* --- the best --- */

struct future {
    uint32_t next; /* when it is asked for again; UINT32_MAX: never */
    uint32_t key;
};

/* A heap whose first is asked for last of all. Entries of keys that have a later one, or are gone,
 * stay until they come to the top. */
struct heap {
    struct future *all;
    uint32_t count;
};

static void exchange(struct future *one, struct future *other)
{
    struct future kept = *one;

    *one = *other;
    *other = kept;
}

static void heap_push(struct heap *heap, struct future what)
{
    uint32_t at = heap->count++;

    heap->all[at] = what;
    for (; at > 0 && heap->all[at].next > heap->all[(at - 1) / 2].next; at = (at - 1) / 2)
        exchange(&heap->all[at], &heap->all[(at - 1) / 2]);
}

static struct future heap_pop(struct heap *heap)
{
    struct future first = heap->all[0];
    uint32_t at = 0, child;

    heap->all[0] = heap->all[--heap->count];
    while ((child = 2 * at + 1) < heap->count) {
        if (child + 1 < heap->count && heap->all[child + 1].next > heap->all[child].next)
            child++;
        if (heap->all[at].next >= heap->all[child].next)
            break;
        exchange(&heap->all[at], &heap->all[child]);
        at = child;
    }
    return first;
}

/* For each request, when its key is asked for again. */
static uint32_t *look_ahead(const struct hit_trace *trace)
{
    uint32_t *next = hit_room(trace->requests, sizeof *next);
    uint32_t *later = hit_room(trace->distinct, sizeof *later);

    for (uint32_t key = 0; key < trace->distinct; key++)
        later[key] = UINT32_MAX;
    for (uint32_t i = trace->requests; i-- > 0;) {
        next[i] = later[trace->keys[i]];
        later[trace->keys[i]] = i;
    }
    free(later);
    return next;
}

uint64_t hit_reference_best(const struct hit_trace *trace, uint32_t blocks)
{
    enum { NOT_IN = 0 };
    uint32_t *next = look_ahead(trace), used = 0;
    uint32_t *inside =
        hit_room(trace->distinct, sizeof *inside); /* when it is asked for again, + 1 */
    struct heap heap = {.all = hit_room(trace->requests, sizeof *heap.all)};
    uint64_t hits = 0;

    for (uint32_t i = 0; i < trace->requests; i++) {
        uint32_t key = trace->keys[i];
        bool hit = inside[key] != NOT_IN;
        hits += hit;
        if (!hit && used == blocks) {
            struct future gone;
            do
                gone = heap_pop(&heap);
            while (inside[gone.key] != (gone.next == UINT32_MAX ? gone.next : gone.next + 1));
            inside[gone.key] = NOT_IN;
            used--;
        }
        used += !hit;
        inside[key] = next[i] == UINT32_MAX ? next[i] : next[i] + 1;
        heap_push(&heap, (struct future){.next = next[i], .key = key});
    }
    free(heap.all);
    free(inside);
    free(next);
    return hits;
}
