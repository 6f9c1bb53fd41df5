/*
 * SPLIT: a read that no member can answer as a whole, because one has a bad block here and another
 * one there, is worked off block by block, under the reservation that it has. Each block is then
 * read from whoever has it. That is slow, and happens only where the host would be told EIO.
 */
#include "controller/controller.h"
#include "controller/path/split.h"

static bool may_be_divided(const struct command *command)
{
    const struct layout *layout = &command->virtual->layout;

    return command->op == COMMAND_READ && (layout->copies > 1 || layout->parities > 0);
}

/* From the given byte to the end of its block, or of the read. */
static void begin_part(struct command *command, uint64_t offset_bytes)
{
    struct split *split = command->split;
    uint64_t left_bytes = command->offset_bytes + command->length_bytes - offset_bytes;
    uint64_t block_bytes = BLOCK_BYTES - offset_bytes % BLOCK_BYTES;

    split->divided = true;
    split->absent = split->away = 0;
    split->part_offset_bytes = offset_bytes;
    split->part_bytes = left_bytes < block_bytes ? left_bytes : block_bytes;
}

bool split_divide(struct command *command)
{
    const struct split *split = command->split;
    uint64_t part_end_bytes = split->part_offset_bytes + split->part_bytes;
    uint64_t end_bytes = command->offset_bytes + command->length_bytes;
    bool failed = command->aggregate.status != 0;

    if (!may_be_divided(command))
        return false;
    if (!split->divided && failed &&
        command->offset_bytes / BLOCK_BYTES != (end_bytes - 1) / BLOCK_BYTES) {
        begin_part(command, command->offset_bytes);
        return true;
    }
    if (split->divided && !failed && part_end_bytes < end_bytes) {
        begin_part(command, part_end_bytes);
        return true;
    }
    return false;
}

void split_undivide(struct command *command)
{
    struct split *split = command->split;

    if (!split->divided)
        return;
    split->divided = false;
    split->part_offset_bytes = command->offset_bytes;
    split->part_bytes = command->length_bytes;
}
