/*
 * EXECUTE: what the owner of an element does with a command for it.
 *
 * READ, WRITE and written zeroes work through [at, end) in pieces; everything else is one
 * operation. On a direct element a READ takes in the whole blocks around its range (the buffer has
 * room for them, command.h), and a WRITE is up to three kinds of piece:
 *
 *          |   block   |   block   |   block   |
 *                 [====|===========|=====]            the command's range
 *           PARTIAL      WHOLE       PARTIAL          read the block, change it, write it back
 *
 * An operation that ends at once and one that ends later go through the same step function.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "controller/controller.h"

enum { RETRIES_MAX = 16 }; /* of one piece, after EAGAIN or EINTR */

enum execute_step {
    STEP_READ,          /* a piece of a READ */
    STEP_WRITE,         /* a piece of whole blocks, or of any bytes where that is allowed */
    STEP_PARTIAL_READ,  /* the block around a partial piece, into the scratch block */
    STEP_PARTIAL_WRITE, /* and back, changed */
    STEP_RELEASE_RANGE, /* punch or zero by the file system */
    STEP_SYNC,          /* fdatasync: a FLUSH, or FUA after anything but a write */
    STEP_PREFETCH,
    STEP_MARK, /* a copy of the superblock */
};

/* What a command in this stage waits for. */
enum execute_wait {
    WAIT_STEP,    /* its operation */
    WAIT_GATE,    /* earlier writes of the same block */
    WAIT_SCRATCH, /* a scratch block */
    WAIT_MARK,    /* an earlier writing of the superblock */
};

/* What comes next; or a negative errno: the command is over with that. */
enum execute_next {
    NEXT_OVER = 0,
    NEXT_STEP,
    NEXT_SCRATCH, /* a step that needs a scratch block, and there is none */
};

static struct owned_element *owned(struct controller *controller, const struct command *command)
{
    return &controller->elements[command->element];
}

static bool is_direct(const struct owned_element *element)
{
    return element->file.mode == ELEMENT_MODE_DIRECT;
}

/* --- beginning and ending --- */

static _Atomic uint64_t *operation_counter(struct io_counters *counters, uint8_t op)
{
    switch (op) {
    case COMMAND_READ:
        return &counters->reads;
    case COMMAND_WRITE:
        return &counters->writes;
    case COMMAND_FLUSH:
        return &counters->flushes;
    case COMMAND_TRIM:
        return &counters->trims;
    case COMMAND_ZERO:
        return &counters->zeroes;
    default:
        return &counters->others;
    }
}

static void count_end(struct io_counters *counters, const struct command *command, int32_t status,
                      uint64_t latency_ns)
{
    count_up(operation_counter(counters, command->op), 1);
    if (command->op == COMMAND_READ)
        count_up(&counters->read_bytes, command->length_bytes);
    if (command->op == COMMAND_WRITE)
        count_up(&counters->write_bytes, command->length_bytes);
    count_up(&counters->errors, status != 0);
    count_up(&counters->latency_ns, latency_ns);
    count_down(&counters->in_flight, 1);
}

static void give_scratch(struct controller *controller, struct command *command)
{
    if (command->io.scratch == NULL)
        return;
    controller->scratch_free[controller->scratch_free_count++] = command->io.scratch;
    command->io.scratch = NULL;
    struct command *waiter = command_queue_pop(&controller->scratch_waiters);
    if (waiter != NULL)
        command_complete(controller, waiter, 0);
}

static void leave_gate(struct controller *controller, struct command *command)
{
    struct gate *gate = &owned(controller, command)->gate;
    struct command *ready;

    if (!command->io.gated)
        return;
    gate_leave(gate, command);
    while ((ready = gate_next_ready(gate)) != NULL)
        command_complete(controller, ready, 0);
}

/* The superblock may be written again: by the first who finds that something is left to write. */
static void leave_mark(struct controller *controller, struct command *command)
{
    struct mark *mark = owned(controller, command)->mark;
    struct command *waiter;

    if (!command->io.marks)
        return;
    command->io.marks = mark->writing = false;
    while (!mark->writing && (waiter = command_queue_pop(&mark->waiting)) != NULL)
        command_complete(controller, waiter, 0);
}

