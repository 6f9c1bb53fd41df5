#include "controller/controller.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/cache/cache.h"
#include "controller/deaths.h"
#include "controller/finish.h"
#include "controller/idle.h"
#include "controller/new_life.h"
#include "controller/path/owner.h"
#include "controller/path/redirect.h"
#include "controller/path/split.h"
#include "controller/path/virtual.h"
#include "controller/path/workspaces.h"
#include "shm/crash_point.h"

/* All pools together are registered with a ring only up to this: registering pins the memory. */
#define REGISTERED_BYTES_MAX (256ull << 20)

/* --- starting --- */

static int commit_buffers(void *context, uint64_t offset_bytes, uint64_t bytes)
{
    const struct controller *controller = context;

    return segment_commit(&controller->segment, controller->pool_offset_bytes + offset_bytes,
                          bytes);
}

static void io_completed(struct completion *completion, int result)
{
    struct command *command = (struct command *)(void *)completion;
    struct controller *controller = command->controller;

    command_complete(controller, command, result);
}

_Static_assert(offsetof(struct command, io) == 0 && offsetof(struct command_io, completion) == 0,
               "io_completed finds the command at its completion's address");

/* The next `count` of the commands become a list. */
static struct command *list_commands(struct controller *controller, struct command **rest,
                                     uint32_t count)
{
    struct command *list = NULL;

    for (uint32_t i = count; i-- > 0;) {
        struct command *command = *rest + i;
        command->controller = controller;
        command->receiver = (uint8_t)controller->id;
        command->io.completion.fire = io_completed;
        command->next = list;
        list = command;
    }
    *rest += count;
    return list;
}

/* One that redoes may have to wait for room in the journal, and that for another one's slice, which
 * needs none: so with a journal all that a dead controller had begun can be under way at once. */
static uint32_t redo_commands(const struct controller *controller)
{
    return segment_header(&controller->segment)->journal.generation != 0 ? COMMANDS_MAX
                                                                         : REDO_COMMANDS_MAX;
}

static int make_commands(struct controller *controller)
{
    uint32_t redo = redo_commands(controller), own = redo + JOURNAL_COMMANDS;
    uint32_t count = COMMANDS_MAX + PEER_COMMANDS_MAX + COMPONENTS_MAX + own;
    struct command *rest = calloc(count, sizeof *rest);

    controller->commands_count = count;
    controller->commands = rest;
    controller->splits = calloc(COMMANDS_MAX + own, sizeof *controller->splits);
    if (rest == NULL || controller->splits == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < COMMANDS_MAX; i++)
        rest[i].split = &controller->splits[i];
    controller->free_commands = list_commands(controller, &rest, COMMANDS_MAX);
    controller->free_peer_commands = list_commands(controller, &rest, PEER_COMMANDS_MAX);
    controller->free_peer_commands_count = PEER_COMMANDS_MAX;
    controller->free_components = list_commands(controller, &rest, COMPONENTS_MAX);
    controller->redo.commands = list_commands(controller, &rest, redo);
    controller->redo.commands_count = redo;
    controller->journal_commands = list_commands(controller, &rest, JOURNAL_COMMANDS);
    for (uint32_t i = 0; i < own; i++)
        controller->redo.commands[i].split = &controller->splits[COMMANDS_MAX + i];
    redo_init(controller);
    return 0;
}

static int make_blocks(struct controller *controller)
{
    void *zeroes, *scratch;

    if (posix_memalign(&zeroes, BLOCK_BYTES, ELEMENT_ZERO_BYTES) != 0)
        return -ENOMEM;
    controller->zeroes = zeroes;
    memset(zeroes, 0, ELEMENT_ZERO_BYTES);
    if (posix_memalign(&scratch, BLOCK_BYTES, SCRATCH_BLOCKS * BLOCK_BYTES) != 0)
        return -ENOMEM;
    controller->scratch = scratch;
    for (uint32_t i = 0; i < SCRATCH_BLOCKS; i++)
        controller->scratch_free[i] = controller->scratch + i * BLOCK_BYTES;
    controller->scratch_free_count = SCRATCH_BLOCKS;
    return 0;
}

static bool has_parity(const struct controller *controller)
{
    for (uint32_t i = 0; i < mapping_volumes_end(&controller->segment); i++) {
        if (controller->virtuals[i] != NULL && controller->virtuals[i]->layout.parities > 0)
            return true;
    }
    return false;
}

