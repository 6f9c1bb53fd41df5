/* EXECUTE: what comes after an operation. Functions return enum execute_next, or -errno. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "controller/path/execute.h"

enum { RETRIES_MAX = 16 }; /* of one piece, after EAGAIN or EINTR */

/* Lays out the next piece of a read: all of it, unless its payload is in very many places. */
static int next_read_piece(struct command *command)
{
    struct command_io *io = &command->io;

    if (io->at_bytes == io->end_bytes)
        return NEXT_OVER;
    io->piece_done_bytes = 0;
    io->retries = 0;
    io->piece_bytes = (uint32_t)execute_piece_limit(command, io->at_bytes, io->end_bytes);
    io->step = STEP_READ;
    return NEXT_STEP;
}

static int after_read_piece(struct controller *controller, struct command *command)
{
    int next = execute_verify_piece(controller, command);

    if (next != NEXT_OVER)
        return next;
    command->io.at_bytes += command->io.piece_bytes;
    return next_read_piece(command);
}

static int take_scratch(struct controller *controller, struct command *command)
{
    if (command->io.scratch != NULL)
        return NEXT_STEP;
    if (controller->scratch_free_count == 0) {
        command->io.waits_for = WAIT_SCRATCH;
        command_queue_push(&controller->scratch_waiters, command);
        return NEXT_WAIT;
    }
    command->io.scratch = controller->scratch_free[--controller->scratch_free_count];
    return NEXT_STEP;
}

int execute_next_write(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    uint64_t left = io->end_bytes - io->at_bytes;
    bool blockwise = execute_blockwise(execute_owned(controller, command));

    io->piece_done_bytes = 0;
    io->retries = 0;
    if (blockwise && (io->at_bytes % BLOCK_BYTES != 0 || left < BLOCK_BYTES)) {
        uint64_t room = BLOCK_BYTES - io->at_bytes % BLOCK_BYTES;
        io->piece_bytes = (uint32_t)(left < room ? left : room);
        io->step = STEP_PARTIAL_READ;
        return take_scratch(controller, command);
    }
    if (blockwise)
        left = block_floor(left);
    if (command->op == COMMAND_ZERO && left > ELEMENT_ZERO_BYTES)
        left = ELEMENT_ZERO_BYTES;
    if (command->op == COMMAND_WRITE)
        left = execute_piece_limit(command, io->at_bytes, io->at_bytes + left);
    io->piece_bytes = (uint32_t)left;
    io->step = STEP_WRITE;
    return NEXT_STEP;
}

static int after_write_piece(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;

    io->at_bytes += io->piece_bytes;
    return io->at_bytes < io->end_bytes ? execute_next_write(controller, command) : NEXT_OVER;
}

/* A read or write moved io->result bytes. Short ones go on where they stopped; one that moved
 * nothing has met the end of an image that became shorter. */
static int after_transfer(struct controller *controller, struct command *command,
                          uint32_t wanted_bytes)
{
    struct command_io *io = &command->io;
    struct owned_element *element = execute_owned(controller, command);

    io->piece_done_bytes += (uint32_t)io->result;
    if (io->piece_done_bytes == wanted_bytes)
        return NEXT_OVER;
    bool stuck = io->result == 0 ||
                 (element->file.mode == ELEMENT_MODE_DIRECT && io->result % BLOCK_BYTES != 0);
    if (!stuck)
        return NEXT_STEP;
    if (element_check_size(&element->file) != 0)
        controller_fail_element(controller, command->element, "its image was truncated");
    return -EIO;
}

static void change_block(struct command *command)
{
    struct command_io *io = &command->io;
    uint8_t *into = io->scratch + io->at_bytes % BLOCK_BYTES;
    uint64_t run_bytes;

    if (command->op == COMMAND_ZERO)
        memset(into, 0, io->piece_bytes);
    else
        memcpy(into, command->payload + execute_place(command, io->at_bytes, &run_bytes),
               io->piece_bytes);
}

/* One block, a copy of the superblock or the bitmap of intents, of which a part was moved. */
int execute_once_more(struct command *command)
{
    return command->io.result > 0 && command->io.retries++ < RETRIES_MAX ? NEXT_STEP : -EIO;
}

static int after_partial_read(struct controller *controller, struct command *command)
{
    if (command->io.result != BLOCK_BYTES)
        return execute_once_more(command);
    int error = execute_verify_scratch(controller, command);
    if (error != 0)
        return error;
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
    return execute_next_write(controller, command);
}

static int after_release_range(struct controller *controller, struct command *command)
{
    int64_t result = command->io.result;

    if (result == -EOPNOTSUPP) {
        if (command->op == COMMAND_ZERO)
            return fall_back_to_writing(controller, command);
        return NEXT_OVER; /* a trim is advice */
    }
    if (result == 0)
        execute_enter_zeroes(controller, command);
    else
        execute_enter_unknown(controller, command);
    if (result == 0 && (command->flags & COMMAND_FUA) != 0) {
        command->io.step = STEP_SYNC;
        return NEXT_STEP;
    }
    return (int)result;
}

static int after_sync(struct controller *controller, struct command *command)
{
    int next = command->op == COMMAND_QUIET ? execute_after_quiet_flush(controller, command)
                                            : (int)NEXT_OVER;

    if (command->io.result == 0)
        return next;
    /* After a failed fdatasync the kernel may have dropped the dirty pages and report success next
     * time: so no later flush of this element may succeed. */
    controller_lose_writes(controller, command->element, "a flush of it failed");
    return -EIO;
}

/* A durable write is told of earlier writes that could not reach the disk, and the kernel tells it
 * once only: so its EIO is as good as a flush's. */