/* What an element says that a host may be told; anything else the element says is an I/O error. */
static int32_t element_status(int64_t error)
{
    switch (error) {
    case 0:
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -ENOMEM:
    case -EPERM:
    case -EOPNOTSUPP:
        return (int32_t)error;
    default:
        return -EIO;
    }
}

static enum stage_verdict finish(struct controller *controller, struct command *command,
                                 int64_t error)
{
    struct owned_element *element = owned(controller, command);
    struct volume_record *volume = segment_volume(&controller->segment, command->volume);
    int32_t status = element_status(error);
    uint64_t latency_ns = loop_now_ns(controller->loop) - command->received_ns;

    count_end(&element->record->counters, command, status, latency_ns);
    count_end(&volume->counters, command, status, latency_ns);
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    controller->executing--;
    give_scratch(controller, command);
    leave_gate(controller, command);
    leave_mark(controller, command);
    return STAGE_DONE;
}

/* An image that became shorter reads as nothing past its end, and a write there would make it long
 * again with zeroes in between: neither may reach a host. So the length is looked at before
 * writing, once a turn, and an element found short stays failed. */
static int check_length(struct controller *controller, struct command *command)
{
    struct owned_element *element = owned(controller, command);

    if (element->size_checked_turn == controller->turn)
        return 0;
    if (element_check_size(&element->file) != 0) {
        controller_fail_element(controller, command->element, "its image was truncated");
        return -EIO;
    }
    element->size_checked_turn = controller->turn;
    return 0;
}

/* --- steps: each starts one operation and returns its result, or -EINPROGRESS --- */

/* Byte `at` of the element's range: where it stands in the payload. */
static int64_t place_of(const struct command *command, uint64_t at_bytes, uint64_t *ret_run_bytes)
{
    return payload_place(&command->shape, (int64_t)(at_bytes - command->element_offset_bytes),
                         ret_run_bytes);
}

/* The longest piece that begins at `at` and whose payload is in few enough places. */
static uint64_t piece_limit(const struct command *command, uint64_t at_bytes, uint64_t end_bytes)
{
    uint64_t from = at_bytes, run_bytes;

    if (command->shape.chunk_bytes == 0)
        return end_bytes - from;
    for (uint32_t runs = 0; runs < COMMAND_VECTORS && at_bytes < end_bytes; runs++) {
        (void)place_of(command, at_bytes, &run_bytes);
        at_bytes += run_bytes;
    }
    return (at_bytes < end_bytes ? at_bytes : end_bytes) - from;
}

/* Names the places of what is left of a piece whose payload is not in one. */
static void name_places(struct command *command, struct loop_io *io)
{
    uint64_t at = io->offset_bytes, end = at + io->bytes, run_bytes;

    io->vectors = command->io.vectors;
    for (io->vectors_count = 0; at < end; io->vectors_count++) {
        uint8_t *memory = command->payload + place_of(command, at, &run_bytes);
        if (run_bytes > end - at)
            run_bytes = end - at;
        assert(io->vectors_count < COMMAND_VECTORS);
        command->io.vectors[io->vectors_count] =
            (struct iovec){.iov_base = memory, .iov_len = run_bytes};
        at += run_bytes;
    }
}

/* I/O of what is left of the piece, from or to the payload. */
static struct loop_io piece_io(struct controller *controller, struct command *command)
{
    uint64_t at = command->io.at_bytes + command->io.piece_done_bytes, run_bytes;
    int64_t place = place_of(command, at, &run_bytes);
    struct loop_io io = {
        .durable = (command->flags & COMMAND_FUA) != 0,
        .memory = command->payload + place,
        .bytes = command->io.piece_bytes - command->io.piece_done_bytes,
        .offset_bytes = at,
    };

    if (io.bytes > run_bytes)
        name_places(command, &io);
    else
        io.buffer =
            controller_buffer_index(controller, command->payload_offset_bytes + (uint64_t)place);
    return io;
}

static struct loop_io zeroes_io(struct controller *controller, const struct command *command)
{
    const struct command_io *io = &command->io;

