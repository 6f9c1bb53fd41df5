#include "shm/trace.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- names --- */

const char *trace_level_name(uint32_t level)
{
#define X(value, name) [value] = name,
    static const char *const names[] = {TRACE_LEVELS(X)};
#undef X
    return level < COUNT(names) ? names[level] : NULL;
}

int trace_level_of(const char *name)
{
    for (uint32_t level = 0; level < TRACE_LEVELS_END; level++) {
        if (strcmp(trace_level_name(level), name) == 0)
            return (int)level;
    }
    return -EINVAL;
}

const char *trace_kind_name(uint32_t kind)
{
#define X(value, name, level) [value] = name,
    static const char *const names[] = {TRACE_KINDS(X)};
#undef X
    return kind < COUNT(names) ? names[kind] : NULL;
}

/* --- writing --- */

static uint32_t entry_of(uint32_t events, uint64_t number)
{
    return (uint32_t)(number & (events - 1));
}

/* Memory behind the next entries, before the first lap reaches them. */
static int grow(struct trace_writer *writer)
{
    uint64_t from = trace_ring_bytes((uint32_t)writer->committed);
    int error =
        writer->commit(writer->context, from, TRACE_COMMIT_EVENTS * sizeof(struct trace_entry));

    if (error == 0)
        writer->committed += TRACE_COMMIT_EVENTS;
    return error;
}

int trace_writer_init(struct trace_writer *writer, struct trace_ring *ring, uint32_t events,
                      trace_commit_fn *commit, void *context)
{
    assert(events > 0 && (events & (events - 1)) == 0);
    assert(commit == NULL || events % TRACE_COMMIT_EVENTS == 0);
    int error = commit == NULL ? 0 : commit(context, 0, sizeof *ring);
    if (error != 0)
        return error;
    *writer = (struct trace_writer){
        .ring = ring,
        .events = events,
        .commit = commit,
        .context = context,
        .committed = commit == NULL ? events : 0,
        .next = load_relaxed(&ring->written), /* relaxed: an earlier life ended before we began */
    };
    return 0;
}

static inline uint64_t word_of(const struct trace_event *event, uint32_t index)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *)event + index * sizeof word, sizeof word);
    return word;
}

void trace_write(struct trace_writer *writer, const struct trace_event *event)
{
    uint32_t place = entry_of(writer->events, writer->next);
    struct trace_entry *entry = &writer->ring->entries[place];

    while (__builtin_expect(place >= writer->committed, false)) {
        if (grow(writer) != 0)
            return;
    }
    store_relaxed(&entry->sequence, 0); /* relaxed: the releases below publish it */
#pragma GCC unroll 7
    for (uint32_t i = 0; i < TRACE_ENTRY_WORDS; i++)
        store_release(&entry->words[i], word_of(event, i)); /* pairs with trace_read's loads */
    writer->next++;
    store_release(&entry->sequence, writer->next);       /* pairs with trace_read's first load */
    store_release(&writer->ring->written, writer->next); /* pairs with trace_written */
}

/* --- reading --- */

uint64_t trace_written(const struct trace_ring *ring)
{
    return load_acquire(&ring->written);
}

enum trace_verdict trace_read(const struct trace_ring *ring, uint32_t events, uint64_t number,
                              struct trace_event *ret_event)
{
    const struct trace_entry *entry = &ring->entries[entry_of(events, number)];
    uint64_t words[TRACE_ENTRY_WORDS];

    if (number >= trace_written(ring))
        return TRACE_NOT_YET;
    if (load_acquire(&entry->sequence) != number + 1)
        return TRACE_LOST;
    for (uint32_t i = 0; i < TRACE_ENTRY_WORDS; i++)
        words[i] = load_acquire(&entry->words[i]);
    /* relaxed: it cannot be loaded before the words, which were loaded with acquire. */
    if (load_relaxed(&entry->sequence) != number + 1)
        return TRACE_LOST;
    memcpy(ret_event, words, sizeof words);
    return TRACE_READ;
}