int execute_write_failed(struct controller *controller, struct command *command)
{
    bool durable = (command->flags & COMMAND_FUA) != 0 || command->op == COMMAND_MARK ||
                   command->io.step == STEP_INTENT || command->io.step == STEP_CHECKSUMS;

    if (command->io.result == -EIO && durable)
        controller_lose_writes(controller, command->element, "a durable write to it failed");
    return (int)command->io.result;
}

/* Where it failed the older copy is still the newest good one, and the next writing goes to the
 * same place as this. */
static int after_mark(struct controller *controller, struct command *command)
{
    if (command->io.result < 0)
        return execute_write_failed(controller, command);
    if (command->io.result != SUPERBLOCK_COPY_BYTES)
        return execute_once_more(command);
    mark_written(execute_owned(controller, command)->mark);
    return NEXT_OVER;
}

static int after_write(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    int more = io->result < 0 ? execute_write_failed(controller, command)
                              : after_transfer(controller, command, io->piece_bytes);

    if (more < 0)
        execute_enter_unknown(controller, command);
    if (more != NEXT_OVER)
        return more;
    execute_enter_piece(controller, command);
    return after_write_piece(controller, command);
}

static int after_partial_write(struct controller *controller, struct command *command)
{
    if (command->io.result == BLOCK_BYTES) {
        execute_enter_scratch(controller, command);
        return after_write_piece(controller, command);
    }
    execute_enter_unknown(controller, command);
    return command->io.result < 0 ? execute_write_failed(controller, command)
                                  : execute_once_more(command);
}

int execute_after(struct controller *controller, struct command *command)
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
        return more != NEXT_OVER ? more : after_read_piece(controller, command);
    case STEP_WRITE:
        return after_write(controller, command);
    case STEP_PARTIAL_READ:
        return io->result < 0 ? (int)io->result : after_partial_read(controller, command);
    case STEP_PARTIAL_WRITE:
        return after_partial_write(controller, command);
    case STEP_RELEASE_RANGE:
        return after_release_range(controller, command);
    case STEP_SYNC:
        return after_sync(controller, command);
    case STEP_PREFETCH:
        return NEXT_OVER; /* advice as well */
    case STEP_MARK:
        return after_mark(controller, command);
    case STEP_CHECKSUMS:
        return execute_after_checksums(controller, command);
    case STEP_INTENT:
        return execute_after_intent(controller, command);
    }
    return -EIO;
}

/* --- the first step --- */

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

static int look_for_extents(struct controller *controller, struct command *command)
{
    int extents =
        element_extents(&execute_owned(controller, command)->file, command->element_offset_bytes,
                        command->length_bytes, (struct extent *)(void *)command->payload,
                        extents_allowed(controller, command));

    command->count = extents < 0 ? 0 : (uint32_t)extents;
    controller->extents_this_turn += command->count;
    return extents < 0 ? extents : NEXT_OVER;
}

static void take_whole_blocks(struct command_io *io, const struct element *file)
{
    io->at_bytes = block_floor(io->at_bytes);
    io->end_bytes = block_ceiling(io->end_bytes);
    if (io->end_bytes > file->size_bytes)
        io->end_bytes = file->size_bytes;
}

/* A device punches and zeroes whole blocks only, and what is left of others would have no checksum:
 * zeroes are written then, and a trim leaves them as they are. */
static int first_release(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
    struct command_io *io = &command->io;
    bool whole_only = element->file.device || execute_checksums(element) != NULL;

    if (whole_only && (io->at_bytes | io->end_bytes) % BLOCK_BYTES != 0) {
        if (command->op == COMMAND_ZERO)
            return fall_back_to_writing(controller, command);
        io->at_bytes = block_ceiling(io->at_bytes);
        io->end_bytes = block_floor(io->end_bytes);
    }
    io->step = STEP_RELEASE_RANGE;
    return NEXT_STEP;
}

int execute_first(struct controller *controller, struct command *command)
{
    struct command_io *io = &command->io;
    struct owned_element *element = execute_owned(controller, command);

    io->at_bytes = command->element_offset_bytes;
    io->end_bytes = io->at_bytes + command->length_bytes;
    switch ((enum command_op)command->op) {
    case COMMAND_READ:
        if (execute_blockwise(element) || command->cache.keeps)
            take_whole_blocks(io, &element->file);
        return next_read_piece(command);
    case COMMAND_WRITE:
        return command->length_bytes != 0 ? execute_next_write(controller, command) : NEXT_OVER;
    case COMMAND_TRIM:
    case COMMAND_ZERO:
        return command->length_bytes != 0 ? first_release(controller, command) : NEXT_OVER;
    case COMMAND_FLUSH:
        io->step = STEP_SYNC;
        return NEXT_STEP;
    case COMMAND_PREFETCH:
        io->step = STEP_PREFETCH;
        return NEXT_STEP;
    case COMMAND_EXTENTS:
        return look_for_extents(controller, command);
    case COMMAND_INTENTS:
        command->count = execute_count_doubt(controller, command);
        return NEXT_OVER;
    case COMMAND_QUIET:
        return execute_quiet(controller, command);
    case COMMAND_CLEAR:
        return execute_clear(controller, command);
    case COMMAND_MARK:
        io->step = STEP_MARK;
        io->marks = mark_begin(element->mark, &controller->segment);
        return io->marks ? NEXT_STEP : NEXT_OVER;
    case COMMAND_RESTORE:
    case COMMAND_SCRUB:
    case COMMAND_SETTLE:
    case COMMAND_OPS_END:
        break;
    }
    return -EINVAL;
}