    return (struct loop_io){.buffer = LOOP_NO_BUFFER,
                            .durable = (command->flags & COMMAND_FUA) != 0,
                            .memory = controller->zeroes,
                            .bytes = io->piece_bytes - io->piece_done_bytes,
                            .offset_bytes = io->at_bytes + io->piece_done_bytes};
}

static int64_t start_read(struct controller *controller, struct command *command)
{
    return element_read(&owned(controller, command)->file, controller->loop,
                        piece_io(controller, command), &command->io.completion);
}

static int64_t start_write(struct controller *controller, struct command *command)
{
    struct loop_io io = command->op == COMMAND_ZERO ? zeroes_io(controller, command)
                                                    : piece_io(controller, command);

    return element_write(&owned(controller, command)->file, controller->loop, io,
                         &command->io.completion);
}

static uint64_t block_floor(uint64_t bytes)
{
    return bytes & ~(uint64_t)(BLOCK_BYTES - 1);
}

static uint64_t block_ceiling(uint64_t bytes)
{
    return block_floor(bytes + BLOCK_BYTES - 1);
}

/* The block around the partial piece that begins at io.at_bytes. */
static struct loop_io partial_io(const struct command *command)
{
    return (struct loop_io){.buffer = LOOP_NO_BUFFER,
                            .durable = (command->flags & COMMAND_FUA) != 0,
                            .memory = command->io.scratch,
                            .bytes = BLOCK_BYTES,
                            .offset_bytes = block_floor(command->io.at_bytes)};
}

static void change_block(struct command *command)
{
    struct command_io *io = &command->io;
    uint8_t *into = io->scratch + io->at_bytes % BLOCK_BYTES;
    uint64_t run_bytes;

    if (command->op == COMMAND_ZERO)
        memset(into, 0, io->piece_bytes);
    else
        memcpy(into, command->payload + place_of(command, io->at_bytes, &run_bytes),
               io->piece_bytes);
}

/* Punching frees and zeroes; zeroing keeps the space. A device wants whole blocks for both. */
static int64_t start_release_range(struct controller *controller, struct command *command)
{
    struct element *file = &owned(controller, command)->file;
    uint64_t start = command->element_offset_bytes, end = start + command->length_bytes;

    if (file->device && (start | end) % BLOCK_BYTES != 0) {
        if (command->op == COMMAND_ZERO)
            return -EOPNOTSUPP;
        start = block_ceiling(start);
        end = block_floor(end);
    }
    if (start >= end)
        return 0;
    if (command->op == COMMAND_ZERO && (command->flags & COMMAND_NO_HOLE) != 0)
        return element_zero(file, controller->loop, start, end - start, &command->io.completion);
    return element_punch(file, controller->loop, start, end - start, &command->io.completion);
}

static int64_t start_step(struct controller *controller, struct command *command)
{
    struct owned_element *element = owned(controller, command);
    struct completion *completion = &command->io.completion;

    switch ((enum execute_step)command->io.step) {
    case STEP_READ:
        return start_read(controller, command);
    case STEP_WRITE:
        return start_write(controller, command);
    case STEP_PARTIAL_READ:
        return element_read(&element->file, controller->loop, partial_io(command), completion);
    case STEP_PARTIAL_WRITE:
        return element_write(&element->file, controller->loop, partial_io(command), completion);
    case STEP_RELEASE_RANGE:
        return start_release_range(controller, command);
    case STEP_SYNC:
        return element_sync(&element->file, controller->loop, completion);
    case STEP_PREFETCH:
        return element_prefetch(&element->file, controller->loop, command->element_offset_bytes,
                                command->length_bytes, completion);
    case STEP_MARK:
        return element_write_tail(&element->file, controller->loop, mark_io(element->mark),
                                  completion);
    }
    return -EIO;
}

/* --- what comes after a step: enum execute_next or -errno --- */

/* Lays out the next piece of a read: all of it, unless its payload is in very many places. */
static int next_read_piece(struct command *command)
{
    struct command_io *io = &command->io;

    if (io->at_bytes == io->end_bytes)
        return NEXT_OVER;
    io->piece_done_bytes = 0;
    io->retries = 0;
    io->piece_bytes = (uint32_t)piece_limit(command, io->at_bytes, io->end_bytes);
    io->step = STEP_READ;
    return NEXT_STEP;
}

