/*
 * EXECUTE: what is read is compared with the element's checksums, and what is written is entered
 * there (controller/integrity/checksums.h).
 *
 * A write enters its blocks when it has ended, under the gate, where nobody else writes them. A
 * read does not wait for writes: it may find a block half written, or written and not entered yet.
 * So one that finds a block which does not fit enters the gate and reads once more; what does not
 * fit then is wrong. On a cached element nobody else is on its blocks anyway (cache/cache.h).
 *
 * A write of a part of a block that is wrong already would make the rest of it right by a new
 * checksum. On a plain volume it fails. A member's block can be had from others: there the write is
 * done and the block stays damaged, to be read elsewhere and written anew; so the member need not
 * be left out for it.
 */
#include <errno.h>
#include <stdio.h>

#include "controller/path/execute.h"

enum { SAY_EVERY_SECONDS = 1 };

/* --- saying --- */

/* A disk that has lost much would fill the log. */
static void say(struct controller *controller, struct command *command, uint64_t block)
{
    struct owned_element *element = execute_owned(controller, command);
    struct integrity *integrity = element->integrity;
    uint64_t now_ns = loop_now_ns(controller->loop);

    if (integrity->said_ns != 0 &&
        now_ns - integrity->said_ns < SAY_EVERY_SECONDS * UINT64_C(1000000000)) {
        integrity->unsaid++;
        return;
    }
    fprintf(stderr,
            "anyport: c%u: element %s: the block at byte %llu does not fit its checksum (%llu more "
            "not said)\n",
            controller->id, element->record->name, (unsigned long long)(block * BLOCK_BYTES),
            (unsigned long long)integrity->unsaid);
    integrity->said_ns = now_ns;
    integrity->unsaid = 0;
}

static void count(struct controller *controller, struct command *command, uint64_t block)
{
    count_up(&execute_owned(controller, command)->record->counters.checksum_errors, 1);
    count_up(&segment_volume(&controller->segment, command->volume)->counters.checksum_errors, 1);
    say(controller, command, block);
}

/* --- reading --- */

/* Blocks lie in the payload as on the element, whole, wherever their chunk stands. */
static const uint8_t *block_in_payload(const struct command *command, uint64_t at_bytes)
{
    uint64_t run_bytes;

    return command->payload + execute_place(command, at_bytes, &run_bytes);
}

/* True, and the first block of the piece that does not fit. */
static bool find_wrong(struct checksums *checksums, const struct command *command,
                       uint64_t *ret_block)
{
    uint64_t at = command->io.at_bytes, end = at + command->io.piece_bytes;

    for (; at < end; at += BLOCK_BYTES) {
        if (!checksums_fit(checksums, at / BLOCK_BYTES, block_in_payload(command, at))) {
            *ret_block = at / BLOCK_BYTES;
            return true;
        }
    }
    return false;
}

static int read_once_more(struct controller *controller, struct command *command)
{
    if (gate_enter(&execute_owned(controller, command)->gate, command))
        return execute_first(controller, command);
    command->io.waits_for = WAIT_GATE;
    return NEXT_WAIT;
}

int execute_verify_piece(struct controller *controller, struct command *command)
{
    struct checksums *checksums = execute_checksums(execute_owned(controller, command));
    uint64_t block;

    if (checksums == NULL || !find_wrong(checksums, command, &block))
        return NEXT_OVER;
    if (!command->io.gated && !command->cache.ordered)
        return read_once_more(controller, command);
    count(controller, command, block);
    return -EBADMSG;
}

int execute_verify_scratch(struct controller *controller, struct command *command)
{
    struct checksums *checksums = execute_checksums(execute_owned(controller, command));
    uint64_t block = command->io.at_bytes / BLOCK_BYTES;

    command->io.damages = false;
    if (checksums == NULL || checksums_fit(checksums, block, command->io.scratch))
        return NEXT_OVER;
    count(controller, command, block);
    const struct volume_record *volume = segment_volume(&controller->segment, command->volume);
    command->io.damages = (mapping_volume_flags(volume) & VOLUME_REDUNDANT_MEMBER) != 0;
    return command->io.damages ? NEXT_OVER : -EBADMSG;
}

/* --- writing --- */

void execute_enter_piece(struct controller *controller, struct command *command)
{
    struct checksums *checksums = execute_checksums(execute_owned(controller, command));
    uint64_t at = command->io.at_bytes, end = at + command->io.piece_bytes;

    if (checksums == NULL)
        return;
    if (command->op == COMMAND_ZERO) {
        checksums_set(checksums, at / BLOCK_BYTES, command->io.piece_bytes / BLOCK_BYTES,
                      CHECKSUM_ZEROES);
        return;
    }
    for (; at < end; at += BLOCK_BYTES)
        checksums_enter(checksums, at / BLOCK_BYTES, block_in_payload(command, at));
}

void execute_enter_scratch(struct controller *controller, struct command *command)
{
    struct checksums *checksums = execute_checksums(execute_owned(controller, command));
    uint64_t block = command->io.at_bytes / BLOCK_BYTES;

    if (checksums == NULL)
        return;
    if (command->io.damages)
        checksums_set(checksums, block, 1, CHECKSUM_DAMAGED);
    else
        checksums_enter(checksums, block, command->io.scratch);
}

static void enter_range(struct controller *controller, struct command *command, uint64_t end_bytes,
                        uint32_t word)
{
    struct checksums *checksums = execute_checksums(execute_owned(controller, command));
    uint64_t first = command->io.at_bytes / BLOCK_BYTES;
    uint64_t end = block_ceiling(end_bytes) / BLOCK_BYTES;

    if (checksums != NULL && first < end)
        checksums_set(checksums, first, end - first, word);
}

void execute_enter_zeroes(struct controller *controller, struct command *command)
{
    enter_range(controller, command, command->io.end_bytes, CHECKSUM_ZEROES);
}

void execute_enter_unknown(struct controller *controller, struct command *command)
{
    const struct command_io *io = &command->io;
    bool whole = io->step == STEP_RELEASE_RANGE;

    enter_range(controller, command, whole ? io->end_bytes : io->at_bytes + io->piece_bytes,
                CHECKSUM_UNKNOWN);
}
