#include "controller/recovery/adopt.h"

#include <errno.h>
#include <stdlib.h>

#include "controller/controller.h"
#include "shm/crash_point.h"

static void go_on(struct adoption *adoption);

/* --- what there is --- */

static int by_place(const void *one, const void *other)
{
    const struct adopt_block *a = one, *b = other;

    return (a->block > b->block) - (a->block < b->block);
}

/* Of two of one place the first is kept. */
static void drop_doubles(struct adoption *adoption)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < adoption->count; i++) {
        if (kept > 0 && adoption->blocks[kept - 1].block == adoption->blocks[i].block)
            cache_region_close(&adoption->region, adoption->blocks[i].index);
        else
            adoption->blocks[kept++] = adoption->blocks[i];
    }
    adoption->count = kept;
}

static bool is_wanted(const struct adoption *adoption, const struct cache_entry *entry)
{
    const struct element *file = &adoption->controller->elements[adoption->element].file;

    return entry->state == CACHE_DIRTY && entry->element == adoption->element &&
           entry->block < (file->size_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
}

static int collect(struct adoption *adoption)
{
    struct cache_entry entry;

    adoption->count = adoption->next = 0;
    if (!cache_region_has_dirty(&adoption->region, adoption->element))
        return 0;
    adoption->blocks = malloc(adoption->region.blocks * sizeof *adoption->blocks);
    if (adoption->blocks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < adoption->region.blocks; i++) {
        if (cache_region_look(&adoption->region, i, &entry) && is_wanted(adoption, &entry))
            adoption->blocks[adoption->count++] =
                (struct adopt_block){.block = entry.block, .index = i};
    }
    qsort(adoption->blocks, adoption->count, sizeof *adoption->blocks, by_place);
    drop_doubles(adoption);
    return 0;
}

/* Our own region is our own cache's, which knows what is dirty there; one that lives owns none of
 * it that is dirty. */
static bool may_hold_some(const struct adoption *adoption, uint32_t seat)
{
    const struct segment *segment = &adoption->controller->segment;
    enum seat_state state = seat_state(segment_seat(segment, seat));

    return seat != adoption->controller->id && (state == SEAT_DEAD || state == SEAT_DRAINED);
}

/* False: there is none left. */
static bool next_region(struct adoption *adoption)
{
    const struct segment *segment = &adoption->controller->segment;

    free(adoption->blocks);
    adoption->blocks = NULL;
    adoption->count = adoption->next = 0;
    while (adoption->seat < segment->geometry.controllers && adoption->count == 0 &&
           adoption->status == 0) {
        uint32_t seat = adoption->seat++;
        if (segment->geometry.cache_bytes == 0 || !may_hold_some(adoption, seat))
            continue;
        adoption->region = segment_cache_region(segment, seat);
        adoption->status = collect(adoption);
    }
    return adoption->count > 0 && adoption->status == 0;
}

/* --- writing it --- */

static void written(struct controller *controller, struct command *command)
{
    struct adopt_write *write = (struct adopt_write *)(void *)command;
    struct adoption *adoption = command->owner;

    (void)controller;
    for (uint32_t i = 0; i < command->cache.blocks_count && command->status == 0; i++) {
        CRASH_POINT("adopt.written");
        cache_region_clean(&adoption->region, write->run[i]);
        adoption->adopted++;
    }
    if (adoption->status == 0)
        adoption->status = command->status;
    write->in_use = false;
    adoption->in_flight--;
    go_on(adoption);
}

_Static_assert(offsetof(struct adopt_write, command) == 0, "written relies on it");

static const struct command_origin origin = {
    .name = "adoption", .uncounted = true, .reply = written};

static struct adopt_write *free_write(struct adoption *adoption)
{
    for (uint32_t i = 0; i < ADOPT_WRITES; i++) {
        if (!adoption->writes[i].in_use)
            return &adoption->writes[i];
    }
    return NULL;
}

/* The next blocks that lie together. */
static uint32_t take_run(struct adoption *adoption, struct adopt_write *write)
{
    const struct adopt_block *first = &adoption->blocks[adoption->next];
    uint32_t count = 0;

    while (count < ADOPT_RUN_BLOCKS && adoption->next + count < adoption->count &&
           first[count].block == first->block + count) {
        write->run[count] = first[count].index;
        count++;
    }
    adoption->next += count;
    return count;
}

/* The last block of an element may be shorter. */
static uint64_t run_bytes(const struct adoption *adoption, uint64_t start_bytes, uint32_t count)
{
    uint64_t left = adoption->controller->elements[adoption->element].file.size_bytes - start_bytes;
    uint64_t bytes = (uint64_t)count * BLOCK_BYTES;

    return bytes < left ? bytes : left;
}

/* Nobody else is on the element: EXECUTE need not see to the order. */
static void start_write(struct adoption *adoption, struct adopt_write *write)
{
    struct controller *controller = adoption->controller;
    struct command *command = &write->command;
    uint64_t start_bytes = adoption->blocks[adoption->next].block * BLOCK_BYTES;
    uint32_t count = take_run(adoption, write);

    write->in_use = true;
    adoption->in_flight++;
    command->origin = &origin;
    command->owner = adoption;
    command->op = COMMAND_WRITE;
    command->received_ns = loop_now_ns(controller->loop);
    command->target = (uint8_t)controller->id;
    command->element = adoption->element;
    command->offset_bytes = command->element_offset_bytes = start_bytes;
    command->length_bytes = run_bytes(adoption, start_bytes, count);
    command->payload = adoption->region.memory;
    command->payload_offset_bytes = (uint64_t)(command->payload - controller->segment.base);
    command->io.gated = command->io.gate_waits = command->io.gate_shared = false;
    command->cache =
        (struct command_cache){.ordered = true, .blocks = write->run, .blocks_count = count};
    command_start(controller, command, STAGE_EXECUTE);
}

/* Starts what can be started; nested in an end of its own it leaves that to the outermost. */
static void start_writes(struct adoption *adoption)
{
    struct adopt_write *write;

    while (adoption->status == 0 && adoption->next < adoption->count &&
           (write = free_write(adoption)) != NULL)
        start_write(adoption, write);
}

static void go_on(struct adoption *adoption)
{
    if (adoption->starting)
        return;
    adoption->starting = true;
    do {
        start_writes(adoption);
    } while (adoption->in_flight == 0 && next_region(adoption));
    adoption->starting = false;
    if (adoption->in_flight > 0)
        return;
    adoption->running = false;
    adoption->over(adoption);
}

void adopt_start(struct adoption *adoption, uint32_t element)
{
    adoption->element = element;
    adoption->running = true;
    adoption->seat = 0;
    adoption->status = 0;
    adoption->adopted = 0;
    go_on(adoption);
}

void adopt_drop(const struct adoption *adoption, uint32_t element)
{
    const struct segment *segment = &adoption->controller->segment;
    struct cache_entry entry;

    for (uint32_t seat = 0; seat < segment->geometry.controllers; seat++) {
        if (segment->geometry.cache_bytes == 0 || !may_hold_some(adoption, seat))
            continue;
        struct cache_region region = segment_cache_region(segment, seat);
        for (uint32_t i = 0; i < region.blocks; i++) {
            if (cache_region_look(&region, i, &entry) && entry.state == CACHE_DIRTY &&
                entry.element == element)
                cache_region_close(&region, i);
        }
    }
}

/* --- starting --- */

static void io_completed(struct completion *completion, int result)
{
    struct command *command = (struct command *)(void *)completion;

    command_complete(command->controller, command, result);
}

int adopt_init(struct controller *controller, struct adoption *adoption)
{
    adoption->controller = controller;
    adoption->writes = calloc(ADOPT_WRITES, sizeof *adoption->writes);
    if (adoption->writes == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < ADOPT_WRITES; i++) {
        adoption->writes[i].command.controller = controller;
        adoption->writes[i].command.receiver = (uint8_t)controller->id;
        adoption->writes[i].command.io.completion.fire = io_completed;
    }
    return 0;
}

void adopt_done(struct adoption *adoption)
{
    free(adoption->blocks);
    free(adoption->writes);
}