static int after_read_piece(struct command *command)
{
    command->io.at_bytes += command->io.piece_bytes;
    return next_read_piece(command);
}

/* Lays out the next piece of a write. */
static int next_write_piece(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    uint64_t left = io->end_bytes - io->at_bytes;
    bool direct = is_direct(owned(controller, command));

    io->piece_done_bytes = 0;
    io->retries = 0;
    if (direct && (io->at_bytes % BLOCK_BYTES != 0 || left < BLOCK_BYTES)) {
        uint64_t room = BLOCK_BYTES - io->at_bytes % BLOCK_BYTES;
        io->piece_bytes = (uint32_t)(left < room ? left : room);
        io->step = STEP_PARTIAL_READ;
        if (io->scratch == NULL && controller->scratch_free_count == 0)
            return NEXT_SCRATCH;
        if (io->scratch == NULL)
            io->scratch = controller->scratch_free[--controller->scratch_free_count];
        return NEXT_STEP;
    }
    if (direct)
        left = block_floor(left);
    if (command->op == COMMAND_ZERO && left > ELEMENT_ZERO_BYTES)
        left = ELEMENT_ZERO_BYTES;
    if (command->op == COMMAND_WRITE)
        left = piece_limit(command, io->at_bytes, io->at_bytes + left);
    io->piece_bytes = (uint32_t)left;
    io->step = STEP_WRITE;
    return NEXT_STEP;
}

static int after_write_piece(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;

    io->at_bytes += io->piece_bytes;
    return io->at_bytes < io->end_bytes ? next_write_piece(controller, command) : NEXT_OVER;
}

/* A read or write moved io->result bytes. Short ones go on where they stopped; one that moved
 * nothing has met the end of an image that became shorter. */
static int after_transfer(struct controller *controller, struct command *command,
                          uint32_t wanted_bytes)
{
    struct command_io *io = &command->io;
    struct owned_element *element = owned(controller, command);

    io->piece_done_bytes += (uint32_t)io->result;
    if (io->piece_done_bytes == wanted_bytes)
        return NEXT_OVER;
    bool stuck = io->result == 0 || (is_direct(element) && io->result % BLOCK_BYTES != 0);
    if (!stuck)
        return NEXT_STEP;
    if (element_check_size(&element->file) != 0)
        controller_fail_element(controller, command->element, "its image was truncated");
    return -EIO;
}

static int after_partial_read(struct command *command)
{
    if (command->io.result != BLOCK_BYTES)
        return -EIO;
    change_block(command);
    command->io.step = STEP_PARTIAL_WRITE;
    return NEXT_STEP;
}

/* Begins writing zeroes where the file system does not zero by itself. */
static int fall_back_to_writing(struct controller *controller, struct command *command)
{
    if ((command->flags & COMMAND_FAST_ZERO) != 0)
        return -EOPNOTSUPP;
    command->io.at_bytes = command->element_offset_bytes;
    command->io.end_bytes = command->element_offset_bytes + command->length_bytes;
    return next_write_piece(controller, command);
}

static int after_release_range(struct controller *controller, struct command *command)
{
    int64_t result = command->io.result;

    if (result == -EOPNOTSUPP) {
        if (command->op == COMMAND_ZERO)
            return fall_back_to_writing(controller, command);
        result = 0; /* a trim is advice */
    }
    if (result == 0 && (command->flags & COMMAND_FUA) != 0) {
        command->io.step = STEP_SYNC;
        return NEXT_STEP;
    }
    return (int)result;
}

static int after_sync(struct controller *controller, struct command *command)
{
    if (command->io.result == 0)
        return NEXT_OVER;
    /* After a failed fdatasync the kernel may have dropped the dirty pages and report success next
     * time: so no later flush of this element may succeed. */
    controller_fail_element(controller, command->element, "a flush of it failed");
    return -EIO;
}

/* A durable write is told of earlier writes that could not reach the disk, and the kernel tells it
 * once only: so its EIO is as good as a flush's. */