/* Nobody has a buffer yet: there is nothing to wait for. */
static int make_workspaces(struct controller *controller)
{
    struct command_waiter nobody = {0};

    return has_parity(controller) ? workspaces_make(controller, &nobody) : 0;
}

static int make_slots(struct controller *controller)
{
    const struct segment *segment = &controller->segment;
    uint32_t slots = segment->geometry.slots;
    int error = slot_table_init(&controller->slots, segment_slots(segment, controller->id), slots);

    if (error != 0)
        return error;
    controller->slot_commands = calloc(slots, sizeof(struct command *));
    return controller->slot_commands == NULL ? -ENOMEM : 0;
}

static int attach_elements(struct controller *controller, const struct element *elements)
{
    uint32_t count = controller->segment.geometry.elements;

    controller->elements = calloc(count, sizeof *controller->elements);
    if (controller->elements == NULL)
        return -ENOMEM;
    controller->elements_count = count;
    for (uint32_t i = 0; i < count; i++) {
        controller->elements[i].file = elements[i];
        controller->elements[i].record = segment_element(&controller->segment, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (elements[i].fd < 0)
            continue;
        int error = element_attach(&controller->elements[i].file, controller->loop);
        if (error != 0)
            return error;
    }
    return 0;
}

static int make_marks(struct controller *controller, struct superblock_of_image **superblocks)
{
    int error = 0;

    for (uint32_t i = 0; superblocks != NULL && i < controller->elements_count && error == 0; i++) {
        struct owned_element *element = &controller->elements[i];
        if (superblocks[i] != NULL && element->file.fd >= 0)
            error = mark_new(&element->mark, &controller->segment, i, superblocks[i]);
    }
    return error;
}

static int open_integrity_of(struct owned_element *element, const struct element *file)
{
    const struct tail *tail = &element->mark->superblock->content.tail;

    if (tail->intents_bytes == 0)
        return 0;
    int error = integrity_open(&element->integrity, file, tail);
    return error;
}

int controller_keep_intents(struct owned_element *element)
{
    return element->integrity != NULL ? 0 : open_integrity_of(element, &element->file);
}

/* Plain volumes without checksums have nothing to compare with after an end without order. */
int controller_open_integrity(struct owned_element *element, const struct element *file)
{
    if (element->mark == NULL || (element->mark->superblock->content.tail.checksums_bytes == 0 &&
                                  !mark_has_members(element->mark)))
        return 0;
    return open_integrity_of(element, file);
}

static int open_integrity(struct controller *controller)
{
    int error = 0;

    for (uint32_t i = 0; i < controller->elements_count && error == 0; i++)
        error = controller_open_integrity(&controller->elements[i], &controller->elements[i].file);
    return error;
}

static bool has_direct_element(const struct controller *controller)
{
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        const struct element *file = &controller->elements[i].file;
        if (file->fd >= 0 && file->mode == ELEMENT_MODE_DIRECT)
            return true;
    }
    return false;
}

/* Every pool, because a peer's payload is read and written in its pool. Without the right to lock
 * so much memory, direct I/O works all the same, only a little slower. */
static void register_buffers(struct controller *controller)
{
    const struct segment_geometry *geometry = &controller->segment.geometry;
    struct iovec ranges[CONTROLLERS_MAX];

    for (uint32_t i = 0; i < CONTROLLERS_MAX; i++)
        controller->buffer_index[i] = LOOP_NO_BUFFER;
    if (!has_direct_element(controller) ||
        geometry->controllers * geometry->buffers_bytes > REGISTERED_BYTES_MAX)
        return;
    for (uint32_t i = 0; i < geometry->controllers; i++) {
        ranges[i].iov_base =
            controller->segment.base + segment_buffers_offset(&controller->segment, i);
        ranges[i].iov_len = geometry->buffers_bytes;
    }
    if (loop_register_buffers(controller->loop, ranges, geometry->controllers) != 0)
        return;
    for (uint32_t i = 0; i < geometry->controllers; i++)
        controller->buffer_index[i] = (int)i;
}

int controller_buffer_index(const struct controller *controller, uint64_t offset_bytes)
{
    int seat = segment_buffers_seat(&controller->segment, offset_bytes, 1);

    return seat < 0 ? LOOP_NO_BUFFER : controller->buffer_index[seat];
}

