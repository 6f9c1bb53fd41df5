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

#include "controller/path/execute.h"

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

/* Nested calls leave it to the outermost, so that a long line of commands, each of which ends at
 * once, does not stand on the stack. */
void execute_let_go_on(struct controller *controller, struct command *command)
{
    struct gate *gate = &execute_owned(controller, command)->gate;
    struct command *ready;

    gate_leave(gate, command);
    if (gate->letting_go)
        return;
    gate->letting_go = true;
    while ((ready = gate_next_ready(gate)) != NULL)
        command_complete(controller, ready, 0);
    gate->letting_go = false;
}

static void leave_gate(struct controller *controller, struct command *command)
{
    if (command->io.gated && !command->cache.ordered && !command->origin->answers_in_gate)
        execute_let_go_on(controller, command);
}

void execute_answered(struct controller *controller, struct command *command)
{
    if (command->io.gated)
        execute_let_go_on(controller, command);
}

/* The superblock may be written again: by the first who finds that something is left to write. */
static void leave_mark(struct controller *controller, struct command *command)
{
    struct mark *mark = execute_owned(controller, command)->mark;
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
    case -EBADMSG: /* a block does not fit its checksum: SPLIT counts it, a host is told EIO */
        return (int32_t)error;
    default:
        return -EIO;
    }
}

static void count_finish(struct controller *controller, struct command *command, int32_t status)
{
    struct volume_record *volume = segment_volume(&controller->segment, command->volume);
    uint64_t latency_ns = loop_now_ns(controller->loop) - command->received_ns;

    if (command->origin->uncounted)
        return;
    count_end(&execute_owned(controller, command)->record->counters, command, status, latency_ns);
    count_end(&volume->counters, command, status, latency_ns);
}

static enum stage_verdict finish(struct controller *controller, struct command *command,
                                 int64_t error)
{
    int32_t status = element_status(error);

    if (status != 0 && status != -EOPNOTSUPP && command_changes_data(command->op))
        execute_hold_intents(controller, command);
    count_finish(controller, command, status);
    aggregate_add(&command->aggregate, command->offset_bytes, status);
    controller->executing--;
    execute_owned(controller, command)->busy--;
    if (command_changes_data(command->op))
        execute_owned(controller, command)->writes[command->io.writes_age]--;
    give_scratch(controller, command);
    leave_gate(controller, command);
    leave_mark(controller, command);
    return STAGE_DONE;
}

/* Starts steps until one ends later, the command is over, or it has to wait for something else. */
static enum stage_verdict go_on(struct controller *controller, struct command *command, int next)
{
    while (next == NEXT_STEP) {
        command->io.result = execute_start(controller, command);
        if (command->io.result == -EINPROGRESS) {
            command->io.waits_for = WAIT_STEP;
            controller->element_io_in_flight++;
            return STAGE_WAIT;
        }
        next = execute_after(controller, command);
    }
    return next == NEXT_WAIT ? STAGE_WAIT : finish(controller, command, next);
}

/* --- the stage --- */

static void count_execution(struct controller *controller, const struct command *command)
{
    count_up(&execute_owned(controller, command)->record->commands_from[command->receiver], 1);
    if (command->origin->travels)
        count_up(&controller->counters->executed, 1);
    else
        count_up(&controller->counters->redirected_in, 1);
}

/* Since when it is under way is known to whoever has write intents go (execute_clear.c). */
static void count_write(struct owned_element *element, struct command *command)
{
    if (!command_changes_data(command->op))
        return;
    command->io.writes_age = element->writes_age;
    element->writes[element->writes_age]++;
}

static void count_begin(struct controller *controller, struct command *command)
{
    controller->executing++;
    execute_owned(controller, command)->busy++;
    count_write(execute_owned(controller, command), command);
    if (command->origin->uncounted)
        return;
    count_up(&execute_owned(controller, command)->record->counters.in_flight, 1);
    count_up(&segment_volume(&controller->segment, command->volume)->counters.in_flight, 1);
    count_execution(controller, command);
}

void execute_count_served(struct controller *controller, struct command *command, int32_t status)
{
    count_up(&execute_owned(controller, command)->record->counters.in_flight, 1);
    count_up(&segment_volume(&controller->segment, command->volume)->counters.in_flight, 1);
    count_execution(controller, command);
    count_finish(controller, command, status);
}

/* The place came from the mapping table, which every process of the array can write. */
static bool place_is_ours(struct controller *controller, const struct command *command)
{
    const struct element *file = &execute_owned(controller, command)->file;

    return file->fd >= 0 && command->element_offset_bytes <= file->size_bytes &&
           command->length_bytes <= file->size_bytes - command->element_offset_bytes;
}

static enum stage_verdict run_mark(struct controller *controller, struct command *command)
{
    struct owned_element *element = execute_owned(controller, command);

    if (element->mark == NULL)
        return finish(controller, command, -EOPNOTSUPP);
    if (controller_check_length(controller, command->element) != 0)
        return finish(controller, command, -EIO);
    if (element->mark->writing) {
        command->io.waits_for = WAIT_MARK;
        command_queue_push(&element->mark->waiting, command);
        return STAGE_WAIT;
    }
    return go_on(controller, command, execute_first(controller, command));
}

enum stage_verdict execute_run(struct controller *controller, struct command *command)
{
    if (command->target != controller->id)
        return STAGE_NEXT;

    struct owned_element *element = execute_owned(controller, command);
    struct command_io *io = &command->io;
    if (!place_is_ours(controller, command)) {
        aggregate_add(&command->aggregate, command->offset_bytes, -EIO);
        return STAGE_DONE;
    }
    io->piece_done_bytes = 0;
    io->retries = 0;
    io->scratch = NULL;
    if (!command->cache.ordered)
        io->gated = io->gate_waits = io->gate_shared = false;
    io->marks = io->damages = false;
    count_begin(controller, command);
    /* relaxed: this controller is the state's only writer. */
    if (load_relaxed(&element->record->state) != ELEMENT_ONLINE)
        return finish(controller, command, -EIO);
    if (command_changes_data(command->op)) {
        if (element->file.read_only)
            return finish(controller, command, -EPERM);
        if (controller_check_length(controller, command->element) != 0)
            return finish(controller, command, -EIO);
        return go_on(controller, command, execute_begin_change(controller, command));
    }
    if (command->op == COMMAND_MARK)
        return run_mark(controller, command);
    return go_on(controller, command, execute_first(controller, command));
}

/* What a command that waited in a line goes on with; its element may have failed meanwhile. */
static int next_after_wait(struct controller *controller, struct command *command)
{
    /* relaxed: as in execute_run */
    if (load_relaxed(&execute_owned(controller, command)->record->state) != ELEMENT_ONLINE)
        return -EIO;
    switch ((enum execute_wait)command->io.waits_for) {
    case WAIT_GATE:
    case WAIT_MARK:
        return execute_first(controller, command);
    case WAIT_SCRATCH:
        return execute_next_write(controller, command);
    case WAIT_INTENT:
        if (command->op == COMMAND_CLEAR)
            return execute_clear(controller, command);
        return command->io.result < 0 ? (int)command->io.result
                                      : execute_begin_change(controller, command);
    case WAIT_STEP:
        break;
    }
    return -EIO;
}

/* What the command waited for has come. */
enum stage_verdict execute_complete(struct controller *controller, struct command *command)
{
    if (command->io.waits_for != WAIT_STEP)
        return go_on(controller, command, next_after_wait(controller, command));
    controller->element_io_in_flight--;
    return go_on(controller, command, execute_after(controller, command));
}