static int write_failed(struct controller *controller, struct command *command)
{
    bool durable = (command->flags & COMMAND_FUA) != 0 || command->op == COMMAND_MARK;

    if (command->io.result == -EIO && durable)
        controller_fail_element(controller, command->element, "a durable write to it failed");
    return (int)command->io.result;
}

/* Where it failed the older copy is still the newest good one, and the next writing goes to the
 * same place as this. */
static int after_mark(struct controller *controller, struct command *command)
{
    if (command->io.result < 0)
        return write_failed(controller, command);
    if (command->io.result != SUPERBLOCK_COPY_BYTES) /* it was short: all of it once more */
        return command->io.retries++ < RETRIES_MAX ? NEXT_STEP : -EIO;
    mark_written(owned(controller, command)->mark);
    return NEXT_OVER;
}

static int after_step(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    int more;

    if ((io->result == -EAGAIN || io->result == -EINTR) && io->retries++ < RETRIES_MAX)
        return NEXT_STEP;
    switch ((enum execute_step)io->step) {
    case STEP_READ:
        if (io->result < 0)
            return (int)io->result;
        more = after_transfer(controller, command, io->piece_bytes);
        return more != NEXT_OVER ? more : after_read_piece(command);
    case STEP_WRITE:
        if (io->result < 0)
            return write_failed(controller, command);
        more = after_transfer(controller, command, io->piece_bytes);
        return more != NEXT_OVER ? more : after_write_piece(controller, command);
    case STEP_PARTIAL_READ:
        return io->result < 0 ? (int)io->result : after_partial_read(command);
    case STEP_PARTIAL_WRITE:
        if (io->result != BLOCK_BYTES)
            return io->result < 0 ? write_failed(controller, command) : -EIO;
        return after_write_piece(controller, command);
    case STEP_RELEASE_RANGE:
        return after_release_range(controller, command);
    case STEP_SYNC:
        return after_sync(controller, command);
    case STEP_PREFETCH:
        return NEXT_OVER; /* advice as well */
    case STEP_MARK:
        return after_mark(controller, command);
    }
    return -EIO;
}

/* Starts steps until one ends later, the command is over, or it has to wait for a scratch block. */
static enum stage_verdict go_on(struct controller *controller, struct command *command, int next)
{
    while (next == NEXT_STEP) {
        command->io.result = start_step(controller, command);
        if (command->io.result == -EINPROGRESS) {
            command->io.waits_for = WAIT_STEP;
            controller->element_io_in_flight++;
            return STAGE_WAIT;
        }
        next = after_step(controller, command);
    }
    if (next == NEXT_SCRATCH) {
        command->io.waits_for = WAIT_SCRATCH;
        command_queue_push(&controller->scratch_waiters, command);
        return STAGE_WAIT;
    }
    return finish(controller, command, next);
}

/* --- the stage --- */

/* Looking for extents is done at once, by two system calls for each. So all commands of one turn
 * share what a turn may look for, but one each; a host asks again for what is left. */
static uint32_t extents_allowed(struct controller *controller, const struct command *command)
{
    if (controller->extents_turn != controller->turn) {
        controller->extents_turn = controller->turn;
        controller->extents_this_turn = 0;
    }
    if ((command->flags & COMMAND_ONE) != 0 || controller->extents_this_turn >= EXTENTS_TURN_MAX)
        return 1;
    return EXTENTS_TURN_MAX - controller->extents_this_turn;
}

