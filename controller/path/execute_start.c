/* EXECUTE: starting operations of element I/O. Each returns its result, or -EINPROGRESS. */
#include <assert.h>
#include <errno.h>

#include "controller/path/execute.h"

uint64_t execute_piece_limit(const struct command *command, uint64_t at_bytes, uint64_t end_bytes)
{
    uint64_t from = at_bytes, run_bytes;

    if (command->shape.chunk_bytes == 0 && command->cache.blocks == NULL)
        return end_bytes - from;
    for (uint32_t runs = 0; runs < COMMAND_VECTORS && at_bytes < end_bytes; runs++) {
        (void)execute_place(command, at_bytes, &run_bytes);
        at_bytes += run_bytes;
    }
    return (at_bytes < end_bytes ? at_bytes : end_bytes) - from;
}

/* Names the places of what is left of a piece whose payload is not in one. */
static void name_places(struct command *command, struct loop_io *io)
{
    int64_t at = (int64_t)(io->offset_bytes - command->element_offset_bytes);
    uint64_t named_bytes;

    io->vectors = command->io.vectors;
    io->vectors_count = command_name_places(command, at, at + (int64_t)io->bytes,
                                            command->io.vectors, COMMAND_VECTORS, &named_bytes);
    assert(named_bytes == io->bytes);
}

/* I/O of what is left of the piece, from or to the payload. */
static struct loop_io piece_io(struct controller *controller, struct command *command)
{
    uint64_t at = command->io.at_bytes + command->io.piece_done_bytes, run_bytes;
    int64_t place = execute_place(command, at, &run_bytes);
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
    return element_read(&execute_owned(controller, command)->file, controller->loop,
                        piece_io(controller, command), &command->io.completion);
}

static int64_t start_write(struct controller *controller, struct command *command)
{
    struct loop_io io = command->op == COMMAND_ZERO ? zeroes_io(controller, command)
                                                    : piece_io(controller, command);

    return element_write(&execute_owned(controller, command)->file, controller->loop, io,
                         &command->io.completion);
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

/* Punching frees and zeroes; zeroing keeps the space. io.at_bytes to io.end_bytes. */
static int64_t start_release_range(struct controller *controller, struct command *command)
{
    struct element *file = &execute_owned(controller, command)->file;
    uint64_t start = command->io.at_bytes, end = command->io.end_bytes;

    if (start >= end)
        return 0;
    if (command->op == COMMAND_ZERO && (command->flags & COMMAND_NO_HOLE) != 0)
        return element_zero(file, controller->loop, start, end - start, &command->io.completion);
    return element_punch(file, controller->loop, start, end - start, &command->io.completion);
}

int64_t execute_start(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);
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
    case STEP_CHECKSUMS:
        return execute_start_checksums(controller, command);
    case STEP_INTENT:
        return element_write_tail(&element->file, controller->loop,
                                  integrity_intents_io(element->integrity), completion);
    }
    return -EIO;
}