static void doorbell_rang(struct completion *completion, int result)
{
    struct controller *controller =
        (struct controller *)((char *)completion - offsetof(struct controller, doorbell));

    (void)result; /* whatever it was, the turn looks at all rings */
    loop_doorbell_listen(controller->loop, controller->doorbell_fd, completion);
}

static void sweep_is_due(struct timer *timer)
{
    redirect_sweep((struct controller *)((char *)timer - offsetof(struct controller, sweep_timer)));
}

/* What is due is sent at the end of the turn that this begins. */
static void something_is_due(struct timer *timer)
{
    (void)timer;
}

static void stop_is_due(struct timer *timer)
{
    struct controller *controller =
        (struct controller *)((char *)timer - offsetof(struct controller, stop_timer));

    controller->finished = true;
}

static int make_parts(struct controller *controller, const struct controller_start *start,
                      const char **ret_what)
{
    int error;

    *ret_what = "its io_uring";
    const char *missing;
    error = loop_new(&controller->loop, &missing);
    if (error != 0) {
        if (missing != NULL)
            *ret_what = missing;
        return error;
    }
    *ret_what = "its trace";
    error = tracing_init(controller);
    if (error != 0)
        return error;
    *ret_what = "its buffer pool";
    error = pool_new(&controller->pool, controller->segment.geometry.buffers_bytes, commit_buffers,
                     controller);
    if (error != 0)
        return error;
    *ret_what = "its commands";
    error = make_commands(controller);
    if (error == 0)
        error = make_blocks(controller);
    if (error == 0)
        error = make_slots(controller);
    if (error != 0)
        return error;
    *ret_what = "its virtual volumes";
    error = virtuals_new(controller);
    if (error == 0)
        error = make_workspaces(controller);
    if (error != 0)
        return error;
    *ret_what = "its links";
    error = peers_init(controller, start->doorbells);
    if (error == 0)
        error = deaths_watch(controller, start->lifelines);
    if (error != 0)
        return error;
    *ret_what = "its elements";
    error = attach_elements(controller, start->elements);
    if (error == 0)
        error = takeover_init(controller, start->images);
    if (error == 0)
        new_life_put_in_order(controller);
    if (error == 0)
        error = make_marks(controller, start->superblocks);
    if (error != 0)
        return error;
    *ret_what = "its journal";
    error = journal_new(controller, start->journal);
    if (error != 0)
        return error;
    *ret_what = "what its elements keep beside their data";
    error = open_integrity(controller);
    return error != 0 ? error : cache_new(controller, ret_what);
}

int controller_new(struct controller **ret_controller, const struct controller_start *start,
                   const char **ret_what)
{
    struct controller *controller = calloc(1, sizeof *controller);

    *ret_what = "itself";
    if (controller == NULL)
        return -ENOMEM;
    controller->id = start->id;
    controller->segment = start->segment;
    controller->seat = segment_seat(&controller->segment, start->id);
    controller->epoch = seat_epoch(controller->seat);
    controller->counters = &controller->seat->counters;
    controller->pool_offset_bytes = segment_buffers_offset(&controller->segment, start->id);
    controller->waiters.next = controller->waiters.previous = &controller->waiters;
    idle_init(&controller->idle);
    coordinate_init(controller);
    controller->interconnect = segment_header(&controller->segment)->interconnect;
    errands_init(&controller->errands);
    settle_init(controller);
    fences_init(controller);
    jobs_init(controller);
    read_repairs_init(controller);
    clearing_init(controller);
    last_flush_init(controller);
    control_volumes_init(controller);
    controller->sweep_timer.fire = sweep_is_due;
    controller->due_timer.fire = something_is_due;
    redirect_init(controller);
    controller->stop_timer.fire = stop_is_due;
    int error = make_parts(controller, start, ret_what);
    if (error != 0) {
        controller_free(controller);
        return error;
    }
    register_buffers(controller);
    controller->doorbell_fd = start->doorbells[start->id];
    controller->notice_fd = start->notice_fd;
    controller->doorbell.fire = doorbell_rang;
    loop_doorbell_listen(controller->loop, controller->doorbell_fd, &controller->doorbell);
    handover_init(controller, start->handover, start->doorbells);
    control_listen(controller, start->control != NULL ? *start->control : -1);
    *ret_controller = controller;
    return 0;
}