/* Lays out the first step: enum execute_next or -errno. */
static int first_step(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    struct owned_element *element = owned(controller, command);
    int extents;

    io->at_bytes = command->element_offset_bytes;
    io->end_bytes = io->at_bytes + command->length_bytes;
    switch ((enum command_op)command->op) {
    case COMMAND_READ:
        if (is_direct(element)) {
            io->at_bytes = block_floor(io->at_bytes);
            io->end_bytes = block_ceiling(io->end_bytes);
        }
        return next_read_piece(command);
    case COMMAND_WRITE:
        return command->length_bytes != 0 ? next_write_piece(controller, command) : NEXT_OVER;
    case COMMAND_TRIM:
    case COMMAND_ZERO:
        io->step = STEP_RELEASE_RANGE;
        return command->length_bytes != 0 ? NEXT_STEP : NEXT_OVER;
    case COMMAND_FLUSH:
        io->step = STEP_SYNC;
        return NEXT_STEP;
    case COMMAND_PREFETCH:
        io->step = STEP_PREFETCH;
        return NEXT_STEP;
    case COMMAND_EXTENTS:
        extents = element_extents(&element->file, io->at_bytes, command->length_bytes,
                                  (struct extent *)(void *)command->payload,
                                  extents_allowed(controller, command));
        command->count = extents < 0 ? 0 : (uint32_t)extents;
        controller->extents_this_turn += command->count;
        return extents < 0 ? extents : NEXT_OVER;
    case COMMAND_MARK:
        io->step = STEP_MARK;
        io->marks = mark_begin(element->mark, &controller->segment);
        return io->marks ? NEXT_STEP : NEXT_OVER;
    case COMMAND_OPS_END:
        break;
    }
    return -EINVAL;
}

static void count_begin(struct controller *controller, struct command *command)
{
    controller->executing++;
    count_up(&owned(controller, command)->record->counters.in_flight, 1);
    count_up(&segment_volume(&controller->segment, command->volume)->counters.in_flight, 1);
    if (command->origin->travels)
        count_up(&controller->counters->executed, 1);
    else
        count_up(&controller->counters->redirected_in, 1);
}

/* The place came from the mapping table, which every process of the array can write. */
static bool place_is_ours(struct controller *controller, const struct command *command)
{
    const struct element *file = &owned(controller, command)->file;

    return file->fd >= 0 && command->element_offset_bytes <= file->size_bytes &&
           command->length_bytes <= file->size_bytes - command->element_offset_bytes;
}

static enum stage_verdict run_mark(struct controller *controller, struct command *command)
{
    struct owned_element *element = owned(controller, command);

    if (element->mark == NULL)
        return finish(controller, command, -EOPNOTSUPP);
    if (check_length(controller, command) != 0)
        return finish(controller, command, -EIO);
    if (element->mark->writing) {
        command->io.waits_for = WAIT_MARK;
        command_queue_push(&element->mark->waiting, command);
        return STAGE_WAIT;
    }
    return go_on(controller, command, first_step(controller, command));
}

enum stage_verdict execute_run(struct controller *controller, struct command *command)
{
    if (command->target != controller->id)
        return STAGE_NEXT;

    struct owned_element *element = owned(controller, command);
    struct command_io *io = &command->io;
    if (!place_is_ours(controller, command)) {
        aggregate_add(&command->aggregate, command->offset_bytes, -EIO);
        return STAGE_DONE;
    }
    io->piece_done_bytes = 0;
    io->retries = 0;
    io->scratch = NULL;
    io->gated = io->gate_waits = io->marks = false;
    count_begin(controller, command);
    /* relaxed: this controller is the state's only writer. */
    if (load_relaxed(&element->record->state) != ELEMENT_ONLINE)
        return finish(controller, command, -EIO);
    if (command_changes_data(command->op)) {
        if (element->file.read_only)
            return finish(controller, command, -EPERM);
        if (check_length(controller, command) != 0)
            return finish(controller, command, -EIO);
        if (is_direct(element) && !gate_enter(&element->gate, command)) {
            io->waits_for = WAIT_GATE;
            return STAGE_WAIT;
        }
    }
    if (command->op == COMMAND_MARK)
        return run_mark(controller, command);
    return go_on(controller, command, first_step(controller, command));
}

/* What the command waited for has come. */
enum stage_verdict execute_complete(struct controller *controller, struct command *command)
{
    switch ((enum execute_wait)command->io.waits_for) {
    case WAIT_STEP:
        controller->element_io_in_flight--;
        return go_on(controller, command, after_step(controller, command));
    case WAIT_GATE:
    case WAIT_MARK: {
        /* relaxed: as in execute_run; it may have failed while this one waited. */
        bool online = load_relaxed(&owned(controller, command)->record->state) == ELEMENT_ONLINE;
        return go_on(controller, command, online ? first_step(controller, command) : -EIO);
    }
    case WAIT_SCRATCH:
        return go_on(controller, command, next_write_piece(controller, command));
    }
    return finish(controller, command, -EIO);
}