void controller_free(struct controller *controller)
{
    if (controller == NULL)
        return;
    loop_free(controller->loop);
    cache_free(controller->cache);
    journal_free(controller);
    for (uint32_t i = 0; i < controller->elements_count; i++) {
        element_close(&controller->elements[i].file);
        mark_free(controller->elements[i].mark);
        free(controller->elements[i].superblock);
        integrity_free(controller->elements[i].integrity);
    }
    takeover_done(controller);
    free(controller->elements);
    deaths_done(controller);
    peers_done(controller);
    slot_table_done(&controller->slots);
    free(controller->slot_commands);
    free(controller->commands);
    free(controller->splits);
    virtuals_free(controller);
    free(controller->zeroes);
    free(controller->scratch);
    pool_free(controller->workspaces);
    pool_free(controller->pool);
    free(controller);
}

/* --- running --- */

/* Changes the seat's state and tells the configuration controller. */
static void declare(struct controller *controller, enum seat_state state)
{
    tracing_event(controller, TRACE_SEAT, TRACE_NO_CONTROLLER, state);
    seat_set_state(controller->seat, state);
    loop_doorbell_ring(controller->loop, controller->notice_fd);
}

void controller_fail_element(struct controller *controller, uint32_t index, const char *why)
{
    struct element_record *record = controller->elements[index].record;

    /* relaxed: we are its only writer; readers need nothing else that was written before. */
    if (load_relaxed(&record->state) == ELEMENT_FAILED)
        return;
    store_relaxed(&record->state, ELEMENT_FAILED); /* relaxed: as above */
    tracing_event(controller, TRACE_ELEMENT_FAILED, TRACE_NO_CONTROLLER, index);
    fprintf(stderr, "anyport: c%u: element %s failed: %s; its commands end with EIO\n",
            controller->id, record->name, why);
    settle_failed_elements(controller, NULL);
}

void controller_lose_writes(struct controller *controller, uint32_t index, const char *why)
{
    /* relaxed: we are its only writer, and it is read when all have ended */
    store_relaxed(&controller->elements[index].record->lost_writes, 1);
    controller_fail_element(controller, index, why);
}

/* An image that became shorter reads as nothing past its end, and a write there would make it long
 * again with zeroes in between: neither may reach a host. So the length is looked at before
 * writing, once a turn, and an element found short stays failed. */
int controller_check_length(struct controller *controller, uint32_t index)
{
    struct owned_element *element = &controller->elements[index];

    if (element->size_checked_turn == controller->turn)
        return 0;
    if (element_check_size(&element->file) != 0) {
        controller_fail_element(controller, index, "its image was truncated");
        return -EIO;
    }
    element->size_checked_turn = controller->turn;
    return 0;
}

static void quiesce(struct controller *controller)
{
    if (controller->quiescing)
        return;
    controller->quiescing = true;
    if (controller->hooks.on_quiesce != NULL)
        controller->hooks.on_quiesce(controller->hooks.context);
    jobs_quiesce(controller);
    cache_quiesce(controller);
    settle_failed_elements(controller, NULL); /* once more, while there is time */
}

bool controller_others_stay(const struct controller *controller)
{
    for (uint32_t i = 0; i < controller->segment.geometry.controllers; i++) {
        const struct seat *seat = segment_seat(&controller->segment, i);
        /* relaxed: published by the membership, at which it is looked at again */
        if (i != controller->id && seat_state(seat) == SEAT_RUNNING &&
            load_relaxed(&seat->request) == SEAT_REQUEST_NONE)
            return true;
    }
    return false;
}

/* What hosts have asked for is done first: a command on a virtual volume that ended between its
 * components would leave its members different. */
void controller_stop(struct controller *controller)
{
    if (!controller->quiescing) { /* nobody waits for us to take what others leave */
        /* relaxed: published by the membership; nobody else asks, or for the same */
        store_relaxed(&controller->seat->request, SEAT_REQUEST_QUIESCE);
        segment_raise_membership(&controller->segment);
        peers_wake(controller);
    }
    quiesce(controller);
    if (controller->stop_timer.next == NULL)
        loop_timer_start(controller->loop, &controller->stop_timer,
                         STOP_SECONDS_MAX * 1000000000ull);
}

/* What the configuration controller and the other seats have said since the last turn. */
static void look_at_membership(struct controller *controller)
{
    struct segment_header *header = segment_header(&controller->segment);
    /* pairs with segment_raise_membership, after a seat, a link or an owner was changed. */
    uint32_t membership = load_acquire(&header->membership);

    if (membership == controller->membership_seen)
        return;
    controller->membership_seen = membership;
    tracing_event(controller, TRACE_MEMBERSHIP, TRACE_NO_CONTROLLER, membership);
    peers_look_at_seats(controller);
    ways_update(controller);
    takeover_look(controller);
    owner_wake_waiters(controller);
    /* relaxed: written before membership, which was loaded with acquire. */
    uint32_t request = load_relaxed(&controller->seat->request);
    if (request != SEAT_REQUEST_NONE)
        quiesce(controller);
    if (request == SEAT_REQUEST_STOP)
        controller->finished = true;
}

static bool membership_changed(const struct controller *controller)
{
    /* relaxed: only whether to look; look_at_membership loads it again. */
    return load_relaxed(&segment_header(&controller->segment)->membership) !=
           controller->membership_seen;
}

bool controller_has_work(const struct controller *controller)
{
    return loop_has_events(controller->loop) || peers_have_entries(controller) ||
           controller->errands.over != NULL || redo_has_work(controller) ||
           settle_has_work(controller) || journal_has_work(controller) ||
           read_repairs_have_work(&controller->read_repairs) || membership_changed(controller) ||
           coordinate_has_work(controller);
}

/* Nothing may be dirty: a write-back that fails makes its element fail, and that has to be written
 * to the other members of its volumes by controllers that are still there. */
static bool is_quiet(const struct controller *controller)
{
    return cache_is_settled(controller) && jobs_are_quiet(controller) &&
           redo_is_quiet(controller) && !settle_has_work(controller) &&
           journal_is_quiet(controller) && takeover_is_quiet(controller) &&
           clearing_is_quiet(controller) &&
           (controller->hooks.is_quiet == NULL ||
            controller->hooks.is_quiet(controller->hooks.context));
}

static void declare_quiet(struct controller *controller)
{
    if (controller->quiescing && is_quiet(controller) &&
        seat_state(controller->seat) == SEAT_RUNNING)
        declare(controller, SEAT_QUIESCED);
    /* relaxed: our own counter */
    if (controller->stop_timer.next != NULL && is_quiet(controller) &&
        load_relaxed(&controller->counters->host_in_flight) == 0)
        controller->finished = true;
}

uint64_t controller_buffers_bytes(const struct controller *controller)
{
    uint64_t bytes = pool_taken_bytes(controller->pool);

    if (controller->workspaces == NULL)
        return bytes;
    return bytes - WORKSPACES_BYTES + pool_taken_bytes(controller->workspaces);
}

static void turn(struct controller *controller)
{
    controller->turn++;
    count_up(&controller->counters->turns, 1);
    tracing_turn(controller);
    look_at_membership(controller);
    uint32_t received = peers_receive(controller);
    controller->arrivals += received;
    coordinate_turn(controller);
    errands_turn(controller);
    redo_turn(controller);
    settle_turn(controller);
    journal_turn(controller);
    read_repairs_turn(controller);
    if (controller->hooks.on_turn != NULL)
        controller->hooks.on_turn(controller->hooks.context);
    peers_flush(controller);
    /* relaxed: a level for status. */
    store_relaxed(&controller->counters->buffers_bytes, controller_buffers_bytes(controller));
    declare_quiet(controller);
    if (received == 0 && idle_nap(controller))
        return;
    if (received > 0 || controller_has_work(controller))
        loop_turn(controller->loop, 0);
    else if (!controller->finished)
        idle_wait(controller);
}

/* STOPPED promises peers that no I/O of ours reaches their buffers any more. Nothing new is taken;
 * what ends meanwhile is still answered. */
static void finish_executing(struct controller *controller)
{
    while (controller->executing > 0 || cache_is_busy(controller) || journal_writes(controller))
        loop_turn(controller->loop, LOOP_FOREVER);
    if (controller->hooks.on_turn != NULL)
        controller->hooks.on_turn(controller->hooks.context);
    peers_flush(controller);
    loop_turn(controller->loop, 0);
}

int controller_run(struct controller *controller)
{
    CRASH_POINT("life.made");
    declare(controller, SEAT_RUNNING);
    clearing_wake(controller); /* of what was written in earlier lives */
    CRASH_POINT("life.runs");
    while (!controller->finished)
        turn(controller);
    finish_executing(controller);
    cache_stop(controller);
    int error = finish_elements(controller);
    finish_unlock(controller);
    tracing_event(controller, TRACE_SEAT, TRACE_NO_CONTROLLER, SEAT_STOPPED);
    seat_set_state(controller->seat, SEAT_STOPPED);
    return error;
}
